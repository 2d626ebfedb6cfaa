"""The teacher's heads on frozen vectors: two ridges and a logistic regression, averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.training.corpus import ENGLISH_CORPORA, UNLABELLED, LabelledText
from services.sentiment.training.train import targets_of

_RIDGE: Final = 3_000.0
_LANGUAGE_COLUMN: Final = 3.0
_N_EPOCHS, _BATCH, _RATE = 5, 2_048, 0.02
_WARM_UP: Final = 0.3
"""Share of the steps in which Adam's rate rises, from a 25th; after them it falls to nothing."""
_MOMENTUM, _MEMORY_OF_SQUARES = 0.9, 0.999
_SEED: Final = 0
_SHARPNESS: Final = np.exp(np.linspace(0, 3, 31))

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Views:
    """What the encoders see of texts, a row each: e5, and the universal sentence encoder before and after its end."""

    e5: Vectors
    inner: Vectors
    outer: Vectors

    def at(self, rows: NDArray[np.intp]) -> "Views":
        """Return the views of some of the texts."""
        return Views(self.e5[rows], self.inner[rows], self.outer[rows])


def teacher_logits(rows: Sequence[LabelledText], views: Views) -> Vectors:
    """Return the teacher's two logits for every row, its heads fitted to the labels of those that have one."""
    is_labelled = np.array([row.label != UNLABELLED for row in rows])
    targets = targets_of([row for row in rows if row.label != UNLABELLED], None)
    is_zh = np.array([row.source not in ENGLISH_CORPORA for row in rows])
    with_inner, with_outer = (_joined(views.e5, view, is_labelled, is_zh) for view in (views.inner, views.outer))
    heads = [
        with_inner @ logistic(with_inner[is_labelled], targets.wanted, targets.importances),
        with_inner @ ridge(with_inner[is_labelled], targets.wanted, targets.importances),
        with_outer @ ridge(with_outer[is_labelled], targets.wanted, targets.importances),
    ]
    logits: Vectors = np.mean(heads, axis=0, dtype=np.float32)
    return logits


def _joined(e5: Vectors, view: Vectors, like: NDArray[np.bool_], is_zh: NDArray[np.bool_]) -> Vectors:
    """Return both views side by side, each centred and scaled as its rows `like` are, and a bias column a language."""
    columns = _LANGUAGE_COLUMN * np.stack([~is_zh, is_zh], axis=1)
    parts = [(one - one[like].mean(axis=0)) / (one[like].std() + 1e-6) for one in (e5, view)]
    return np.concatenate([*parts, columns], axis=1, dtype=np.float32)


def ridge(vectors: Vectors, wanted: Vectors, importances: Vectors) -> Vectors:
    """Return the weights of both heads: least squares on ±1, sharpened to fit as a logistic."""
    weights = np.zeros((vectors.shape[1], 2), np.float32)
    for head in range(2):
        weighted = vectors * importances[:, head, None]
        squares = weighted.T @ vectors + _RIDGE * np.eye(vectors.shape[1], dtype=np.float32)
        fitted = np.linalg.solve(squares, weighted.T @ (2 * wanted[:, head] - 1))
        weights[:, head] = fitted * _sharpness(vectors @ fitted, wanted[:, head], importances[:, head])
    return weights


def _sharpness(raw: Vectors, wanted: Vectors, importances: Vectors) -> float:
    counted = importances > 0
    raw, wanted, importances = raw[counted], wanted[counted], importances[counted]
    losses = [
        float((importances * (np.logaddexp(0, raw * factor) - wanted * raw * factor)).sum()) for factor in _SHARPNESS
    ]
    return float(_SHARPNESS[int(np.argmin(losses))])


def logistic(vectors: Vectors, wanted: Vectors, importances: Vectors) -> Vectors:
    """Return the weights of both heads: Adam on the logistic loss, one cycle of the rate."""
    chance = np.random.default_rng(_SEED)
    batch = min(_BATCH, len(vectors))
    n_steps = _N_EPOCHS * (len(vectors) // batch)
    weights, mean, square = (np.zeros((vectors.shape[1], 2), np.float32) for _ in range(3))
    step = 0
    for _ in range(_N_EPOCHS):
        order = chance.permutation(len(vectors))
        for first in range(0, len(order) - batch + 1, batch):
            rows = order[first : first + batch]
            errors = (1 / (1 + np.exp(-vectors[rows] @ weights)) - wanted[rows]) * importances[rows]
            gradient = vectors[rows].T @ errors / errors.size
            mean += (1 - _MOMENTUM) * (gradient - mean)
            square += (1 - _MEMORY_OF_SQUARES) * (gradient**2 - square)
            step += 1
            away = np.sqrt(square / (1 - _MEMORY_OF_SQUARES**step)) + 1e-8
            weights -= _rate(step / n_steps) * mean / (1 - _MOMENTUM**step) / away
    return weights


def _rate(progress: float) -> float:
    """Return Adam's rate after a share of all steps: half a cosine up, half a cosine down."""
    if progress < _WARM_UP:
        return _RATE * (1 / 25 + (1 - 1 / 25) * (1 - float(np.cos(np.pi * progress / _WARM_UP))) / 2)
    return _RATE * (1 + float(np.cos(np.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))) / 2
