"""The sums of one text by plain Python, over the same buckets as `features.Hasher`, with memory of words met before.

A batch pays a fixed price for its numpy passes; one text is cheaper here. Sums are integers, so both agree to the bit.
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction import characters, features
from services.sentiment.interaction.features import bucket_of, word_kind
from services.sentiment.interaction.language import language_of
from services.sentiment.interaction.vocabulary import ENGLISH, FOREIGN, NEGATION

_TOKEN: Final = re.compile("[abcq]+|[hk]+|D+|P+|Y")
_THIRD: Final = re.compile(r"(.)\1\1+", re.DOTALL)
_MASK: Final = 0xFFFFFFFF
_HIGH: Final = 32
_LOW_HALF: Final = 1 << 31
_MEMORY: Final = 60_000
"""Words and pairs kept before starting afresh: some 10 MB."""
_BREAK_HASH: Final = 0x0A
_HAN_LETTER: Final = ord("h")
_KANA_LETTER: Final = ord("k")


@dataclass(frozen=True, slots=True)
class TextSums:
    """Weights of a text summed over its `count` features, its language, its number of letters and its folded form."""

    polarity: int
    neutrality: int
    count: int
    language: int
    n_letters: int
    folded: str


@dataclass(frozen=True, slots=True)
class _Word:
    hash: int
    weight: int
    count: int
    negated_weight: int
    is_negation: bool
    is_english: bool
    is_foreign: bool


class _Translation(dict[int, int]):
    """A str.translate table filled from an array as characters are met."""

    def __init__(self, table: NDArray[np.uint32]) -> None:
        super().__init__()
        self._table = table
        self._last = len(table) - 1

    def __missing__(self, code_point: int) -> int:
        target = int(self._table[min(code_point, self._last)])
        self[code_point] = target
        return target


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
    """Return weights (2, buckets) as polarity * 256 + neutrality, so that one read gives both heads.

    A bucket's weights stand one place on; the first place holds nothing.
    """
    table = np.zeros(weights.shape[1] + 1, np.int16)
    np.multiply(weights[0], 256, out=table[1:], dtype=np.int16)
    table[1:] += weights[1]
    return table


class PlainReader:
    """Reads single texts with one character table and one weight table as `table_of` makes it."""

    def __init__(self, table: NDArray[np.uint32], weights: NDArray[np.int16]) -> None:
        self._fold = _Translation(table & np.uint32(characters.CODE_MASK))
        self._classify = _Translation(_class_letters(table))
        self._weights = weights
        self._one_weight = memoryview(weights.data)
        self._words: dict[str, _Word] = {}
        self._pairs: dict[tuple[int, int], int] = {}

    def read(self, text: str) -> TextSums:
        """Return the sums of one text."""
        folded = features.replace_addresses(features.clean(text)).translate(self._fold)
        if _THIRD.search(folded):
            folded = _THIRD.sub(r"\1\1", folded)
        classes = folded.translate(self._classify)
        han, latin, accented = classes.count("h"), classes.count("a"), classes.count("b")
        foreign = classes.count("c") + classes.count("k")
        if "'" in folded:
            classes = _join_apostrophes(folded, classes)

        total = count = english = other = 0
        previous, previous_is_open = _BREAK_HASH, True
        negation_at = -9
        for order, match in enumerate(_TOKEN.finditer(classes)):
            start, end = match.span()
            kind = classes[start]
            is_open = False
            if kind in "hk":
                value, is_open, negation_at = features.HAN_RUN, True, -9
            else:
                word = self._word(folded[start:end], kind in "abcq")
                value = word.hash
                total += word.weight
                count += word.count
                if kind == "P":
                    negation_at = -9
                elif kind in "abcq":
                    if order - negation_at <= features.NEGATION_REACH:
                        total += word.negated_weight
                        count += 1
                    if word.is_negation:
                        negation_at = order
                    english += word.is_english
                    other += word.is_foreign
            if not (is_open and previous_is_open):
                total += self._pair(previous, value)
                count += 1
            previous, previous_is_open = value, is_open
        if not previous_is_open:
            total += self._pair(previous, _BREAK_HASH)
            count += 1
        neutrality = ((total + _LOW_HALF) & _MASK) - _LOW_HALF
        polarity = (total - neutrality) >> _HIGH
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
        )

    def _weight(self, bucket: int) -> int:
        packed = self._one_weight[bucket + 1]
        polarity = (packed + 128) >> 8
        return (polarity << _HIGH) + packed - (polarity << 8)

    def _pair(self, first: int, second: int) -> int:
        pair = (first, second)
        weight = self._pairs.get(pair)
        if weight is None:
            if len(self._pairs) >= _MEMORY:
                self._pairs.clear()
            weight = self._pairs[pair] = self._weight(bucket_of("pair", features.pair_hash(first, second)))
        return weight

    def _han(self, folded: str, classes: str) -> tuple[int, int, int]:
        """Return polarity, neutrality and count of the Han n-grams; numpy, since no two texts share many of them."""
        letters = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = np.frombuffer(classes.encode("ascii"), np.uint8)
        at = features.hash_han(letters, (kinds == _HAN_LETTER) | (kinds == _KANA_LETTER))
        packed = self._weights.take(at)
        total, polarity = (
            int(packed.sum(dtype=np.int64)),
            int(((packed + np.int16(128)) >> np.int16(8)).sum(dtype=np.int64)),
        )
        return polarity, total - (polarity << 8), int(np.count_nonzero(at))

    def _word(self, word: str, is_latin: bool) -> _Word:
        known = self._words.get(word)
        if known is not None:
            return known
        if len(self._words) >= _MEMORY:
            self._words.clear()
        value = features.word_hash(word)
        weight, count = self._weight(bucket_of("word", value)), 1
        kind = word_kind(value) if is_latin else 0
        if is_latin and len(word) >= features.MIN_GRAM_WORD:
            for gram in features.inner_grams(word):
                weight += self._weight(bucket_of("gram4", gram))
                count += 1
        known = _Word(
            hash=value,
            weight=weight,
            count=count,
            negated_weight=self._weight(bucket_of("negated", value)),
            is_negation=bool(kind & NEGATION)
            or (is_latin and len(word) >= features.MIN_GRAM_WORD and word.endswith("'t")),
            is_english=bool(kind & ENGLISH),
            is_foreign=bool(kind & FOREIGN),
        )
        self._words[word] = known
        return known


def _join_apostrophes(folded: str, classes: str) -> str:
    joined = list(classes)
    for at in range(1, len(folded) - 1):
        if folded[at] == "'" and classes[at - 1] in "abc" and classes[at + 1] in "abc":
            joined[at] = "q"
    return "".join(joined)
