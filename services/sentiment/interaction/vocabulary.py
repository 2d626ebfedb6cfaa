"""Short closed word lists that features and language look up: negations and function words."""

from typing import Final

N_KINDS: Final = 7
NEGATION, ENGLISH, FOREIGN, SURPASSING, LACKING, DEGREE, LACKED = (1 << bit for bit in range(N_KINDS))
"""Bits of a word's kind."""
ENDABLE: Final = SURPASSING | LACKING
ENDS: Final = DEGREE | LACKED
ENDED_BY: Final = 2
"""A word of DEGREE ends the reach of a SURPASSING negation, one of LACKED that of a LACKING one: so many bits on."""

_NEGATIONS: Final = (
    "not",
    "no",
    "never",
    "cannot",
    "cant",
    "dont",
    "doesnt",
    "didnt",
    "wont",
    "isnt",
    "wasnt",
    "arent",
    "werent",
    "couldnt",
    "wouldnt",
    "shouldnt",
    "without",
    "nor",
    "neither",
    "hardly",
    "barely",
    "aint",
    "havent",
    "hasnt",
    "hadnt",
    "nothing",
    "nobody",
    "none",
)
_SURPASSING: Final = ("never", "nobody", "nothing", "none")
_DEGREES: Final = ("such", "so")
"""Behind a surpassing negation these end what it reaches: "never had such poor service" says that it was poor."""
_LACKING: Final = ("without",)
_LACKED: Final = (
    "warning", "notice", "notification", "asking", "telling", "informing", "permission", "consent", "authorization",
    "authorisation", "explanation", "reason", "reply", "response",
)  # fmt: skip
"""What it is a fault to do without: "charged without warning" denies no fault."""
HAN_NEGATIONS: Final = "不没无未"
"""Characters that deny what follows; traditional 沒 and 無 are folded into them."""
HAN_NOT_DENYING: Final = (
    "不过", "不仅", "不但", "不单", "不光", "不只", "不止", "不管", "不论", "不如", "不同", "不久", "不错", "不断",
    "不得", "不料", "不禁", "不愧", "不妨", "不然", "不惜", "没错", "没准", "无论", "无比", "无非", "未来", "未免"
)  # fmt: skip
"""Words that begin like a negation and deny nothing."""
_ENGLISH: Final = (
    "the and you for that with this have are was not but what your from they will would can just how when there all "
    "out about get like one my me is it in on of to be we do so if he she his her our their them at by an or no yes "
    "thanks thank please hello hi ok okay why where who which been has had did does don't i'm it's i can't good bad "
    "great love hate never still after today now here want need help order"
)
_OTHER_LATIN: Final = (
    # Spanish, Portuguese, French, Italian, German, Dutch, Indonesian, Turkish, Polish, Vietnamese written bare
    "el los las una del por para con que como pero muy esta este estoy gracias hola mi su donde cuando porque todo "
    "não uma com mas muito isso você obrigado obrigada meu minha está são dos das nao voce "
    "le les des une est dans pour pas sur avec mais vous nous je ne très cette être merci bonjour mon ma c'est j'ai "
    "il lo gli che di per non sono è grazie ciao molto questo della nel "
    "der die das und ist nicht ein eine ich sie mit auf für von zu den dem wir aber auch danke bitte sehr habe "
    "het een niet van voor maar ook zijn ik je dat wat heb bedankt goed "
    "yang dan tidak ini itu saya dengan untuk ada sudah tapi bisa terima kasih "
    "bir ve bu için çok ama değil teşekkürler nie jest się że jak ale dziękuję"
)
_SHARED_WITH_ENGLISH: Final = frozenset(("die", "den", "per", "an", "or", "in", "on", "a", "i", "me", "no", "so", "do"))


def word_kinds() -> dict[str, int]:
    """Return every listed word with the bits of what it is."""
    kinds: dict[str, int] = dict.fromkeys(_NEGATIONS, NEGATION)
    for words, kind in ((_SURPASSING, SURPASSING), (_DEGREES, DEGREE), (_LACKING, LACKING), (_LACKED, LACKED)):
        for word in words:
            kinds[word] = kinds.get(word, 0) | kind
    english = frozenset(_ENGLISH.split())
    for word in english:
        kinds[word] = kinds.get(word, 0) | ENGLISH
    for word in frozenset(_OTHER_LATIN.split()) - english - _SHARED_WITH_ENGLISH:
        kinds[word] = kinds.get(word, 0) | FOREIGN
    return kinds
