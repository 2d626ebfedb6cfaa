"""Sentiment of texts: many at once in numpy, one at a time in plain Python, the same result to the bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction import aspects
from services.sentiment.interaction.features import FAMILIES, HashedBatch, Hasher
from services.sentiment.interaction.language import LANGUAGE_NAMES, OTHER, languages_of
from services.sentiment.interaction.model import NEUTRALITY, POLARITY, SHIPPED_ARTEFACT, LinearModel, load_model
from services.sentiment.interaction.plain import PlainReader
from shared.contracts.enriched import Sentiment

_PARTS: Final = 10_000
"""Probabilities are whole ten-thousandths, so that they sum to 1 and print short."""
_STEPS: Final = 256
_LIMIT: Final = 16
_BATCH: Final = 2_000
"""Texts hashed at once: more only leaves the cache. Measured 2026-11-22."""
_PLAIN_UP_TO: Final = 3
_SURE_COMPLAINT: Final = 6_000
_UNKNOWN: Final = (2_500, 5_000, 2_500)
_BLANK: Final = (0, _PARTS, 0)


def _sigmoid_parts() -> NDArray[np.int64]:
    logits = np.arange(-_LIMIT * _STEPS, _LIMIT * _STEPS + 1) / _STEPS
    return np.rint(_PARTS / (1 + np.exp(-logits))).astype(np.int64)


_parts: Final = _sigmoid_parts()
_parts_list: Final = _parts.tolist()


@dataclass(frozen=True, slots=True)
class Reason:
    """A piece of a text and what it moved: positive `polarity` speaks for positive, `neutrality` for neutral.

    Units: logits before the bias; the pieces of a text add up to its two logits.
    """

    piece: str
    polarity: float
    neutrality: float


class Scorer:
    """Judges texts with one model. Build once; safe to share between threads except for single texts."""

    def __init__(self, model: LinearModel) -> None:
        self.name = model.name
        self._model = model
        self._hasher = Hasher(model.characters)
        self._plain = PlainReader(model.characters, model.weights)
        # Both heads side by side, so that one gather reads both.
        self._packed = np.ascontiguousarray(model.weights.T).view(np.int16).ravel()
        self._biases = model.biases.tolist()

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
        folded = batch.folded(0)
        count = max(1, sum(len(buckets) for buckets in batch.buckets))
        pieces: dict[str, tuple[float, float]] = {}
        for family, buckets, positions in zip(FAMILIES, batch.buckets, batch.positions, strict=True):
            for bucket, position in zip(buckets.tolist(), positions.tolist(), strict=True):
                piece = _piece(folded, family, position - 1)
                polarity, neutrality = pieces.get(piece, (0.0, 0.0))
                pieces[piece] = (
                    polarity + self._share(POLARITY, bucket, count),
                    neutrality + self._share(NEUTRALITY, bucket, count),
                )
        reasons = [Reason(piece, *moved) for piece, moved in pieces.items()]
        reasons.sort(key=lambda reason: (-abs(reason.polarity) - abs(reason.neutrality), reason.piece))
        return reasons[:top]

    def _share(self, head: int, bucket: int, count: int) -> float:
        return float(int(self._model.weights[head, bucket]) * self._model.scales[head] / float(np.sqrt(count)))

    def _analyse_one(self, text: str) -> Sentiment:
        sums = self._plain.read(text)
        if sums.count == 0:
            return self._judgement(*_BLANK, sums.language, sums.folded)
        if sums.language == OTHER and sums.n_letters:
            return self._judgement(*_UNKNOWN, sums.language, sums.folded)
        root = sums.count**0.5
        biases = self._biases[sums.language]
        polarity = sums.polarity * self._model.scales[POLARITY] / root + biases[POLARITY]
        neutrality = sums.neutrality * self._model.scales[NEUTRALITY] / root + biases[NEUTRALITY]
        neutral = _parts_list[_step(neutrality)]
        positive = ((_PARTS - neutral) * _parts_list[_step(polarity)] + _PARTS // 2) // _PARTS
        return self._judgement(_PARTS - neutral - positive, neutral, positive, sums.language, sums.folded)

    def _analyse_batch(self, texts: Sequence[str]) -> list[Sentiment]:
        batch = self._hasher.hash_batch(texts)
        languages = languages_of(batch.scripts, batch.function_words)
        sums, counts = self._sum(batch)
        logits = sums * np.array(self._model.scales) / np.sqrt(np.maximum(counts, 1))[:, None]
        logits += self._model.biases[languages]
        steps = np.clip(np.rint(logits * _STEPS), -_LIMIT * _STEPS, _LIMIT * _STEPS).astype(np.int64)
        shares = _parts[steps + _LIMIT * _STEPS]
        neutral = shares[:, NEUTRALITY]
        positive = ((_PARTS - neutral) * shares[:, POLARITY] + _PARTS // 2) // _PARTS
        parts = np.stack([_PARTS - neutral - positive, neutral, positive], axis=1)
        parts[(languages == OTHER) & (batch.scripts.sum(axis=1) > 0)] = _UNKNOWN
        parts[counts == 0] = _BLANK
        is_negative = (parts[:, 0] > neutral) & (parts[:, 0] >= positive) & (counts > 0)
        starts = self._starts(batch, is_negative)
        judged: list[Sentiment] = []
        for index, (shares_of_one, language) in enumerate(zip(parts.tolist(), languages.tolist(), strict=True)):
            negative, neutral_, positive_ = shares_of_one
            if negative > neutral_ and negative >= positive_:
                found = aspects.find_cues(batch.folded(index), starts[index]) if index in starts else {}
                judged.append(self._negative(negative, neutral_, positive_, language, found))
            else:
                judged.append(self._not_negative(negative, neutral_, positive_, language))
        return judged

    @staticmethod
    def _starts(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> dict[int, list[int]]:
        texts, places = aspects.possible_starts(batch)
        kept = is_wanted[texts]
        starts: dict[int, list[int]] = {}
        for text, place in zip(texts[kept].tolist(), places[kept].tolist(), strict=True):
            starts.setdefault(text, []).append(place)
        return starts

    def _sum(self, batch: HashedBatch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the two heads' weights summed by text, shape (texts, 2), and the number of features."""
        n_texts = len(batch.bounds) - 1
        edges = np.stack([np.searchsorted(positions, batch.bounds) for positions in batch.positions])
        counts = (edges[:, 1:] - edges[:, :-1]).sum(axis=0)
        edges += np.concatenate([[0], np.cumsum([len(buckets) for buckets in batch.buckets[:-1]])])[:, None]
        packed = self._packed.take(np.concatenate(batch.buckets), mode="clip").view(np.int8).reshape(-1, 2)
        sums = np.empty((n_texts, 2), np.int64)
        running = np.zeros(len(packed) + 1, np.int64)
        for head in (POLARITY, NEUTRALITY):
            np.cumsum(packed[:, head], out=running[1:])
            at = running[edges]
            sums[:, head] = (at[:, 1:] - at[:, :-1]).sum(axis=0)
        return sums, counts

    def _judgement(self, negative: int, neutral: int, positive: int, language: int, folded: str) -> Sentiment:
        if negative > neutral and negative >= positive:
            found = aspects.find_cues(folded, aspects.starts_in(folded))
            return self._negative(negative, neutral, positive, language, found)
        return self._not_negative(negative, neutral, positive, language)

    def _not_negative(self, negative: int, neutral: int, positive: int, language: int) -> Sentiment:
        is_neutral = neutral >= positive
        return Sentiment(
            label="neutral" if is_neutral else "positive",
            score=(positive - negative) / _PARTS,
            p_negative=negative / _PARTS,
            p_neutral=neutral / _PARTS,
            p_positive=positive / _PARTS,
            language=LANGUAGE_NAMES[language],
            urgency="normal" if is_neutral else "low",
            model=self.name,
        )

    def _negative(
        self, negative: int, neutral: int, positive: int, language: int, found: Mapping[aspects.Cue, list[str]]
    ) -> Sentiment:
        return Sentiment(
            label="negative",
            score=(positive - negative) / _PARTS,
            p_negative=negative / _PARTS,
            p_neutral=neutral / _PARTS,
            p_positive=positive / _PARTS,
            language=LANGUAGE_NAMES[language],
            is_complaint=bool(found) or negative >= _SURE_COMPLAINT,
            urgency="high" if aspects.URGENT in found else "normal",
            aspects=aspects.aspect_hits(found) if found else [],
            model=self.name,
        )


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
