"""The sums of one text by plain Python, over the same buckets as `features.Hasher`, with memory of words met before.

A batch pays a fixed price for its numpy passes; one text is cheaper here. Sums are integers, so both agree to the bit.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.sentiment.interaction import aspects, characters, features
from services.sentiment.interaction.features import bucket_of, word_kind
from services.sentiment.interaction.language import language_of
from services.sentiment.interaction.model import PARTS_BY_TURN, POLARITY_PARTS
from services.sentiment.interaction.vocabulary import ENDABLE, ENDED_BY, ENDS, ENGLISH, FOREIGN, NEGATION

_TOKEN: Final = re.compile("[abcq]+|[hk]+|D+|P+|Y")
_THIRD: Final = re.compile(r"(.)\1\1+", re.DOTALL)
_MASK: Final = 0xFFFFFFFF
_HIGH: Final = 32
_LOW_HALF: Final = 1 << 31
_MEMORY: Final = 60_000
"""Words, pairs and 4-grams kept before starting afresh: some 15 MB."""
_TURNING_WORD, _TURNING_HAN = (
    PARTS_BY_TURN[turn] - POLARITY_PARTS for turn in (features.TURNED_WORD, features.TURNED_HAN)
)
"""What a turned weight's parts are more than an ordinary one's."""
_BREAK_HASH: Final = 0x0A
_CUE: Final = 1 << 8
"""A bit beside those of a word's kind: a cue may begin with it."""
_LATIN_LETTERS: Final = frozenset("abcq")
_IS_HAN: Final = bytes(letter in b"hk" for letter in range(256))


class TextSums(Struct, frozen=True, gc=False):
    """Weights of a text summed over its `count` features, its language, its number of letters and its folded form.

    `polarity` is in parts, of which `POLARITY_PARTS` make a whole weight.
    `cue_words` are the words that may begin a cue and where they stand.
    """

    polarity: int
    neutrality: int
    count: int
    language: int
    n_letters: int
    folded: str
    cue_words: list[tuple[int, str]]


class _Word(NamedTuple):
    """What a token adds, whoever stands beside it; `value` is its hash, `kinds` the bits of its kind, 0 for most."""

    value: int
    weight: int
    n_features: int
    kinds: int


class _Translation(dict[int, int]):
    """A str.translate table filled from an array as characters are met."""

    def __init__(self, table: NDArray[np.uint32]) -> None:
        super().__init__()
        self._table = table.data
        self._last = len(table) - 1

    def __missing__(self, code_point: int) -> int:
        target: int = self._table[min(code_point, self._last)]
        self[code_point] = target
        return target


class _Grams(dict[str, int]):
    """Weights of 4-grams as words are learnt: a word that was never met has few that were not."""

    def __init__(self, weight: Callable[[int], int]) -> None:
        super().__init__()
        self._weight = weight

    def __missing__(self, gram: str) -> int:
        if len(self) >= _MEMORY:
            self.clear()
        weight = self[gram] = self._weight(features.gram_bucket(gram))
        return weight


def _class_letters(table: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return, for every folded code point, one letter for its class and script."""
    kinds = (table >> characters.CLASS_SHIFT) & characters.CLASS_MASK
    scripts = table >> characters.SCRIPT_SHIFT
    letters = np.full(len(table), ord("S"), np.uint32)
    letters[kinds == characters.DIGIT] = ord("D")
    letters[kinds == characters.PUNCTUATION] = ord("P")
    letters[kinds == characters.SYMBOL] = ord("Y")
    letters[kinds == characters.LETTER] = ord("c")
    letters[(kinds == characters.LETTER) & (scripts == characters.LATIN)] = ord("a")
    letters[(kinds == characters.LETTER) & (scripts == characters.ACCENTED)] = ord("b")
    letters[kinds == characters.HAN] = ord("k")
    letters[(kinds == characters.HAN) & (scripts == characters.HAN_SCRIPT)] = ord("h")
    by_folded = np.full(len(table), ord("S"), np.uint32)
    by_folded[table & characters.CODE_MASK] = letters
    return by_folded


def table_of(weights: NDArray[np.int8]) -> NDArray[np.int16]:
    """Return weights (2, buckets) as polarity in the high byte and neutrality in the low: one read gives both.

    A bucket's weights stand one place on; the first place holds nothing.
    """
    table = np.zeros(weights.shape[1] + 1, np.int16)
    np.left_shift(weights[0], 8, out=table[1:], dtype=np.int16)
    table[1:] |= weights[1].view(np.uint8)
    return table


class PlainReader:
    """Reads single texts with one character table and one weight table as `table_of` makes it."""

    def __init__(self, table: NDArray[np.uint32], weights: NDArray[np.int16]) -> None:
        self._fold = _Translation(table & np.uint32(characters.CODE_MASK))
        self._classify = _Translation(_class_letters(table))
        # Neutrality, polarity of bucket 0, and so on.
        self._bucket_weights = weights[1:].astype("<i2", copy=False)
        self._halves = memoryview(self._bucket_weights.view(np.int8).data)
        self._words: dict[str, _Word] = {}
        self._pairs: dict[tuple[int, int], int] = {}
        self._grams = _Grams(self._weight)

    def read(self, text: str) -> TextSums:
        """Return the sums of one text."""
        folded = features.replace_addresses(features.clean(text)).translate(self._fold)
        if _THIRD.search(folded):
            folded = _THIRD.sub(lambda found: found[1] * 2, folded)
        classes = folded.translate(self._classify)
        han, latin, accented = classes.count("h"), classes.count("a"), classes.count("b")
        foreign = classes.count("c") + classes.count("k")
        if "'" in folded:
            classes = _join_apostrophes(folded, classes)

        total = turned = count = english = other = 0
        words, pairs = self._words, self._pairs
        cue_words: list[tuple[int, str]] = []
        previous, previous_is_open = _BREAK_HASH, True
        negated_until = turned_until = -1
        # By what ends a negation's turning, the last token that it turns.
        turning: dict[int, int] = {}
        is_turned = previous_is_turned = False
        for order, match in enumerate(_TOKEN.finditer(classes)):
            start, end = match.span()
            kind = classes[start]
            is_turned = False
            if kind == "h" or kind == "k":
                value, is_open, negated_until = features.HAN_RUN, True, -1
                turning.clear()
            else:
                is_open = False
                token = folded[start:end]
                value, weight, n_features, kinds = words.get(token) or self._learn(token, kind in _LATIN_LETTERS)
                total += weight
                count += n_features
                if kinds & _CUE:
                    cue_words.append((start, token))
                if kind == "P":
                    negated_until = -1
                    turning.clear()
                elif kind in _LATIN_LETTERS:
                    if kinds & ENDS and turning:
                        turning = {ends: until for ends, until in turning.items() if not ends & kinds}
                        turned_until = max(turning.values(), default=-1)
                    if order <= negated_until:
                        # Not learnt: few words are ever met behind a negation.
                        total += self._weight(bucket_of("negated", value))
                        count += 1
                        if order <= turned_until:
                            turned += weight
                            is_turned = True
                    if kinds:
                        if kinds & NEGATION:
                            negated_until = turned_until = order + features.NEGATION_REACH
                            turning[(kinds & ENDABLE) << ENDED_BY] = turned_until
                        english += kinds & ENGLISH > 0
                        other += kinds & FOREIGN > 0
            if not (is_open and previous_is_open):
                pair = previous, value
                weight = pairs[pair] if pair in pairs else self._learn_pair(pair)
                total += weight
                count += 1
                if previous_is_turned:
                    turned += weight
            previous, previous_is_open, previous_is_turned = value, is_open, is_turned
        if not previous_is_open:
            pair = previous, _BREAK_HASH
            weight = pairs[pair] if pair in pairs else self._learn_pair(pair)
            total += weight
            count += 1
            if previous_is_turned:
                turned += weight
        polarity, neutrality = _heads(total)
        polarity = POLARITY_PARTS * polarity + _TURNING_WORD * _heads(turned)[0]
        if han or "k" in classes:
            han_polarity, han_neutrality, han_count = self._han(folded, classes)
            polarity += han_polarity
            neutrality += han_neutrality
            count += han_count
        return TextSums(
            polarity=polarity,
            neutrality=neutrality,
            count=count,
            language=language_of(han, latin, accented, foreign, english, other),
            n_letters=han + latin + accented + foreign,
            folded=folded,
            cue_words=cue_words,
        )

    def _weight(self, bucket: int) -> int:
        at = 2 * bucket
        return (self._halves[at + 1] << _HIGH) + self._halves[at]

    def _han(self, folded: str, classes: str) -> tuple[int, int, int]:
        """Return polarity, neutrality and count of the Han n-grams; numpy, since no two texts share many of them."""
        is_han = classes.encode("ascii").translate(_IS_HAN)
        is_gram = features.han_grams(is_han)
        halves = self._bucket_weights.take(features.han_buckets(folded, is_gram)).view(np.int8)
        # As the parts of complex numbers both halves are added in one call, exactly: they are small whole numbers.
        both = halves.astype(np.float64).view(np.complex128)
        total = np.add.reduce(both)
        polarity = POLARITY_PARTS * int(total.imag)
        is_turned = features.turned_han(folded, is_han)
        if 1 in is_turned:
            turned = both[np.frombuffer(is_turned * len(features.HAN_FAMILIES), np.bool_)[is_gram]]
            polarity += _TURNING_HAN * int(np.add.reduce(turned).imag)
        return polarity, int(total.real), len(both)

    def _learn_pair(self, pair: tuple[int, int]) -> int:
        if len(self._pairs) >= _MEMORY:
            self._pairs.clear()
        weight = self._pairs[pair] = self._weight(bucket_of("pair", features.pair_hash(*pair)))
        return weight

    def _learn(self, word: str, is_latin: bool) -> _Word:
        if len(self._words) >= _MEMORY:
            self._words.clear()
        value = features.word_hash(word)
        weight, count = self._weight(bucket_of("word", value)), 1
        kinds = _CUE * aspects.may_begin_cue(word) | (word_kind(value) if is_latin else 0)
        if is_latin and len(word) >= features.MIN_GRAM_WORD:
            grams = features.grams_of(word)
            weight += sum(map(self._grams.__getitem__, grams))
            count += len(grams)
            if word.endswith("'t"):
                kinds |= NEGATION
        learnt = self._words[word] = _Word(value, weight, count, kinds)
        return learnt


def _heads(total: int) -> tuple[int, int]:
    """Return the sums of polarity and neutrality from the sum of both."""
    neutrality = ((total + _LOW_HALF) & _MASK) - _LOW_HALF
    return (total - neutrality) >> _HIGH, neutrality


def _join_apostrophes(folded: str, classes: str) -> str:
    joined = list(classes)
    for at in range(1, len(folded) - 1):
        if folded[at] == "'" and classes[at - 1] in "abc" and classes[at + 1] in "abc":
            joined[at] = "q"
    return "".join(joined)
