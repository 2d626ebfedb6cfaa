"""Sentiment of texts: many at once in numpy, one at a time in plain Python, the same result to the bit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.features import NOTHING, HashedBatch, Hasher, Positions, sum_by_text
from services.sentiment.interaction.judgement import PARTS, Parts, Reason, judgement, judgements
from services.sentiment.interaction.language import OTHER, languages_of
from services.sentiment.interaction.model import NEUTRALITY, POLARITY, SHIPPED_ARTEFACT, LinearModel, load_model
from services.sentiment.interaction.plain import PlainReader, TextSums, table_of
from shared.contracts.enriched import Sentiment

_STEPS: Final = 256
_LIMIT: Final = 16
_BATCH: Final = 2_000
"""Texts hashed at once: more only leaves the cache. Measured 2026-11-22."""
_PLAIN_UP_TO: Final = 3
_SHORT, _TYPICAL, _LONG = 12, 60, 400
_LENGTH_EXPONENT: Final = 0.2
"""Logits grow with the number of features by this power, between a short text and a long one: without it short texts
were judged too surely and long ones too timidly. Calibration error in-domain .053 to .043, 2026-11-28."""
_UNKNOWN: Final = (2_500, 5_000, 2_500)
_BLANK: Final = (0, PARTS, 0)


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
        self._plain = PlainReader(model.characters, self._weights)
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
        folded = batch.folded()
        found = batch.features()
        count = max(1, sum(len(buckets) for _, buckets, _ in found))
        pieces: dict[str, tuple[float, float]] = {}
        for family, buckets, positions in found:
            for bucket, position in zip(buckets.tolist(), positions.tolist(), strict=True):
                piece = _piece(folded, family, position)
                polarity, neutrality = pieces.get(piece, (0.0, 0.0))
                pieces[piece] = (
                    polarity + self._share(POLARITY, bucket, count),
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
        return judgement(self.name, self._parts_of(sums), sums.language, sums.folded, sums.cue_starts)

    def _parts_of(self, sums: TextSums) -> Parts:
        if sums.count == 0:
            return _BLANK
        if sums.language == OTHER and sums.n_letters:
            return _UNKNOWN
        root, warmth = sums.count**0.5, _warmth_list[min(sums.count, _LONG)]
        biases = self._biases[sums.language]
        polarity = sums.polarity * self._model.scales[POLARITY] / root + biases[POLARITY]
        neutrality = sums.neutrality * self._model.scales[NEUTRALITY] / root + biases[NEUTRALITY]
        neutral = _parts_list[_step(neutrality * warmth)]
        positive = ((PARTS - neutral) * _parts_list[_step(polarity * warmth)] + PARTS // 2) // PARTS
        return PARTS - neutral - positive, neutral, positive

    def _analyse_batch(self, texts: Sequence[str]) -> list[Sentiment]:
        batch = self._hasher.hash_batch(texts)
        languages = languages_of(batch.scripts, batch.function_words)
        sums, counts = self._sum(batch)
        logits = sums * np.array(self._model.scales) / np.sqrt(np.maximum(counts, 1))[:, None]
        logits += self._model.biases[languages]
        logits *= _warmth[np.minimum(counts, _LONG)][:, None]
        steps = np.clip(np.rint(logits * _STEPS), -_LIMIT * _STEPS, _LIMIT * _STEPS).astype(np.int64)
        shares = _parts[steps + _LIMIT * _STEPS]
        neutral = shares[:, NEUTRALITY]
        positive = ((PARTS - neutral) * shares[:, POLARITY] + PARTS // 2) // PARTS
        parts = np.stack([PARTS - neutral - positive, neutral, positive], axis=1)
        parts[(languages == OTHER) & (batch.scripts.sum(axis=1) > 0)] = _UNKNOWN
        parts[counts == 0] = _BLANK
        return judgements(self.name, parts, languages, batch)

    def _sum(self, batch: HashedBatch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the two heads' weights summed by text, shape (texts, 2), and the number of features."""
        negated = self._weights.take(batch.negated)
        sums = self._sum_families(batch.at_characters, batch.bounds)
        sums += self._sum_families(batch.at_tokens, batch.token_bounds)
        if len(negated):
            text_of = np.searchsorted(batch.token_bounds, batch.negated_tokens, side="right") - 1
            sums[:, 2] += np.bincount(text_of, minlength=len(sums))
            for head, weights in enumerate(_halves(negated)):
                sums[:, head] += np.bincount(text_of, weights, len(sums)).astype(np.int64)
        return sums[:, :2], sums[:, 2]

    def _sum_families(self, families: Mapping[str, NDArray[np.uint32]], bounds: Positions) -> NDArray[np.int64]:
        """Return polarity, neutrality and count of every text, shape (texts, 3)."""
        end = int(bounds[-1])
        polarity, neutrality = np.zeros(end, np.int16), np.zeros(end, np.int16)
        count = np.zeros(end, np.uint8)
        for places in families.values():
            of_polarity, of_neutrality = _halves(self._weights.take(places[:end], mode="clip"))
            polarity += of_polarity
            neutrality += of_neutrality
            count += places[:end] != NOTHING
        return np.stack([sum_by_text(values, bounds) for values in (polarity, neutrality, count)], axis=1)


def _halves(packed: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return polarity and neutrality of packed weights."""
    return packed >> np.int16(8), (packed << np.int16(8)) >> np.int16(8)


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
