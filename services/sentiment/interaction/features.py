"""Hashed n-grams of texts: a batch in a fixed number of numpy passes, or one text by plain Python, to the same buckets.

Families: Han characters, pairs and triples; words; word pairs; 4-grams inside words; words after a negation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.characters import (
    BREAK,
    CLASS_MASK,
    CLASS_SHIFT,
    CODE_MASK,
    HAN,
    LETTER,
    N_CODE_POINTS,
    PUNCTUATION,
    SCRIPT_SHIFT,
    SPACE,
    SYMBOL,
)
from services.sentiment.interaction.vocabulary import ENGLISH, FOREIGN, NEGATION, word_kinds

BUCKET_BITS: Final = 22
N_BUCKETS: Final = 1 << BUCKET_BITS
MAX_CHARACTERS: Final = 4_000
"""A longer text is judged by its first 3,000 and last 1,000 characters, so that cost is bounded."""
_HEAD_CHARACTERS: Final = 3_000

FAMILIES: Final = ("han1", "han2", "han3", "word", "pair", "gram4", "negated")

Codes = NDArray[np.uint32]
Positions = NDArray[np.intp]

_MASK: Final = 0xFFFFFFFF
_MIX: Final = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1, 0xD3A2646D)
_BASE: Final = 0x01000193
_BASE_INVERSE: Final = pow(_BASE, -1, 1 << 32)
_SEEDS: Final = {family: (0x11 * (n + 1)) * 0x01010101 & _MASK for n, family in enumerate(FAMILIES)}
HAN_RUN: Final = 2
"""A run of Han characters stands in a word pair as this one hash: what touches it is punctuation, Latin or an end."""
_BOUNDARY: Final = 1
_BREAK_CODE: Final = BREAK << CLASS_SHIFT | 0x0A
NEGATION_REACH: Final = 3
"""A negation colours this many tokens after it, up to the next punctuation."""
MIN_GRAM_WORD: Final = 4
_WEB_ADDRESS: Final = re.compile(r"(?:http|www\.)[\x21-\x7e]*")
_MENTION: Final = re.compile(r"@[\w-]{1,40}")


@dataclass(frozen=True, slots=True)
class HashedBatch:
    """Buckets of a batch, one array a family in the order of `FAMILIES`, ascending by position.

    `bounds[i]:bounds[i + 1]` are the positions of text i.
    """

    buckets: tuple[Codes, ...]
    positions: tuple[Positions, ...]
    bounds: Positions
    scripts: NDArray[np.int64]
    """Letters of every text by script: han, latin, accented, foreign."""
    function_words: NDArray[np.int64]
    """English and foreign function words of every text."""
    letters: Codes

    def folded(self, index: int) -> str:
        """Return text `index` as the hasher saw it: lower case, simplified, digits 0."""
        start, end = int(self.bounds[index]) + 1, int(self.bounds[index + 1])
        return self.letters[start:end].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def word_hash(word: str) -> int:
    """Return the polynomial hash of a folded word."""
    value, power = 0, 1
    for character in word:
        value = (value + ord(character) * power) & _MASK
        power = power * _BASE & _MASK
    return value


def clean(text: str) -> str:
    """Return the text on one line, bounded in length, with web addresses and mentions replaced by a word each."""
    if len(text) > MAX_CHARACTERS:
        text = text[:_HEAD_CHARACTERS] + " " + text[-(MAX_CHARACTERS - _HEAD_CHARACTERS) :]
    if "\n" in text:
        text = text.replace("\n", " ")
    return text


def replace_addresses(text: str) -> str:
    """Return the text with every web address as the word url and every mention as the word usr."""
    if "http" in text or "www." in text:
        text = _WEB_ADDRESS.sub(" url ", text)
    if "@" in text:
        text = _MENTION.sub(" usr ", text)
    return text


def _powers(base: int, count: int) -> Codes:
    powers = np.full(count, base, np.uint32)
    powers[0] = 1
    return np.multiply.accumulate(powers, dtype=np.uint32)


def _kind_index(value: int) -> int:
    return (value * _MIX[0] & _MASK) >> 16


def _build_kind_table() -> NDArray[np.uint8]:
    table = np.zeros(1 << 16, np.uint8)
    for word, kind in word_kinds().items():
        table[_kind_index(word_hash(word))] |= kind
    return table


_kind_table: Final = _build_kind_table()
# One 16-bit counter a script, so that one running sum counts four scripts; MAX_CHARACTERS keeps each below 2**16.
_script_units: Final = np.array([0, 1, 1 << 16, 1 << 32, 1 << 48, 0, 0, 0], np.uint64)
_word_units: Final = np.array([((k & ENGLISH) > 0) | ((k & FOREIGN) > 0) << 16 for k in range(8)], np.uint64)


def _count_packed(units: NDArray[np.uint64], at: Positions, n_fields: int) -> NDArray[np.int64]:
    total = np.zeros(len(units) + 1, np.uint64)
    np.cumsum(units, out=total[1:])
    counts = np.diff(total[at])
    fields = [(counts >> np.uint64(16 * field)) & np.uint64(0xFFFF) for field in range(n_fields)]
    return np.stack(fields, axis=1).astype(np.int64)


def _bucket(value: Codes, family: str) -> Codes:
    mixed = value ^ np.uint32(_SEEDS[family])
    mixed *= np.uint32(_MIX[0])
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(_MIX[1])
    mixed >>= np.uint32(32 - BUCKET_BITS)
    return mixed


def bucket_of(family: str, value: int) -> int:
    """Return the bucket of one hash: what `_bucket` does to an array."""
    mixed = (value ^ _SEEDS[family]) * _MIX[0] & _MASK
    mixed = (mixed ^ mixed >> 15) * _MIX[1] & _MASK
    return mixed >> (32 - BUCKET_BITS)


def han_hash(gram: str) -> int:
    """Return the hash of one to three Han characters."""
    if len(gram) == 1:
        return ord(gram)
    return sum(ord(character) * factor for character, factor in zip(gram, _MIX[2:5], strict=False)) & _MASK


def hash_han(letters: Codes, at: Positions) -> tuple[list[Codes], list[Positions]]:
    """Return buckets and positions of the 1-, 2- and 3-grams of Han characters, which stand at the positions `at`."""
    one = letters[at]
    if not len(at):
        return [one, one, one], [at, at, at]
    is_next = at[1:] - at[:-1] == 1
    two = one[:-1] * np.uint32(_MIX[2])
    two += one[1:] * np.uint32(_MIX[3])
    is_next_two = is_next[1:] & is_next[:-1]
    three = (two[:-1] + one[2:] * np.uint32(_MIX[4]))[is_next_two]
    return (
        [_bucket(one, "han1"), _bucket(two[is_next], "han2"), _bucket(three, "han3")],
        [at, at[:-1][is_next], at[:-2][is_next_two]],
    )


def pair_hash(first: int, second: int) -> int:
    """Return the hash of two neighbouring tokens from their own."""
    value = (first * _MIX[4] + second * _MIX[5]) & _MASK
    return value ^ value >> 16


def inner_grams(word: str) -> list[int]:
    """Return the hashes of the 4-grams of a word with its two ends marked."""
    codes = [_BOUNDARY, *map(ord, word), _BOUNDARY]
    first, second, third, fourth = _MIX[2:6]
    return [
        (codes[at] * first + codes[at + 1] * second + codes[at + 2] * third + codes[at + 3] * fourth) & _MASK
        for at in range(len(codes) - 3)
    ]


def word_kind(value: int) -> int:
    """Return the kind bits of a word by its hash."""
    return int(_kind_table[_kind_index(value)])


class Hasher:
    """Turns texts into buckets with one character table; holds the powers of the rolling hash, grown when needed."""

    def __init__(self, characters: NDArray[np.uint32]) -> None:
        if characters.shape != (N_CODE_POINTS,):
            raise ValueError(f"character table has shape {characters.shape}, not ({N_CODE_POINTS},)")
        self._characters = characters
        self._powers = _powers(_BASE, 1 << 16)
        self._inverse_powers = _powers(_BASE_INVERSE, 1 << 16)

    def _grow(self, count: int) -> None:
        if count > len(self._powers):
            self._powers = _powers(_BASE, 2 * count)
            self._inverse_powers = _powers(_BASE_INVERSE, 2 * count)

    def codes(self, texts: Sequence[str]) -> Codes:
        """Return folded characters with their classes, a break before and after every text, runs of 3 cut to 2."""
        joined = "\n".join(texts)
        if len(joined) > MAX_CHARACTERS or joined.count("\n") >= len(texts):
            joined = "\n".join([clean(text) for text in texts])
        joined = replace_addresses(joined)
        raw = np.frombuffer(f"\n{joined}\n\n\n\n\n".encode("utf-32-le", "surrogatepass"), np.uint32)
        codes: Codes = self._characters.take(raw, mode="clip")
        is_repeat = codes[1:] == codes[:-1]
        is_third = is_repeat[1:] & is_repeat[:-1]
        if is_third.any():
            keep = np.ones(len(codes), np.bool_)
            keep[2:] = ~is_third | (codes[2:] == np.uint32(_BREAK_CODE))
            codes = codes[keep]
        return codes

    def hash_batch(self, texts: Sequence[str]) -> HashedBatch:
        """Return the buckets of all texts."""
        codes = self.codes(texts)
        letters = codes & np.uint32(CODE_MASK)
        classes = ((codes >> np.uint32(CLASS_SHIFT)) & np.uint32(CLASS_MASK)).astype(np.uint8)
        self._grow(len(codes))
        breaks = np.flatnonzero(classes == BREAK)
        bounds = breaks[: len(texts) + 1]
        han = hash_han(letters, np.flatnonzero(classes == HAN))
        words = self._hash_words(letters, classes)
        return HashedBatch(
            buckets=(*han[0], *words[0]),
            positions=(*han[1], *words[1]),
            bounds=bounds,
            scripts=_count_packed(_script_units.take(codes >> np.uint32(SCRIPT_SHIFT)), bounds, 4),
            letters=letters,
            function_words=_count_packed(_word_units.take(words[2]), np.searchsorted(words[3], bounds), 2),
        )

    def _hash_words(
        self, letters: Codes, classes: NDArray[np.uint8]
    ) -> tuple[list[Codes], list[Positions], NDArray[np.uint8], Positions]:
        self._join_apostrophes(letters, classes)
        is_start = np.empty(len(classes), np.bool_)
        is_start[0] = True
        np.not_equal(classes[1:], classes[:-1], out=is_start[1:])
        is_single = classes >= SYMBOL
        is_token = classes != SPACE
        is_start |= is_single
        is_start &= is_token
        is_end = np.empty(len(classes), np.bool_)
        is_end[-1] = True
        np.not_equal(classes[1:], classes[:-1], out=is_end[:-1])
        is_end |= is_single
        is_end &= is_token
        starts = np.flatnonzero(is_start)[:-4]
        ends = np.flatnonzero(is_end)[: len(starts)] + 1
        kinds = classes[starts]
        prefix = np.zeros(len(letters) + 1, np.uint32)
        np.cumsum(letters * self._powers[: len(letters)], dtype=np.uint32, out=prefix[1:])
        hashes = (prefix[ends] - prefix[starts]) * self._inverse_powers[starts]
        hashes[kinds == HAN] = HAN_RUN

        is_word = (kinds != HAN) & (kinds != BREAK)
        pairs = hashes[:-1] * np.uint32(_MIX[4]) + hashes[1:] * np.uint32(_MIX[5])
        pairs ^= pairs >> np.uint32(16)
        is_han, is_break = kinds == HAN, kinds == BREAK
        is_pair = ~((is_han | is_break)[:-1] & (is_han | is_break)[1:])
        is_latin = kinds == LETTER
        lengths = ends - starts
        grams, gram_positions = self._hash_grams(
            letters, classes, starts, lengths, is_latin & (lengths >= MIN_GRAM_WORD)
        )
        word_kinds = _kind_table.take((hashes * np.uint32(_MIX[0])) >> np.uint32(16))
        word_kinds[~is_latin] = 0
        is_negation = (word_kinds & NEGATION) > 0
        is_negation |= self._ends_in_nt(letters, ends, is_latin & (lengths >= MIN_GRAM_WORD))
        is_negated = self._negated(is_negation, kinds, is_latin)
        return (
            [
                _bucket(hashes[is_word], "word"),
                _bucket(pairs[is_pair], "pair"),
                grams,
                _bucket(hashes[is_negated], "negated"),
            ],
            [starts[is_word], starts[:-1][is_pair], gram_positions, starts[is_negated]],
            word_kinds,
            starts,
        )

    @staticmethod
    def _join_apostrophes(letters: Codes, classes: NDArray[np.uint8]) -> None:
        at = np.flatnonzero(letters == 0x27)
        if len(at):
            classes[at[(classes[at - 1] == LETTER) & (classes[at + 1] == LETTER)]] = LETTER

    @staticmethod
    def _hash_grams(
        letters: Codes,
        classes: NDArray[np.uint8],
        starts: Positions,
        lengths: Positions,
        is_long: NDArray[np.bool_],
    ) -> tuple[Codes, Positions]:
        long = np.flatnonzero(is_long)
        if not len(long):
            return np.zeros(0, np.uint32), np.zeros(0, np.intp)
        bounded = np.where(classes == LETTER, letters, np.uint32(_BOUNDARY))
        grams = bounded[:-3] * np.uint32(_MIX[2])
        grams += bounded[1:-2] * np.uint32(_MIX[3])
        grams += bounded[2:-1] * np.uint32(_MIX[4])
        grams += bounded[3:] * np.uint32(_MIX[5])
        counts = lengths[long] - 1
        first = np.repeat(starts[long] - 1 - (np.cumsum(counts) - counts), counts)
        at = first + np.arange(len(first))
        return _bucket(grams[at], "gram4"), at + 1

    @staticmethod
    def _ends_in_nt(letters: Codes, ends: Positions, is_long: NDArray[np.bool_]) -> NDArray[np.bool_]:
        # 0x74 is t and 0x27 the apostrophe: isn't, wouldn't and their like.
        ends_so: NDArray[np.bool_] = is_long & (letters[ends - 1] == 0x74) & (letters[ends - 2] == 0x27)
        return ends_so

    @staticmethod
    def _negated(
        is_negation: NDArray[np.bool_], kinds: NDArray[np.uint8], is_latin: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        if not is_negation.any():
            return np.zeros(len(kinds), np.bool_)
        order = np.arange(len(kinds))
        latest = np.maximum.accumulate(np.where(is_negation, order, -9))
        is_stop = (kinds == PUNCTUATION) | (kinds == BREAK) | (kinds == HAN)
        stop = np.maximum.accumulate(np.where(is_stop, order, -1))
        before = np.empty(len(kinds), latest.dtype)
        before[0] = -9
        before[1:] = latest[:-1]
        reached: NDArray[np.bool_] = is_latin & (order - before <= NEGATION_REACH) & (before > stop)
        return reached
