"""The teacher's heads on frozen vectors: two ridges, and a network with one hidden layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.training import denials, everyday
from services.sentiment.training.corpus import ENGLISH_CORPORA, UNLABELLED, LabelledText
from services.sentiment.training.train import targets_of

_RIDGE: Final = 3_000.0
_LANGUAGE_COLUMN: Final = 3.0
_ENGLISH: Final = ENGLISH_CORPORA | {everyday.ENGLISH, denials.ENGLISH}
_N_HIDDEN: Final = 192
_N_EPOCHS, _BATCH, _RATE = 5, 1_024, 1e-3
_WARM_UP: Final = 0.1
"""Share of the steps in which Adam's rate rises from nothing; after them it falls to nothing."""
_MOMENTUM, _MEMORY_OF_SQUARES = 0.9, 0.999
_DECAY: Final = 0.01
_DROPOUT: Final = 0.3
_SEED: Final = 0
_ROWS_AT_ONCE: Final = 8_192
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
    """Return the teacher's two logits for every row, its heads fitted to the labels of those that have one.

    Half is the network's, which follows what is not linear, half the ridges', which are less sure of themselves.
    """
    is_labelled = np.array([row.label != UNLABELLED for row in rows])
    targets = targets_of([row for row in rows if row.label != UNLABELLED], None)
    is_zh = np.array([row.source not in _ENGLISH for row in rows])
    seen = _joined((views.e5, views.inner, views.outer), is_labelled, is_zh)
    lessons = seen[is_labelled]
    linear = np.zeros((seen.shape[1], 2), np.float32)
    for some in _ridge_columns(views):
        linear[some] += ridge(lessons[:, some], targets.wanted, targets.importances) / 2
    network = fit_network(lessons, targets.wanted, targets.importances)
    return ((seen @ linear + network.logits(seen)) / 2).astype(np.float32)


def _ridge_columns(views: Views) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the columns that each ridge sees: all but the universal encoder's outer view, all but its inner one."""
    end_of_e5 = views.e5.shape[1]
    end_of_inner = end_of_e5 + views.inner.shape[1]
    end_of_outer = end_of_inner + views.outer.shape[1]
    return np.r_[:end_of_inner, end_of_outer : end_of_outer + 2], np.r_[:end_of_e5, end_of_inner : end_of_outer + 2]


def _joined(views: Sequence[Vectors], like: NDArray[np.bool_], is_zh: NDArray[np.bool_]) -> Vectors:
    """Return views side by side, each centred and scaled as its rows `like` are, and a bias column a language."""
    columns = _LANGUAGE_COLUMN * np.stack([~is_zh, is_zh], axis=1)
    parts = [(view - view[like].mean(axis=0)) / (view[like].std() + 1e-6) for view in views]
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


@dataclass(frozen=True, slots=True)
class Network:
    """Two logits from one hidden layer of rectified units beside a linear part; `weights` in the order of use."""

    weights: tuple[Vectors, ...]

    def logits(self, vectors: Vectors) -> Vectors:
        """Return both logits of every row."""
        into, shifts, out, linear, biases = self.weights
        logits = np.zeros((len(vectors), 2), np.float32)
        for first in range(0, len(vectors), _ROWS_AT_ONCE):
            some = slice(first, first + _ROWS_AT_ONCE)
            hidden = np.maximum(vectors[some] @ into + shifts, 0)
            logits[some] = hidden @ out + vectors[some] @ linear + biases
        return logits


def fit_network(vectors: Vectors, wanted: Vectors, importances: Vectors) -> Network:
    """Return the network fitted to the logistic loss: Adam with decay, hidden units dropped out at random."""
    chance = np.random.default_rng(_SEED)
    width = vectors.shape[1]
    weights = (
        chance.normal(0, np.sqrt(2 / width), (width, _N_HIDDEN)).astype(np.float32),
        np.zeros(_N_HIDDEN, np.float32),
        chance.normal(0, 0.3 / np.sqrt(_N_HIDDEN), (_N_HIDDEN, 2)).astype(np.float32),
        np.zeros((width, 2), np.float32),
        np.zeros(2, np.float32),
    )
    means, squares = (tuple(np.zeros_like(some) for some in weights) for _ in range(2))
    importances = (importances / importances.mean()).astype(np.float32)
    batch = min(_BATCH, len(vectors))
    n_steps = _N_EPOCHS * (len(vectors) // batch)
    step = 0
    for _ in range(_N_EPOCHS):
        order = chance.permutation(len(vectors))
        for first in range(0, len(order) - batch + 1, batch):
            rows = order[first : first + batch]
            step += 1
            gradients = _gradients(weights, vectors[rows], wanted[rows], importances[rows], chance)
            for some, mean, square, gradient in zip(weights, means, squares, gradients, strict=True):
                mean += (1 - _MOMENTUM) * (gradient - mean)
                square += (1 - _MEMORY_OF_SQUARES) * (gradient**2 - square)
                away = np.sqrt(square / (1 - _MEMORY_OF_SQUARES**step)) + 1e-8
                decay = _DECAY * some if some.ndim > 1 else 0
                some -= np.float32(_rate(step / n_steps)) * (mean / (1 - _MOMENTUM**step) / away + decay)
    return Network(weights)


def _gradients(
    weights: Sequence[Vectors], vectors: Vectors, wanted: Vectors, importances: Vectors, chance: np.random.Generator
) -> tuple[Vectors, ...]:
    into, shifts, out, linear, biases = weights
    hidden = vectors @ into + shifts
    kept = (chance.random(hidden.shape, dtype=np.float32) >= _DROPOUT) & (hidden > 0)
    passed = kept.astype(np.float32) / np.float32(1 - _DROPOUT)
    hidden *= passed
    logits = hidden @ out + vectors @ linear + biases
    errors = ((1 / (1 + np.exp(-logits)) - wanted) * importances / len(vectors)).astype(np.float32)
    back = (errors @ out.T) * passed
    found = (vectors.T @ back, back.sum(axis=0), hidden.T @ errors, vectors.T @ errors, errors.sum(axis=0))
    return tuple(some.astype(np.float32) for some in found)


def _rate(progress: float) -> float:
    """Return Adam's rate after a share of all steps: a line up, half a cosine down."""
    if progress < _WARM_UP:
        return _RATE * progress / _WARM_UP
    return _RATE * (1 + float(np.cos(np.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))) / 2
