"""Fits two heads over hashed features: AdaGrad on logistic loss, soft targets; numpy alone, same in, same out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.features import N_BUCKETS, Hasher
from services.sentiment.interaction.language import ZH, languages_of
from services.sentiment.interaction.model import PARTS_BY_TURN, POLARITY, POLARITY_PARTS

_HASH_AT_ONCE: Final = 2_000
_share_by_turn: Final = np.array(PARTS_BY_TURN, np.float32) / np.float32(POLARITY_PARTS)
N_HEADS: Final = 2
_GAINS: Final[Mapping[str, float]] = {
    "han1": 1.0, "han2": 1.0, "han3": 0.7, "word": 1.3, "pair": 0.7, "gram4": 0.7, "negated": 1.2
}  # fmt: skip
"""How fast a family learns against the others: words carry over to other sources better than what surrounds them.
Source: leave-one-source-out search of 2026-11-28, docs/sentiment.md."""


@dataclass(frozen=True, slots=True)
class Features:
    """Buckets of many texts, row by row: `buckets[starts[i]:starts[i + 1]]`; `is_zh` picks the bias.

    `shares` says, for each of them, what its polarity counts: 1, or less than nothing within a negation's reach.
    `gains` has one value for each of all buckets: what its family's input counts.
    """

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    shares: NDArray[np.float32]
    is_zh: NDArray[np.intp]
    gains: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.is_zh)

    def first(self, count: int) -> "Features":
        """Return the features of so many first texts."""
        end = self.starts[count]
        return Features(self.starts[: count + 1], self.buckets[:end], self.shares[:end], self.is_zh[:count], self.gains)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Found by leave-one-source-out search, 2026-11-28; figures in docs/sentiment.md.

    `first_square` is where AdaGrad's sums of squares begin: above the square of one text's gradient, so that a feature
    met once or twice takes a small step instead of a whole one. `rate` is multiplied by `rate_decay` after every epoch.
    """

    n_epochs: int = 5
    rate: float = 0.9
    rate_decay: float = 0.6
    first_square: float = 0.03
    bias_rate: float = 0.1
    dropout: float = 0.1
    batch: int = 1_024
    seeds: tuple[int, ...] = (1,)
    """The mean of a fit with each: orders and dropouts move a source's accuracy by .003, less in their mean."""


def featurise(texts: Sequence[str], hasher: Hasher) -> Features:
    """Return the features of texts in their order."""
    starts = [np.zeros(1, np.int64)]
    buckets: list[NDArray[np.int32]] = []
    shares: list[NDArray[np.float32]] = []
    is_zh: list[NDArray[np.intp]] = []
    gains = np.ones(N_BUCKETS, np.float32)
    total = 0
    for first in range(0, len(texts), _HASH_AT_ONCE):
        some = texts[first : first + _HASH_AT_ONCE]
        batch = hasher.hash_batch(some)
        found = batch.features()
        for some_found in found:
            gains[some_found.buckets] = _GAINS[some_found.family]
        flat = np.concatenate([some_found.buckets for some_found in found])
        at = np.concatenate([some_found.positions for some_found in found])
        turns = np.concatenate([some_found.turns for some_found in found])
        rows = np.searchsorted(batch.bounds[: len(some)], at, side="right") - 1
        order = np.argsort(rows, kind="stable")
        buckets.append(flat[order].astype(np.int32))
        shares.append(_share_by_turn.take(turns[order]))
        starts.append(total + np.cumsum(np.bincount(rows, minlength=len(some))))
        total += len(flat)
        is_zh.append((languages_of(batch.scripts, batch.function_words) == ZH).astype(np.intp))
    return Features(
        np.concatenate(starts), np.concatenate(buckets), np.concatenate(shares), np.concatenate(is_zh), gains
    )


def fit_heads(
    features: Features,
    targets: NDArray[np.float32],
    importances: NDArray[np.float32],
    offsets: NDArray[np.float32],
    settings: FitSettings = FitSettings(),
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return weights (N_BUCKETS, 2) and biases (2 languages: not zh, zh; 2 heads).

    `targets`, `importances` and `offsets` have shape (texts, 2): wanted probability, weight of the loss, and the
    logit that is already explained. A text's logit is offset + sum(weights) / sqrt(count) + bias, polarity's weights
    multiplied by their shares.
    """
    weights, biases = np.zeros((N_BUCKETS, N_HEADS), np.float32), np.zeros((2, N_HEADS))
    for seed in settings.seeds:
        of_seed = _fit(features, targets, importances, offsets, settings, np.random.default_rng(seed))
        weights += of_seed[0]
        biases += of_seed[1]
    return weights / np.float32(len(settings.seeds)), biases / len(settings.seeds)


def _fit(
    features: Features,
    targets: NDArray[np.float32],
    importances: NDArray[np.float32],
    offsets: NDArray[np.float32],
    settings: FitSettings,
    chance: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    weights = np.zeros((N_BUCKETS, N_HEADS), np.float32)
    squares = np.full((N_BUCKETS, N_HEADS), settings.first_square, np.float32)
    biases = np.zeros((2, N_HEADS))
    bias_squares = np.full((2, N_HEADS), 1e-6)
    counts = np.maximum(np.diff(features.starts), 1)
    for epoch in range(settings.n_epochs):
        rate = settings.rate * settings.rate_decay**epoch
        order = chance.permutation(len(features))
        for first in range(0, len(order), settings.batch):
            rows = order[first : first + settings.batch]
            buckets, shares, row_of = _kept(features, rows, chance, settings.dropout)
            scale = (1 / (np.sqrt(counts[rows]) * (1 - settings.dropout))).astype(np.float32)
            touched, slot = np.unique(buckets, return_inverse=True)
            current = weights[touched]
            languages = features.is_zh[rows]
            errors = np.empty((len(rows), N_HEADS), np.float32)
            gradients = np.empty((len(touched), N_HEADS), np.float32)
            for head in range(N_HEADS):
                inputs = shares if head == POLARITY else np.ones_like(shares)
                sums = np.bincount(row_of, current[slot, head] * inputs, minlength=len(rows))
                logits = sums * scale + offsets[rows, head] + biases[languages, head]
                errors[:, head] = (1 / (1 + np.exp(-logits)) - targets[rows, head]) * importances[rows, head]
                pulls = (errors[:, head] * scale)[row_of] * inputs
                gradients[:, head] = np.bincount(slot, pulls, minlength=len(touched))
            # The input of a bucket is multiplied by its gain; weights are kept as they apply to the input without it.
            gains = features.gains[touched][:, None]
            gradients *= gains
            squares[touched] += gradients**2
            weights[touched] = current - rate * gains * gradients / np.sqrt(squares[touched])
            step = np.stack([errors[languages == language].sum(axis=0) for language in (0, 1)])
            bias_squares += step**2
            biases -= settings.bias_rate * step / np.sqrt(bias_squares)
    return weights, biases


def _kept(
    features: Features, rows: NDArray[np.intp], chance: np.random.Generator, dropout: float
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.intp]]:
    """Return buckets and shares of some rows, less those dropped by chance, and the row each belongs to."""
    first, last = features.starts[rows], features.starts[rows + 1]
    lengths = last - first
    row_of = np.repeat(np.arange(len(rows)), lengths)
    ends = np.cumsum(lengths)
    at = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths) + np.repeat(first, lengths)
    kept = chance.random(len(at), dtype=np.float32) >= dropout
    at = at[kept]
    return features.buckets[at], features.shares[at], row_of[kept]
