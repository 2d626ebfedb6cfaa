"""Hashed n-grams of texts: a batch in a fixed number of numpy passes, or one text by plain Python, to the same buckets.

Families: Han characters, pairs and triples; words; word pairs; 4-grams inside words; words after a negation.
What begins within a negation's reach is *turned*: its polarity counts the other way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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
    SPACE,
    SYMBOL,
)
from services.sentiment.interaction.vocabulary import (
    ENDABLE,
    ENDED_BY,
    ENDS,
    ENGLISH,
    FOREIGN,
    HAN_NEGATIONS,
    HAN_NOT_DENYING,
    N_KINDS,
    NEGATION,
    word_kinds,
)

BUCKET_BITS: Final = 22
N_BUCKETS: Final = 1 << BUCKET_BITS
MAX_CHARACTERS: Final = 4_000
"""A longer text is judged by its first 3,000 and last 1,000 characters, so that cost is bounded."""
_HEAD_CHARACTERS: Final = 3_000

FAMILIES: Final = ("han1", "han2", "han3", "word", "pair", "gram4", "negated")
NOTHING: Final = 0
"""Stands where a family has no feature; a feature's place in the weight table is its bucket + 1."""

Codes = NDArray[np.uint32]
Positions = NDArray[np.intp]

_MASK: Final = 0xFFFFFFFF
_MIX: Final = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1, 0xD3A2646D)
_BASE: Final = 0x01000193
_BASE_INVERSE: Final = pow(_BASE, -1, 1 << 32)
_SEEDS: Final = {family: (0x11 * (n + 1)) * 0x01010101 & _MASK for n, family in enumerate(FAMILIES)}
HAN_FAMILIES: Final = ("han1", "han2", "han3")
_HAN_SEEDS: Final = np.array([[_SEEDS[family]] for family in HAN_FAMILIES], np.uint32)
_N_HAN_RUNS: Final = len(HAN_FAMILIES) - 1
# Arrays without dimensions: numpy takes them up twice as fast as its scalars, which counts where arrays are short.
_MIXER, _LAST_MIXER, _FIRST, _SECOND, _THIRD, _FOURTH = (np.array(factor, np.uint32) for factor in _MIX)
# The hashes of a Han character, of two and of three, from three in a row.
_HAN_GRAMS: Final = np.array([(1, 0, 0), (*_MIX[2:4], 0), _MIX[2:5]], np.uint32)
_MIXER_SHIFT, _BUCKET_SHIFT, _ONE = (np.array(number, np.uint32) for number in (15, 32 - BUCKET_BITS, 1))
HAN_RUN: Final = 2
"""A run of Han characters stands in a word pair as this one hash: what touches it is punctuation, Latin or an end."""
_END: Final = chr(1)
"""Stands in a 4-gram for what is before a word and behind it."""
_APOSTROPHE: Final = 0x27
_N_LAST_BREAKS: Final = 4
"""A batch ends in five breaks: one ends the last text, four let every window of characters run to its end."""
_BREAK_CODES: Final = np.array(BREAK << CLASS_SHIFT | 0x0A, np.uint32)
_FIELD_BITS: Final = 16
"""Several counts of a text are summed as one number: no text has more than 10,000 characters, addresses replaced."""
_FIRST_FIELD: Final = np.array(1, np.uint64)
_KIND_SCRIPT: Final = np.array(_FIELD_BITS * 7, np.uint8)
"""A character's script within its kind, where it counts in fields: the first bit of the script's own one."""
_ONE_OF_KIND: Final = np.array(
    [(kinds & ENGLISH > 0) + ((kinds & FOREIGN > 0) << _FIELD_BITS) for kinds in range(1 << N_KINDS)],
    np.uint32,
)
NOT_TURNED, TURNED_WORD, TURNED_HAN = 0, 1, 2
"""How an n-gram is turned."""
NEGATION_REACH: Final = 3
"""A negation colours this many tokens after it, up to the next punctuation; a Han one as many Han characters."""
_STOP: Final = 1 << N_KINDS
"""Beside the bits of words that end some negations' reach: ends any negation's."""
_HAN_NEGATION: Final = np.array(1 << 27, np.uint32)
"""Marks the Han negations in a hasher's own character table: a bit between class and script."""
_KIND_NEGATION: Final = np.array(1 << 27 - CLASS_SHIFT, np.uint8)
_HAN_DENIAL: Final = re.compile(
    "|".join(
        f"{negation}(?![{''.join(word[1] for word in HAN_NOT_DENYING if word[0] == negation)}])"
        for negation in HAN_NEGATIONS
    )
)
MIN_GRAM_WORD: Final = 4
_DENSE_RATIO: Final = 0.2
"""Where fewer characters begin a 4-gram (Chinese with a few Latin words), it pays to pick them out first."""
_WEB_ADDRESS: Final = re.compile(r"(?:http|www\.)[\x21-\x7e]*")
# A pattern that begins with letters is searched four times as fast as one that begins with a choice.
_HTTP_ADDRESS: Final = re.compile(r"http[\x21-\x7e]*")
_MENTION: Final = re.compile(r"@[\w-]{1,40}")


class Found(NamedTuple):
    """Features of one family: their buckets, where their first characters stand, and how they are turned."""

    family: str
    buckets: Codes
    positions: Positions
    turns: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HashedBatch:
    """Places in the weight table of a batch's features, `NOTHING` where there is none.

    `grams` has the families han2 and gram4, one place a character: none has both. `triples` has han3, and as `is_han`
    begins at `han_start`, as no text before it has a Han character; without any in the batch both are empty. What is
    in han1, the Han characters themselves, has no places. `at_tokens` has word and pair, one place a token.
    A Han gram stands at its first character, a 4-gram at its second. `negated` stands at the tokens `negated_tokens`,
    and is never turned; the tokens `turned_tokens` and the characters `turned_letters` and `turned_han` are.
    Text i is the characters `bounds[i]:bounds[i + 1]` and the tokens `token_bounds[i]:token_bounds[i + 1]`.
    """

    grams: Codes
    triples: Codes
    is_han: NDArray[np.bool_]
    """Which characters from `han_start` on are Han; empty where the batch has none."""
    han_start: int
    at_tokens: dict[str, Codes]
    negated: Codes
    negated_tokens: Positions
    turned_tokens: Positions
    token_starts: Positions
    bounds: Positions
    token_bounds: Positions
    scripts: NDArray[np.int32]
    """A row a script, han, latin, accented, foreign: its letters in every text."""
    function_words: NDArray[np.int32]
    """English function words of every text, and foreign ones."""
    letters: Codes
    turned_letters: Positions
    """Characters of the turned tokens, and spaces."""
    turned_han: Positions
    """Han characters that a Han negation reaches, some of them twice."""

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def features(self) -> list[Found]:
        """Return the features of every family."""
        turns = np.full(len(self.letters), NOT_TURNED, np.uint8)
        turns[self.turned_letters] = TURNED_WORD
        turns[self.turned_han] = TURNED_HAN
        is_han = np.zeros(len(self.letters), np.bool_)
        is_han[self.han_start :][: len(self.is_han)] = self.is_han
        at_characters = {
            "han2": np.flatnonzero(self.grams * is_han),
            "han3": np.flatnonzero(self.triples) + self.han_start,
            "gram4": np.flatnonzero(self.grams * ~is_han),
        }
        at = np.flatnonzero(is_han)
        found = [Found("han1", _bucket(self.letters[at], _HAN_SEEDS[0]), at, turns[at])]
        for family, at in at_characters.items():
            places = self.triples[at - self.han_start] if family == "han3" else self.grams[at]
            found.append(Found(family, places - _ONE, at, turns[at]))
        for family, places in self.at_tokens.items():
            tokens = np.flatnonzero(places)
            at = self.token_starts[tokens]
            found.append(Found(family, places[tokens] - _ONE, at, turns[at]))
        at = self.token_starts[self.negated_tokens]
        found.append(Found("negated", self.negated - _ONE, at, np.full(len(at), NOT_TURNED, np.uint8)))
        return found

    def folded(self) -> str:
        """Return the batch as the hasher saw it: lower case, simplified, digits 0; text i by `bounds`."""
        # As text to numpy, which makes a str three times as fast as a codec does. It would drop noughts at the end, but
        # the end is a break, and nought folds to a space.
        folded: str = self.letters.view(f"U{len(self.letters)}").item()
        return folded


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
    if "www." in text:
        text = _WEB_ADDRESS.sub(" url ", text)
    elif "http" in text:
        text = _HTTP_ADDRESS.sub(" url ", text)
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


def _build_negation_tables() -> NDArray[np.uint8]:
    tables = np.zeros((2, N_CODE_POINTS), np.uint8)
    for order, negation in enumerate(HAN_NEGATIONS):
        tables[0, ord(negation)] = 1 << order
        tables[1, [ord(word[1]) for word in HAN_NOT_DENYING if word[0] == negation]] |= 1 << order
    return tables


_negation_bits, _excusing_bits = _build_negation_tables()
"""A bit a Han negation: which one a character is, and behind which ones it makes a word that denies nothing."""
_kind_table: Final = _build_kind_table()
_kind_bytes: Final = _kind_table.tobytes()


def _bucket(value: Codes, seed: np.uint32 | Codes) -> Codes:
    mixed = value ^ seed
    mixed *= _MIXER
    mixed ^= mixed >> _MIXER_SHIFT
    mixed *= _LAST_MIXER
    mixed >>= _BUCKET_SHIFT
    return mixed


def _places(value: Codes, seed: np.uint32 | Codes, is_feature: NDArray[np.bool_]) -> Codes:
    places = _bucket(value, seed)
    places += _ONE
    places *= is_feature
    return places


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


def han_characters(table: NDArray[np.uint32]) -> tuple[Codes, Codes]:
    """Return the folded Han characters of a character table, and the place of each as a feature."""
    characters = np.unique(table[table >> np.uint32(CLASS_SHIFT) & np.uint32(CLASS_MASK) == HAN] & np.uint32(CODE_MASK))
    return characters, _bucket(characters, _HAN_SEEDS[0]) + _ONE


def hash_han(letters: Codes, is_han: NDArray[np.bool_]) -> Codes:
    """Return the places of Han pairs and triples, shape (2, characters), each at its first character."""
    grams = np.empty((_N_HAN_RUNS, len(letters)), np.uint32)
    is_gram = np.zeros(grams.shape, np.bool_)
    pairs, triples = grams[0, :-1], grams[1, :-2]
    np.multiply(letters[:-1], _FIRST, out=pairs)
    pairs += letters[1:] * _SECOND
    np.multiply(letters[2:], _THIRD, out=triples)
    triples += pairs[:-1]
    np.logical_and(is_han[:-1], is_han[1:], out=is_gram[0, :-1])
    np.logical_and(is_gram[0, :-2], is_han[2:], out=is_gram[1, :-2])
    return _places(grams, _HAN_SEEDS[1:], is_gram)


def han_grams(is_han: bytes) -> NDArray[np.bool_]:
    """Return which Han 1-, 2- and 3-grams one text has, one family after another, each at its first character.

    `is_han` has a byte 1 for each Han character of the text, 0 for any other.
    """
    count = len(is_han)
    ones = int.from_bytes(is_han, "little")
    twos = ones & ones >> 8
    are_grams = ones | twos << 8 * count | (twos & ones >> 16) << 16 * count
    return np.frombuffer(are_grams.to_bytes(len(HAN_FAMILIES) * count, "little"), np.bool_)


def han_buckets(folded: str, is_gram: NDArray[np.bool_]) -> Codes:
    """Return the buckets of one text's Han n-grams, without gaps: as few calls as a short text wants."""
    codes = f"{folded}\n\n".encode("utf-32-le", "surrogatepass")
    # Row i begins i characters later.
    windows = np.ndarray((len(HAN_FAMILIES), len(folded)), "<u4", codes, strides=(4, 4))
    buckets: Codes = _bucket(_HAN_GRAMS @ windows, _HAN_SEEDS).ravel()[is_gram]
    return buckets


def hash_grams(letters: Codes, is_letter: NDArray[np.bool_], places: Codes) -> None:
    """Add the places of the 4-grams of words of four letters and more, ends marked; each at its second character."""
    is_two = is_letter[:-1] & is_letter[1:]
    is_four = is_two[:-2] & is_two[2:]
    # A pair of neighbouring letters lies in a long word when one of the five windows of four letters that touch
    # both does; the window of a gram has such a pair in its middle.
    is_long = np.zeros(len(letters), np.bool_)
    for shift in range(MIN_GRAM_WORD):
        is_long[shift : shift + len(is_four)] |= is_four
    is_gram = is_long[1:-2] & is_long[2:-1]
    bounded = letters * is_letter
    bounded += ~is_letter
    windows = (bounded[:-3], bounded[1:-2], bounded[2:-1], bounded[3:])
    seed = np.uint32(_SEEDS["gram4"])
    if np.count_nonzero(is_gram) > len(is_gram) * _DENSE_RATIO:
        places[1:-2] += _places(_gram_hashes(windows), seed, is_gram)
        return
    at = np.flatnonzero(is_gram)
    places[at + 1] = _bucket(_gram_hashes([window.take(at) for window in windows]), seed) + _ONE


def _gram_hashes(windows: Sequence[Codes]) -> Codes:
    first, second, third, fourth = windows
    grams = first * _FIRST
    grams += second * _SECOND
    grams += third * _THIRD
    grams += fourth * _FOURTH
    return grams


def ranges(first: Positions, counts: Positions) -> Positions:
    """Return, one after the other, as many numbers from each first one on as the count beside it says."""
    numbers = np.repeat(first - np.cumsum(counts) + counts, counts)
    numbers += np.arange(len(numbers))
    return numbers


def pair_hash(first: int, second: int) -> int:
    """Return the hash of two neighbouring tokens from their own."""
    value = (first * _MIX[4] + second * _MIX[5]) & _MASK
    return value ^ value >> 16


def grams_of(word: str) -> list[str]:
    """Return the 4-grams of a word with its two ends marked."""
    bounded = f"{_END}{word}{_END}"
    return [bounded[at : at + 4] for at in range(len(word) - 1)]


def gram_bucket(gram: str) -> int:
    """Return the bucket of a 4-gram."""
    one, two, three, four = map(ord, gram)
    first, second, third, fourth = _MIX[2:6]
    return bucket_of("gram4", one * first + two * second + three * third + four * fourth & _MASK)


def word_kind(value: int) -> int:
    """Return the kind bits of a word by its hash."""
    return _kind_bytes[_kind_index(value)]


class Hasher:
    """Turns texts into buckets with one character table; holds the powers of the rolling hash, grown when needed."""

    def __init__(self, characters: NDArray[np.uint32]) -> None:
        if characters.shape != (N_CODE_POINTS,):
            raise ValueError(f"character table has shape {characters.shape}, not ({N_CODE_POINTS},)")
        denies = np.isin(characters & np.uint32(CODE_MASK), list(map(ord, HAN_NEGATIONS)))
        self._characters = characters | denies * _HAN_NEGATION
        self._powers = _powers(_BASE, 1 << 16)
        self._inverse_powers = _powers(_BASE_INVERSE, 1 << 16)

    def _grow(self, count: int) -> None:
        if count > len(self._powers):
            self._powers = _powers(_BASE, 2 * count)
            self._inverse_powers = _powers(_BASE_INVERSE, 2 * count)

    def codes(self, texts: Sequence[str]) -> Codes:
        """Return folded characters with their classes, a break before and after every text, runs of 3 cut to 2."""
        joined = "\n".join(texts)
        if max(map(len, texts), default=0) > MAX_CHARACTERS or joined.count("\n") >= len(texts):
            joined = "\n".join([clean(text) for text in texts])
        joined = replace_addresses(joined)
        # By way of numpy's own text, which takes a third of a codec's time.
        raw = np.array([f"\n{joined}\n\n\n\n\n"]).view(np.uint32)
        codes: Codes = self._characters.take(raw, mode="clip")
        is_repeat = codes[1:] == codes[:-1]
        is_third = is_repeat[1:] & is_repeat[:-1]
        is_third &= codes[2:] != _BREAK_CODES
        if is_third.any():
            keep = np.ones(len(codes), np.bool_)
            np.logical_not(is_third, out=keep[2:])
            codes = codes[keep]
        return codes

    def hash_batch(self, texts: Sequence[str]) -> HashedBatch:
        """Return the places of all texts' features."""
        codes = self.codes(texts)
        letters = codes & np.uint32(CODE_MASK)
        kinds = (codes >> np.uint32(CLASS_SHIFT)).astype(np.uint8)
        classes = kinds & np.uint8(CLASS_MASK)
        is_break = classes == BREAK
        bounds = np.flatnonzero(is_break)[: len(texts) + 1]
        is_han = classes == HAN
        first_han = int(is_han.argmax())
        han_start, is_han_from_start = 0, is_han[:0]
        grams, triples = np.zeros(len(letters), np.uint32), letters[:0]
        turned_han = bounds[:0]
        if is_han[first_han]:
            # The break before the first text that has Han characters.
            han_start = int(bounds[np.searchsorted(bounds, first_han) - 1])
            is_han_from_start = is_han[han_start:]
            grams[han_start:], triples = hash_han(letters[han_start:], is_han_from_start)
            turned_han = _turned_han(letters, kinds, is_han)
        apostrophes = _join_apostrophes(letters, classes)
        is_letter = classes == LETTER
        if is_letter.any():
            # Apart, for what pays for texts of words does not for the few words among Han characters.
            if han_start:
                before = slice(0, han_start + MIN_GRAM_WORD - 1)
                hash_grams(letters[before], is_letter[before], grams[before])
            hash_grams(letters[han_start:], is_letter[han_start:], grams[han_start:])

        starts, hashes = self._hash_tokens(letters, classes)
        token_classes = classes.take(starts)
        is_latin, is_end, is_han_run = token_classes == LETTER, token_classes == BREAK, token_classes == HAN
        is_open = is_end | is_han_run
        np.putmask(hashes, is_han_run, HAN_RUN)
        word_kinds = _kind_table.take((hashes * _MIXER) >> np.uint32(16))
        word_kinds *= is_latin
        are_negations = (word_kinds & np.uint8(NEGATION)).view(np.bool_)
        in_nt = _tokens_in_nt(apostrophes, letters, classes, starts)
        negated, turned = _negated(
            np.concatenate([np.flatnonzero(are_negations), in_nt]),
            word_kinds,
            is_open | (token_classes == PUNCTUATION),
            is_latin,
        )
        token_bounds = np.flatnonzero(is_end)
        pairs = hashes[:-1] * _THIRD
        pairs += hashes[1:] * _FOURTH
        pairs ^= pairs >> np.uint32(16)
        return HashedBatch(
            grams=grams,
            triples=triples,
            is_han=is_han_from_start,
            han_start=han_start,
            at_tokens={
                "word": _places(hashes, np.uint32(_SEEDS["word"]), ~is_open),
                "pair": _places(pairs, np.uint32(_SEEDS["pair"]), ~(is_open[:-1] & is_open[1:])),
            },
            negated=_bucket(hashes.take(negated), np.uint32(_SEEDS["negated"])) + _ONE,
            negated_tokens=negated,
            turned_tokens=turned,
            token_starts=starts,
            bounds=bounds,
            token_bounds=token_bounds,
            scripts=_count_scripts(kinds, bounds),
            function_words=_by_text(_ONE_OF_KIND.take(word_kinds, mode="clip"), token_bounds),
            letters=letters,
            turned_letters=_characters_of(turned, starts),
            turned_han=turned_han,
        )

    def _hash_tokens(self, letters: Codes, classes: NDArray[np.uint8]) -> tuple[Positions, Codes]:
        """Return tokens' starts and hashes: a run of one class is a token, symbols and breaks stand singly."""
        is_start = np.empty(len(classes), np.bool_)
        is_start[0] = True
        np.not_equal(classes[1:], classes[:-1], out=is_start[1:])
        is_start |= classes >= SYMBOL
        is_inside = classes != SPACE
        is_start &= is_inside
        starts = np.flatnonzero(is_start)
        self._grow(len(letters))
        terms = letters * self._powers[: len(letters)]
        # Spaces count as nothing, so that a sum from one token's start to the next one's covers the token alone.
        terms *= is_inside
        before = np.empty(len(terms), np.uint32)
        before[0] = 0
        np.cumsum(terms[:-1], dtype=np.uint32, out=before[1:])
        before = before.take(starts[: 1 - _N_LAST_BREAKS])
        hashes: Codes = before[1:] - before[:-1]
        starts = starts[:-_N_LAST_BREAKS]
        hashes *= self._inverse_powers.take(starts)
        return starts, hashes


def _join_apostrophes(letters: Codes, classes: NDArray[np.uint8]) -> Positions:
    """Make letters of the apostrophes between letters, and return where these are."""
    at = np.flatnonzero(letters == np.uint32(_APOSTROPHE))
    between: Positions = at[(classes[at - 1] == LETTER) & (classes[at + 1] == LETTER)]
    classes[between] = LETTER
    return between


def _tokens_in_nt(at: Positions, letters: Codes, classes: NDArray[np.uint8], starts: Positions) -> Positions:
    """Return the tokens that end in 't and have four letters: isn't, wouldn't and their like; `at` the apostrophes."""
    at = at[(letters[at + 1] == ord("t")) & (classes[at + 2] != LETTER)]
    tokens = np.searchsorted(starts, at, side="right") - 1
    long: Positions = tokens[at + 2 - starts[tokens] >= MIN_GRAM_WORD]
    return long


def _negated(
    negations: Positions, kinds: NDArray[np.uint8], is_stop: NDArray[np.bool_], is_latin: NDArray[np.bool_]
) -> tuple[Positions, Positions]:
    """Return the tokens that a negation reaches, and those of them that it turns, ascending."""
    reached, turned = np.zeros((2, len(kinds) + NEGATION_REACH), np.bool_)
    met = np.full(len(reached), _STOP, np.uint8)
    np.bitwise_and(kinds, np.uint8(ENDS), out=met[: len(kinds)])
    np.putmask(met[: len(kinds)], is_stop, np.uint8(_STOP))
    ended_by = (kinds.take(negations) & np.uint8(ENDABLE)) << np.uint8(ENDED_BY)
    at, is_turning = negations, np.ones(len(negations), np.bool_)
    for _ in range(NEGATION_REACH):
        at = at + 1
        goes_on = np.flatnonzero(met.take(at) != _STOP)
        at, ended_by, is_turning = at.take(goes_on), ended_by.take(goes_on), is_turning.take(goes_on)
        is_turning &= met.take(at) & ended_by == 0
        reached[at] = True
        turned[at[is_turning]] = True
    n_tokens = len(is_latin)
    return np.flatnonzero(reached[:n_tokens] & is_latin), np.flatnonzero(turned[:n_tokens] & is_latin)


def _characters_of(tokens: Positions, starts: Positions) -> Positions:
    """Return the characters of some tokens, of which none is the last, and of the spaces behind them."""
    first = starts[tokens]
    return ranges(first, starts[tokens + 1] - first)


def _turned_han(letters: Codes, kinds: NDArray[np.uint8], is_han: NDArray[np.bool_]) -> Positions:
    """Return the Han characters that a Han negation reaches, some of them twice."""
    at = np.flatnonzero((kinds & _KIND_NEGATION).astype(np.bool_))
    at = at[_negation_bits[letters[at]] & _excusing_bits[letters[at + 1]] == 0]
    reached = []
    for _ in range(NEGATION_REACH):
        at = at + 1
        at = at[is_han[at]]
        reached.append(at)
    return np.concatenate(reached)


def turned_han(folded: str, is_han: bytes) -> bytes:
    """Return a byte for each character of one text, 1 for the Han characters that a Han negation reaches."""
    is_turned = bytearray(len(folded))
    for match in _HAN_DENIAL.finditer(folded):
        after = match.end()
        run = is_han[after : after + NEGATION_REACH].partition(b"\0")[0]
        is_turned[after : after + len(run)] = run
    return bytes(is_turned)


def _count_scripts(kinds: NDArray[np.uint8], bounds: Positions) -> NDArray[np.int32]:
    """Return the letters of every text by script, a row each: han, latin, accented, foreign."""
    # The first field has what has no script. That of foreign letters would lie behind the last: the rest is theirs.
    fields = _by_text(np.left_shift(_FIRST_FIELD, kinds & _KIND_SCRIPT), bounds)
    scripts = np.empty_like(fields)
    scripts[:-1] = fields[1:]
    np.subtract(bounds[1:] - bounds[:-1], fields.sum(axis=0), out=scripts[-1], casting="same_kind")
    return scripts


def _by_text(ones: NDArray[np.uint32] | NDArray[np.uint64], bounds: Positions) -> NDArray[np.int32]:
    """Return the sums of every text, a row a field."""
    sums = np.add.reduceat(ones[: bounds[-1]], bounds[:-1], dtype=ones.dtype)
    fields = sums.astype(sums.dtype.newbyteorder("<"), copy=False).view("<u2").reshape(len(sums), -1)
    return fields.T.astype(np.int32)
