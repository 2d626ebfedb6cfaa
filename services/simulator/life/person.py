"""Drawing the people: where they are reached, how they buy, and how they take things."""

from random import Random
from typing import Final

from services.simulator.life.model import DAY_MS, Medium, Person
from services.simulator.life.rhythm import RATE_SCALE, RATE_SHAPE, REGULARITIES
from services.simulator.text.grammar import Language

_FIRST_EN: Final = (
    "Alice",
    "Ben",
    "Chloe",
    "Daniel",
    "Emma",
    "Felix",
    "Grace",
    "Hugo",
    "Ivy",
    "Jack",
    "Kate",
    "Liam",
    "Mia",
    "Noah",
    "Olivia",
    "Paul",
    "Ruth",
    "Sam",
    "Tess",
    "Victor",
    "Wendy",
    "Zoe",
)
_LAST_EN: Final = (
    "Moore",
    "Carter",
    "Diaz",
    "Reed",
    "Stone",
    "Hart",
    "Lin",
    "Wolf",
    "Baker",
    "Cole",
    "Ellis",
    "Ford",
    "Gray",
    "Hughes",
    "Jones",
    "Kelly",
    "Lane",
    "Mills",
    "Nash",
    "Owens",
    "Price",
    "Quinn",
    "Ross",
    "Shaw",
    "Todd",
    "West",
)
_LAST_ZH: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
_FIRST_ZH: Final = (
    "美",
    "强",
    "敏",
    "洋",
    "静",
    "帆",
    "磊",
    "丽",
    "伟",
    "芳",
    "娜",
    "秀英",
    "建国",
    "志强",
    "晓明",
    "雪",
    "婷",
    "浩",
    "子涵",
    "宇",
    "欣怡",
    "梓轩",
    "佳",
    "俊杰",
    "思远",
    "文博",
)
# The share of people on each chat network, by language.
_CHATS: Final[dict[Language, tuple[tuple[str, int], ...]]] = {
    "zh": (("wechat", 60), ("chatwoot", 20), ("line", 5), ("intercom", 15)),
    "en": (("meta", 35), ("telegram", 15), ("line", 10), ("slack", 8), ("intercom", 16), ("chatwoot", 16)),
}
_MAILS: Final = ("sendgrid", "mailgun", "postmark", "zendesk")
_MEDIA: Final[tuple[Medium, ...]] = ("chat", "email", "phone", "sms")
_SHARE_JOINING: Final = 0.4
_JOINING_UNTIL: Final = 0.7
_DRIFT: Final = (0.5, 32.8)  # beta: mean .015, most people loyal, a few fickle


def draw_person(index: int, prefix: str, seed: int, start_ms: int, end_ms: int, chance: Random) -> Person:
    """Return the person of a number; the same ones for the same random numbers. Worlds of two seeds share nobody."""
    language: Language = "zh" if chance.random() < 0.5 else "en"
    name, local = _named(language, index, chance)
    is_joining = chance.random() < _SHARE_JOINING
    joined_ms = start_ms + int((end_ms - start_ms) * _JOINING_UNTIL * chance.random()) if is_joining else start_ms
    favourite = chance.choices(_MEDIA, (50, 30, 14, 6))[0]
    second = chance.choices([medium for medium in _MEDIA if medium != favourite], (50, 35, 15))[0]
    return Person(
        index=index,
        id=f"{prefix}-{index:05d}",
        language=language,
        name=name,
        email=f"{local}@{chance.choice(('mail', 'post', 'inbox'))}{seed}.example",
        phone=_phone(language, index, seed),
        key=f"{seed % 100_000:05d}{index:06d}",
        joined_ms=joined_ms // DAY_MS * DAY_MS,
        rate=max(chance.gammavariate(RATE_SHAPE, RATE_SCALE), 0.004),
        regularity=chance.choices([k for k, _ in REGULARITIES], [share for _, share in REGULARITIES])[0],
        p_drift=chance.betavariate(*_DRIFT),
        voice=chance.betavariate(2, 2),
        basket=chance.lognormvariate(3.9, 0.7),
        pays_by_invoice=chance.random() < 0.3,
        media=(favourite, second),
        chat=_weighted(_CHATS[language], chance),
        mail=chance.choice(_MAILS),
        shop="segment" if chance.random() < 0.5 else "own",
    )


def handles_of(person: Person) -> list[str]:
    """Return every way the person can be reached, in Pulseline's written form."""
    own = openid_of(person)
    chat = {
        "wechat": [f"wechat:{WECHAT_ACCOUNT}/{own}"],
        "line": [f"line:{own}"],
        "telegram": [f"telegram:{own}"],
        "slack": [f"slack:{SLACK_TEAM}/{own}", f"slack:{SLACK_TEAM}/{slack_room(person)}"],
        "intercom": [f"intercom:{INTERCOM_APP}/{own}"],
        "chatwoot": [f"chatwoot:{CHATWOOT_ACCOUNT}/{own}"],
        "meta": [],
    }[person.chat]
    return [f"tel:{person.phone}", f"mailto:{person.email}", f"zendesk:{ZENDESK_ACCOUNT}/{requester_of(person)}", *chat]


def slack_room(person: Person) -> str:
    """Return the room of direct messages between the person and the company's app."""
    return f"D{person.key}"


def requester_of(person: Person) -> str:
    """Return the person's number at the ticket desk."""
    return f"9{person.key}"


def openid_of(person: Person) -> str:
    """Return the person's id on the chat network: what that network's payloads call the sender."""
    match person.chat:
        case "wechat":
            return f"oSIM{person.key:0>24}"
        case "line":
            return f"U{person.key:0>32}"
        case "slack":
            return f"U{person.key}"
        case "meta":
            return person.phone.lstrip("+")
        case _:
            return f"7{person.key}"


WECHAT_ACCOUNT: Final = "gh_simulated"
SLACK_TEAM: Final = "T0SIMULATE"
INTERCOM_APP: Final = "simapp"
CHATWOOT_ACCOUNT: Final = "7"
ZENDESK_ACCOUNT: Final = "1700"


def _named(language: Language, index: int, chance: Random) -> tuple[str, str]:
    if language == "zh":
        name = chance.choice(_LAST_ZH) + chance.choice(_FIRST_ZH)
        return name, f"user{index:05d}"
    first, last = chance.choice(_FIRST_EN), chance.choice(_LAST_EN)
    return f"{first} {last}", f"{first}.{last}.{index:05d}".lower()


def _phone(language: Language, index: int, seed: int) -> str:
    """Return a number that is well formed; the Chinese ones are mobile, the others American."""
    if language == "zh":
        return f"+86138{seed % 1_000:03d}{index % 100_000:05d}"
    return f"+1{_AREAS[index % 10]}{220 + seed % 700:03d}{index // 10 % 10_000:04d}"


_AREAS: Final = ("212", "312", "415", "617", "206", "512", "303", "404", "503", "702")


def _weighted(options: tuple[tuple[str, int], ...], chance: Random) -> str:
    names, weights = zip(*options, strict=True)
    return str(chance.choices(names, weights)[0])
