"""What a text is about and how it asks, told by cue words for eight aspects, for complaints and for urgency."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.cue_words import EN, URGENT, ZH, Cue
from services.sentiment.interaction.features import (
    BUCKET_BITS,
    Codes,
    HashedBatch,
    Positions,
    bucket_of,
    han_hash,
    ranges,
    word_hash,
)
from shared.contracts.enriched import ASPECT_NAMES, AspectHit, Urgency


def _cues_by_word(lists: Mapping[Cue, str], separator: str) -> dict[str, tuple[Cue, ...]]:
    cues: dict[str, tuple[Cue, ...]] = {}
    for cue, words in lists.items():
        for word in filter(None, words.split(separator)):
            cues[word] = (*cues.get(word, ()), cue)
    return cues


_zh_cues: Final = _cues_by_word(ZH, " ")
_en_cues: Final = _cues_by_word(EN, "|")
_cues_of: Final = {**_zh_cues, **_en_cues}
_aspect_names: Final = np.array(ASPECT_NAMES, np.object_)
_IN_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_is_in_word: Final = np.array([chr(code) in _IN_WORD for code in range(ord(max(_IN_WORD)) + 2)])
_EN_TOKEN: Final = re.compile(r"[a-z]+(?:'[a-z]+)*")
_first_words: Final = frozenset(token.group() for cue in _en_cues if (token := _EN_TOKEN.match(cue)))
_han_cues: Final = frozenset(cue for cue in _zh_cues if not cue.isascii())
_first_pairs: Final = frozenset(cue[:2] for cue in _han_cues)
_PAIR_START: Final = re.compile(
    "[{}](?=[{}])".format(*("".join(sorted(set(ends))) for ends in zip(*_first_pairs, strict=True)))
)


class _CueWord(NamedTuple):
    """A word or phrase that speaks for cues; an English one counts only where no letter or digit touches it."""

    word: str
    is_whole: bool


def _by_beginning() -> dict[str, tuple[_CueWord, ...]]:
    """Return the words by their first word or pair of Han characters, in the order tried.

    Chinese ones come before English ones, longer ones before shorter.
    """
    found: dict[str, tuple[_CueWord, ...]] = {}
    for words, is_whole in ((_zh_cues, False), (_en_cues, True)):
        for word in sorted(words, key=len, reverse=True):
            if word in _han_cues:
                beginning = word[:2]
            elif token := _EN_TOKEN.match(word):
                beginning = token.group()
            else:
                continue
            found[beginning] = (*found.get(beginning, ()), _CueWord(word, is_whole))
    return found


_words_by_beginning: Final = _by_beginning()
_START_BITS: Final = 16
_START_SHIFT: Final = np.array(BUCKET_BITS - _START_BITS, np.uint32)
_FOLLOWED_SHIFT: Final = np.array(32 - _START_BITS, np.uint32)
_N_FOLLOWING: Final = 2
"""Letters behind a word by which the phrases that it begins are told apart."""
_FIRST, _SECOND = (np.array(factor, np.uint32) for factor in (0x9E3779B1, 0x85EBCA6B))


def _first_bits(family: str, value: int) -> int:
    return bucket_of(family, value) + 1 >> (BUCKET_BITS - _START_BITS)


def _followed(places: Codes, first: Codes, second: Codes) -> Codes:
    """Return where a table of words followed by two letters has each."""
    mixed: Codes = (places ^ first * _FIRST ^ second * _SECOND) * _FIRST
    mixed >>= _FOLLOWED_SHIFT
    return mixed


class _Beginnings:
    """Tables that tell, by the hash with which a cue word begins, which cue words may begin so: a row of `first`.

    Words and Han pairs that are cues alone have tables of their own, looked at second, for the longest counts. Longer
    ones are looked up by a word and the next two letters, or by three Han characters: "on" is not looked at unless "ho"
    follows, and then for "on hold" alone. A few beginnings share a row: there the words of all may begin.
    """

    def __init__(self) -> None:
        self._words: list[_CueWord] = []
        self._counts = [0]
        cues = [(beginning, cue) for beginning, some in _words_by_beginning.items() for cue in some]
        han = [cue for _, cue in cues if cue.word in _han_cues]
        pairs, triples = ([cue for cue in han if cue.word[2:3].isascii() == is_pair] for is_pair in (True, False))
        latin = [(one, cue.word[len(one) :].lstrip(" "), cue) for one, cue in cues if cue.word not in _han_cues]
        phrases = [(one, rest, cue) for one, rest, cue in latin if len(rest) >= _N_FOLLOWING]
        self.pair = self._table((_first_bits("han2", han_hash(cue.word[:2])), cue) for cue in pairs)
        self.triple = self._table((_first_bits("han3", han_hash(cue.word[:3])), cue) for cue in triples)
        self.word = self._table(
            (_first_bits("word", word_hash(one)), cue) for one, rest, cue in latin if len(rest) < _N_FOLLOWING
        )
        words = [bucket_of("word", word_hash(one)) + 1 for one, _, _ in phrases]
        letters = [[ord(rest[at]) for _, rest, _ in phrases] for at in range(_N_FOLLOWING)]
        places = _followed(*(np.array(column, np.uint32) for column in (words, *letters)))
        self.phrase = self._table(zip(places.tolist(), (cue for _, _, cue in phrases), strict=True))
        self.counts = np.array(self._counts)
        """Words of each row."""
        self.first = np.cumsum(self.counts) - self.counts
        """Where in `spelt` each row begins; the first row has none."""
        self.spelt = [cue.word for cue in self._words]
        self.are_whole = np.array([cue.is_whole for cue in self._words])
        self.lengths = np.array(list(map(len, self.spelt)))
        self.letters = np.array(list(map(ord, chain.from_iterable(self.spelt))), np.uint32)
        """The letters of all words, one word after the other."""
        self.letters_from = np.cumsum(self.lengths) - self.lengths

    def _table(self, placed: Iterable[tuple[int, _CueWord]]) -> NDArray[np.uint16]:
        """Take up cue words in the order given, and return the row of each place."""
        by_place = defaultdict[int, list[_CueWord]](list)
        for place, cue in placed:
            by_place[place].append(cue)
        table = np.zeros((1 << _START_BITS) + 1, np.uint16)
        table[list(by_place)] = len(self._counts) + np.arange(len(by_place))
        self._words += chain.from_iterable(by_place.values())
        self._counts += map(len, by_place.values())
        return table


class _CuesOfWords:
    """What every word of `_Beginnings` speaks for: aspects in the order of the contract, last that it is urgent."""

    def __init__(self) -> None:
        names = (*ASPECT_NAMES, URGENT)
        listed = [[order for order, name in enumerate(names) if name in _cues_of[word]] for word in _beginnings.spelt]
        self.counts = np.array(list(map(len, listed)))
        self.first = np.cumsum(self.counts) - self.counts
        self.cues = np.array(list(chain.from_iterable(listed)))


def _start_table(family: str, hashes: Iterable[int]) -> NDArray[np.bool_]:
    """Return a table that is true where a place of the family, cut to its first bits, is that of one of the hashes."""
    table = np.zeros((1 << _START_BITS) + 1, np.bool_)
    table[[_first_bits(family, value) for value in hashes]] = True
    return table


_pair_starts: Final = _start_table("han2", map(han_hash, _first_pairs))
_word_starts: Final = _start_table("word", map(word_hash, _first_words))
_beginnings: Final = _Beginnings()
_cues_of_words: Final = _CuesOfWords()


class Told(NamedTuple):
    """What the cue words of a negative text tell."""

    urgency: Urgency
    aspects: list[AspectHit]


class ToldOfBatch(NamedTuple):
    """What the cue words of a batch's negative texts tell; texts that have any, and urgent ones, may be repeated."""

    texts: Positions
    urgent: Positions
    aspects: dict[int, list[AspectHit]]


def told_of_batch(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> ToldOfBatch:
    """Return what the wanted texts' cue words tell: of each text what `told_by` says of its words, in columns."""
    words, texts = _found(batch, is_wanted)
    once = np.sort(np.unique(texts * len(_beginnings.spelt) + words, return_index=True)[1])
    words, texts = words.take(once), texts.take(once)
    counts = _cues_of_words.counts.take(words)
    cues = _cues_of_words.cues.take(ranges(_cues_of_words.first.take(words), counts))
    words, texts_of_cues = words.repeat(counts), texts.repeat(counts)
    is_urgent = cues == len(ASPECT_NAMES)
    slots = texts_of_cues * len(ASPECT_NAMES) + cues
    # Stable: an aspect's words stay in the order met.
    order = slots.argsort(kind="stable")
    order = order[~is_urgent.take(order)]
    spelt = list(map(_beginnings.spelt.__getitem__, words.take(order).tolist()))
    first_words, words_of_hits = _runs(slots.take(order))
    told, aspects = np.divmod(slots.take(order).take(first_words), len(ASPECT_NAMES))
    hits = list(map(AspectHit, _aspect_names.take(aspects).tolist(), map(spelt.__getitem__, words_of_hits)))
    first_hits, hits_of_texts = _runs(told)
    hits_by_text = dict(zip(told.take(first_hits).tolist(), map(hits.__getitem__, hits_of_texts), strict=True))
    return ToldOfBatch(texts, texts_of_cues[is_urgent], hits_by_text)


def _runs(numbers: Positions) -> tuple[Positions, Iterable[slice]]:
    """Return where each run of equal numbers, none below 0, begins, and all runs."""
    begins = np.flatnonzero(np.diff(numbers, prepend=-1))
    return begins, map(slice, begins.tolist(), [*begins[1:].tolist(), len(numbers)])


def words_by_text(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> dict[int, list[str]]:
    """Return the cue words of those wanted texts that have any, in the order met."""
    found = defaultdict[int, list[str]](list)
    for word, text in zip(*map(np.ndarray.tolist, _found(batch, is_wanted)), strict=True):
        found[text].append(_beginnings.spelt[word])
    return found


def _found(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> tuple[Positions, Positions]:
    """Return the cue words of the wanted texts, as `_Beginnings` counts them, in the order met, and whose they are."""
    begun = _word_places(batch, is_wanted)
    if len(batch.is_han):
        begun += _han_places(batch, is_wanted)
    starts, rows = (np.concatenate(columns) for columns in zip(*begun, strict=True))
    # Stable: of those that begin at one place the longer come first.
    order = starts.argsort(kind="stable")
    counts = _beginnings.counts.take(rows.take(order))
    words = ranges(_beginnings.first.take(rows.take(order)), counts)
    starts = starts.take(order).repeat(counts)
    stand = np.flatnonzero(_stand(batch.letters, words, starts))
    words, starts = words.take(stand), starts.take(stand)
    free = _without_overlaps(starts, starts + _beginnings.lengths.take(words))
    words, starts = words.take(free), starts.take(free)
    return words, batch.bounds.searchsorted(starts, side="right") - 1


def _without_overlaps(starts: Positions, ends: Positions) -> Positions:
    """Return which of some stretches, ascending by start, stay if each that overlaps one that stays before it goes."""
    left = np.arange(len(starts))
    while len(left):
        begin, end = starts.take(left), ends.take(left)
        # Stays for sure: nothing before it, of what is left, reaches it.
        stays = begin[1:] >= np.maximum.accumulate(end)[:-1]
        if stays.all():
            break
        sure = np.flatnonzero(np.concatenate([[True], stays]))
        goes = begin < end.take(sure).repeat(np.diff(sure, append=len(left)))
        goes[sure] = False
        left = left[~goes]
    return left


def _stand(letters: Codes, words: Positions, starts: Positions) -> NDArray[np.bool_]:
    """Return which of some words of `_Beginnings` stand at the starts beside them."""
    if not len(words):
        return np.zeros(0, np.bool_)
    lengths = _beginnings.lengths.take(words)
    at, of_word = ranges(starts, lengths), ranges(_beginnings.letters_from.take(words), lengths)
    is_same = letters.take(at, mode="clip") == _beginnings.letters.take(of_word)
    stand: NDArray[np.bool_] = np.logical_and.reduceat(is_same, np.cumsum(lengths) - lengths)
    before, behind = (letters.take(beside, mode="clip") for beside in (starts - 1, starts + lengths))
    is_touched = _is_in_word.take(before, mode="clip") | _is_in_word.take(behind, mode="clip")
    stand &= ~(is_touched & _beginnings.are_whole.take(words))
    return stand


_Begun = list[tuple[Positions, NDArray[np.uint16]]]
"""The characters at which cue words may begin, and which: rows of `_Beginnings`; longer words first."""


def _word_places(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> _Begun:
    words = batch.at_tokens["word"][: batch.token_bounds[-1]]
    is_start = _word_starts.take(words >> _START_SHIFT, mode="clip")
    tokens = np.flatnonzero(is_start & _spread(is_wanted, batch.token_bounds))
    places, following = words[tokens], batch.token_starts[tokens + 1]
    phrases = _beginnings.phrase[_followed(places, batch.letters[following], batch.letters[following + 1])]
    return [_begun(batch.token_starts[tokens], table) for table in (phrases, _beginnings.word[places >> _START_SHIFT])]


def _han_places(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> _Begun:
    # Among them 4-grams, of which one in a while is looked at for nothing.
    pairs = batch.grams[batch.han_start : batch.bounds[-1]]
    is_start = _pair_starts.take(pairs >> _START_SHIFT, mode="clip")
    at = np.flatnonzero(is_start & _spread(is_wanted, batch.bounds)[batch.han_start :])
    longer = _beginnings.triple[batch.triples[at] >> _START_SHIFT]
    return [_begun(at + batch.han_start, table) for table in (longer, _beginnings.pair[pairs[at] >> _START_SHIFT])]


def _spread(is_wanted: NDArray[np.bool_], bounds: Positions) -> NDArray[np.bool_]:
    """Return for each character, or token, whether its text is wanted; none stands before the first text."""
    return is_wanted.repeat(bounds[1:] - bounds[:-1])


def _begun(starts: Positions, begun: NDArray[np.uint16]) -> tuple[Positions, NDArray[np.uint16]]:
    is_begun = np.flatnonzero(begun)
    return starts[is_begun], begun[is_begun]


def may_begin_cue(word: str) -> bool:
    return word in _first_words


def words_in(folded: str, first_words: Sequence[tuple[int, str]]) -> list[str]:
    """Return the cue words of one text, in the order met, from the words that may begin one and where they stand.

    `folded` is lower case, simplified, digits 0.
    """
    beginnings = list(first_words)
    if not folded.isascii():
        starts = [found.start() for found in _PAIR_START.finditer(folded)]
        pairs = [(start, pair) for start in starts if (pair := folded[start : start + 2]) in _first_pairs]
        beginnings = sorted([*beginnings, *pairs])
    found: list[str] = []
    free_from = 0
    for start, beginning in beginnings:
        if start < free_from:
            continue
        for word, is_whole in _words_by_beginning.get(beginning, ()):
            end = start + len(word)
            if folded.startswith(word, start) and not (is_whole and _is_inside_word(folded, start, end)):
                found.append(word)
                free_from = end
                break
    return found


def _is_inside_word(folded: str, start: int, end: int) -> bool:
    return folded[end : end + 1] in _IN_WORD or folded[max(start - 1, 0) : start] in _IN_WORD


def told_by(words: Iterable[str]) -> Told:
    """Return what cue words tell, aspects in the order of the contract."""
    found: dict[Cue, list[str]] = {}
    for word in dict.fromkeys(words):
        for cue in _cues_of[word]:
            found.setdefault(cue, []).append(word)
    hits = [AspectHit(aspect, found[aspect]) for aspect in ASPECT_NAMES if aspect in found]
    return Told("high" if URGENT in found else "normal", hits)
