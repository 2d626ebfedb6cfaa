"""Sentiment of texts: many at once in numpy, one at a time in plain Python, the same result to the bit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.characters import N_CODE_POINTS
from services.sentiment.interaction.features import (
    NOTHING,
    TURNED_HAN,
    TURNED_WORD,
    Codes,
    HashedBatch,
    Hasher,
    Positions,
    han_characters,
)
from services.sentiment.interaction.judgement import PARTS, Parts, Reason, judgement, judgements
from services.sentiment.interaction.language import OTHER, languages_of
from services.sentiment.interaction.model import (
    NEUTRALITY,
    PARTS_BY_TURN,
    POLARITY,
    POLARITY_PARTS,
    SHIPPED_ARTEFACT,
    LinearModel,
    load_model,
)
from services.sentiment.interaction.plain import PlainReader, TextSums, table_of
from shared.contracts.enriched import Sentiment

_STEPS: Final = 256
_LIMIT: Final = 16
_BATCH: Final = 2_000
"""Texts hashed at once: more only leaves the cache. Measured 2026-11-22."""
_PLAIN_UP_TO: Final = 3
_SHORT, _TYPICAL, _LONG = 12, 60, 400
_LENGTH_EXPONENT: Final = 0.25
"""Logits grow with the number of features by this power, between a short text and a long one: without it short texts
were judged too surely and long ones too timidly. Source: search of 2026-11-29, docs/sentiment.md."""
_UNKNOWN: Final = (2_500, 5_000, 2_500)
_BLANK: Final = (0, PARTS, 0)
_UNKNOWNS, _BLANKS = (np.array(parts)[:, None] for parts in (_UNKNOWN, _BLANK))
_parts_by_turn: Final = np.array(PARTS_BY_TURN, np.int16)
_POLARITY_PARTS: Final = np.array(POLARITY_PARTS, np.int16)
_HALF: Final = np.array(8, np.int16)
"""Bits of a weight in the table."""
_COUNT: Final = 2
"""Stands after the heads where sums have a row each."""


def _sigmoid_parts() -> NDArray[np.int64]:
    logits = np.arange(-_LIMIT * _STEPS, _LIMIT * _STEPS + 1) / _STEPS
    return np.rint(PARTS / (1 + np.exp(-logits))).astype(np.int64)


def _warmths() -> list[float]:
    return [(max(count, _SHORT) / _TYPICAL) ** _LENGTH_EXPONENT for count in range(_LONG + 1)]


_warmth_list: Final = _warmths()
_warmth: Final = np.array(_warmth_list)
_parts: Final = _sigmoid_parts()
_parts_list: Final = _parts.tolist()


class Scorer:
    """Judges texts with one model. Build once; safe to share between threads except for single texts."""

    def __init__(self, model: LinearModel) -> None:
        self.name = model.name
        self._model = model
        self._hasher = Hasher(model.characters)
        self._weights = table_of(model.weights)
        self._han_weights = _weights_of_han(model.characters, self._weights)
        self._plain = PlainReader(model.characters, self._weights)
        self._biases = model.biases.tolist()
        self._biases_of = np.ascontiguousarray(model.biases.T)
        self._polarity_scale, self._neutrality_scale = model.scales[POLARITY] / POLARITY_PARTS, model.scales[NEUTRALITY]
        self._scales = np.array([[self._polarity_scale], [self._neutrality_scale]])

    @classmethod
    def load(cls, path: Path = SHIPPED_ARTEFACT) -> "Scorer":
        """Return a scorer with the model in a file, by default the one that ships. Raises ModelError."""
        return cls(load_model(path))

    def analyse(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return one judgement a text, in order; a text's judgement does not depend on its neighbours."""
        if len(texts) <= _PLAIN_UP_TO:
            return [self._analyse_one(text) for text in texts]
        judged: list[Sentiment] = []
        for start in range(0, len(texts), _BATCH):
            judged += self._analyse_batch(texts[start : start + _BATCH])
        return judged

    def explain(self, text: str, top: int = 12) -> list[Reason]:
        """Return the pieces of a text that moved it most, strongest first."""
        batch = self._hasher.hash_batch([text])
        folded = batch.folded()
        found = batch.features()
        count = max(1, sum(len(some.buckets) for some in found))
        pieces: dict[str, tuple[float, float]] = {}
        for family, buckets, positions, turns in found:
            for bucket, position, turn in zip(buckets.tolist(), positions.tolist(), turns.tolist(), strict=True):
                piece = _piece(folded, family, position)
                polarity, neutrality = pieces.get(piece, (0.0, 0.0))
                pieces[piece] = (
                    polarity + self._share(POLARITY, bucket, count) * PARTS_BY_TURN[turn] / POLARITY_PARTS,
                    neutrality + self._share(NEUTRALITY, bucket, count),
                )
        reasons = [Reason(piece, *moved) for piece, moved in pieces.items()]
        reasons.sort(key=lambda reason: (-abs(reason.polarity) - abs(reason.neutrality), reason.piece))
        return reasons[:top]

    def _share(self, head: int, bucket: int, count: int) -> float:
        share = int(self._model.weights[head, bucket]) * self._model.scales[head] / count**0.5
        return float(share * _warmth_list[min(count, _LONG)])

    def _analyse_one(self, text: str) -> Sentiment:
        sums = self._plain.read(text)
        return judgement(self.name, self._parts_of(sums), sums.language, sums.folded, sums.cue_words)

    def _parts_of(self, sums: TextSums) -> Parts:
        if sums.count == 0:
            return _BLANK
        if sums.language == OTHER and sums.n_letters:
            return _UNKNOWN
        root, warmth = sums.count**0.5, _warmth_list[min(sums.count, _LONG)]
        biases = self._biases[sums.language]
        polarity = sums.polarity * self._polarity_scale / root + biases[POLARITY]
        neutrality = sums.neutrality * self._neutrality_scale / root + biases[NEUTRALITY]
        neutral = _parts_list[_step(neutrality * warmth)]
        positive = ((PARTS - neutral) * _parts_list[_step(polarity * warmth)] + PARTS // 2) // PARTS
        return PARTS - neutral - positive, neutral, positive

    def _analyse_batch(self, texts: Sequence[str]) -> list[Sentiment]:
        """Judge the texts that cannot have Han characters before the others, so that these alone pay for looking."""
        is_ascii = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
        order = np.argsort(~is_ascii, kind="stable")
        batch = self._hasher.hash_batch(list(map(texts.__getitem__, order.tolist())))
        languages = languages_of(batch.scripts, batch.function_words)
        sums = self._sum(batch)
        counts = sums[_COUNT]
        logits = sums[:_COUNT] * self._scales
        logits /= np.sqrt(np.maximum(counts, 1))
        logits += self._biases_of.take(languages, axis=1)
        logits *= _warmth.take(np.minimum(counts, _LONG))
        logits *= _STEPS
        np.rint(logits, out=logits)
        logits += _LIMIT * _STEPS
        shares = _parts.take(logits.astype(np.intp), mode="clip")
        parts = np.empty((3, len(texts)), np.int64)
        parts[1] = neutral = shares[NEUTRALITY]
        parts[2] = positive = ((PARTS - neutral) * shares[POLARITY] + PARTS // 2) // PARTS
        parts[0] = PARTS - neutral - positive
        others = np.flatnonzero(languages == OTHER)
        if len(others):
            parts[:, others[batch.scripts[:, others].any(axis=0)]] = _UNKNOWNS
        parts[:, counts == 0] = _BLANKS
        return judgements(self.name, parts, languages, batch, order)

    def _sum(self, batch: HashedBatch) -> NDArray[np.int32]:
        """Return polarity in parts, neutrality and count of every text, shape (3, texts)."""
        n_characters = int(batch.bounds[-1])
        at_characters = _Totals(self._weights, batch.grams[:n_characters])
        if len(batch.is_han):
            at_characters.add_places(self._weights, batch.triples[: n_characters - batch.han_start], batch.han_start)
            letters = batch.letters[batch.han_start : n_characters]
            is_han = batch.is_han[: len(letters)]
            at_characters.add(_read(self._han_weights, letters), is_han, batch.han_start)
        at_characters.turn({TURNED_WORD: batch.turned_letters, TURNED_HAN: batch.turned_han})
        words, pairs = batch.at_tokens["word"], batch.at_tokens["pair"]
        n_tokens = int(batch.token_bounds[-1])
        at_tokens = _Totals(self._weights, words[:n_tokens])
        at_tokens.add_places(self._weights, pairs[:n_tokens], 0)
        at_tokens.turn({TURNED_WORD: batch.turned_tokens})
        at_tokens.add_at(batch.negated_tokens, self._weights.take(batch.negated))
        return at_characters.by_text(batch.bounds[:-1]) + at_tokens.by_text(batch.token_bounds[:-1])


class _Totals:
    """Weights of all families that stand at the same characters, or tokens, and how many features these are."""

    def __init__(self, table: NDArray[np.int16], places: Codes) -> None:
        """Begin with one family, with a place for each character or token."""
        packed = _read(table, places)
        self._sums = np.empty((3, len(places)), np.int16)
        self._polarities, self._neutralities, self._counts = self._sums
        np.right_shift(packed, _HALF, out=self._polarities)
        packed <<= _HALF
        np.right_shift(packed, _HALF, out=self._neutralities)
        self._counts[:] = places != NOTHING

    def add_places(self, table: NDArray[np.int16], places: Codes, start: int) -> None:
        """Add a family, with a place for each character or token from `start` on."""
        self.add(_read(table, places), places != NOTHING, start)

    def add(self, packed: NDArray[np.int16], is_feature: NDArray[np.bool_], start: int) -> None:
        """Add weights, 0 where there is no feature, of each character or token from `start` on; they are used up."""
        self._polarities[start:] += packed >> _HALF
        packed <<= _HALF
        packed >>= _HALF
        self._neutralities[start:] += packed
        self._counts[start:] += is_feature

    def turn(self, turned: Mapping[int, Positions]) -> None:
        """Count polarities in parts from here on, those of the characters or tokens of each turn as it says."""
        parts = {turn: self._polarities.take(at) * _parts_by_turn[turn] for turn, at in turned.items()}
        self._polarities *= _POLARITY_PARTS
        for turn, at in turned.items():
            self._polarities[at] = parts[turn]

    def add_at(self, at: Positions, packed: NDArray[np.int16]) -> None:
        """Add one feature, never turned, at each of some characters or tokens."""
        self._polarities[at] += (packed >> _HALF) * _POLARITY_PARTS
        self._neutralities[at] += (packed << _HALF) >> _HALF
        self._counts[at] += 1

    def by_text(self, starts: Positions) -> NDArray[np.int32]:
        """Return polarity in parts, neutrality and count of every text, shape (3, texts)."""
        sums: NDArray[np.int32] = np.add.reduceat(self._sums, starts, axis=1, dtype=np.int32)
        return sums


def _read(table: NDArray[np.int16], places: Codes) -> NDArray[np.int16]:
    return table.take(places.astype(np.intp), mode="wrap")


def _weights_of_han(characters: NDArray[np.uint32], weights: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the weights of single Han characters by code point, 0 for others: a table that stays in the cache."""
    of_han = np.zeros(N_CODE_POINTS, np.int16)
    han, places = han_characters(characters)
    of_han[han] = weights.take(places)
    return of_han


def _step(logit: float) -> int:
    return min(max(round(logit * _STEPS), -_LIMIT * _STEPS), _LIMIT * _STEPS) + _LIMIT * _STEPS


_SPANS: Final = {"han1": 1, "han2": 2, "han3": 3, "gram4": 4}


def _piece(folded: str, family: str, start: int) -> str:
    """Return the characters a feature covers; words and pairs run to the end of their token."""
    if family in _SPANS and family != "gram4":
        return folded[max(start, 0) : start + _SPANS[family]]
    at = max(start, 0)
    while family == "gram4" and at > 0 and folded[at - 1].isalpha():
        at -= 1
    pieces = folded[at:].split(maxsplit=2)
    return " ".join(pieces[:2] if family == "pair" else pieces[:1])
