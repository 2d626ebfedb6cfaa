"""The teacher's heads on frozen vectors: two ridges and a logistic regression, averaged."""

import importlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_RIDGE: Final = 3_000.0
_LANGUAGE_COLUMN: Final = 3.0
_N_EPOCHS, _BATCH, _RATE = 5, 2_048, 0.02
_SHARPNESS: Final = np.exp(np.linspace(0, 3, 31))

Vectors = NDArray[np.float32]


def normalised(vectors: Vectors, like: Vectors | None = None) -> Vectors:
    """Return vectors centred and scaled by the mean and spread of `like`, by default their own."""
    like = vectors if like is None else like
    scaled: Vectors = ((vectors - like.mean(axis=0)) / (like.std() + 1e-6)).astype(np.float32)
    return scaled


def with_language(vectors: Vectors, is_zh: NDArray[np.bool_]) -> Vectors:
    """Return vectors with a bias column for each language."""
    columns = _LANGUAGE_COLUMN * np.stack([~is_zh, is_zh], axis=1)
    return np.concatenate([vectors, columns], axis=1).astype(np.float32)


def ridge(vectors: Vectors, wanted: Vectors, importances: Vectors, others: Vectors) -> tuple[Vectors, Vectors]:
    """Return the two logits of every text and of the others: least squares on ±1, sharpened to fit as a logistic."""
    logits, of_others = np.zeros((len(vectors), 2), np.float32), np.zeros((len(others), 2), np.float32)
    for head in range(2):
        weighted = vectors * importances[:, head, None]
        squares = weighted.T @ vectors + _RIDGE * np.eye(vectors.shape[1], dtype=np.float32)
        fitted = np.linalg.solve(squares, weighted.T @ (2 * wanted[:, head] - 1))
        raw = vectors @ fitted
        sharpness = _sharpness(raw, wanted[:, head], importances[:, head])
        logits[:, head], of_others[:, head] = raw * sharpness, (others @ fitted) * sharpness
    return logits, of_others


def _sharpness(raw: Vectors, wanted: Vectors, importances: Vectors) -> float:
    counted = importances > 0
    raw, wanted, importances = raw[counted], wanted[counted], importances[counted]
    losses = [
        float((importances * (np.logaddexp(0, raw * factor) - wanted * raw * factor)).sum()) for factor in _SHARPNESS
    ]
    return float(_SHARPNESS[int(np.argmin(losses))])


def logistic(vectors: Vectors, wanted: Vectors, importances: Vectors, others: Vectors) -> tuple[Vectors, Vectors]:
    """Return the two logits of every text and of the others: Adam on the logistic loss, one cycle of the rate."""
    torch: Any = importlib.import_module("torch")
    chance = torch.Generator().manual_seed(0)
    inputs, targets, weights = (torch.from_numpy(values) for values in (vectors, wanted, importances))
    fitted = torch.zeros(vectors.shape[1], 2, requires_grad=True)
    adam = torch.optim.Adam([fitted], lr=_RATE)
    n_steps = _N_EPOCHS * (len(vectors) // _BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=n_steps + 5)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(_N_EPOCHS):
        order = torch.randperm(len(vectors), generator=chance)
        for first in range(0, len(order) - _BATCH + 1, _BATCH):
            rows = order[first : first + _BATCH]
            loss = (loss_of(inputs[rows] @ fitted, targets[rows], reduction="none") * weights[rows]).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            cycle.step()
    solution = fitted.detach().numpy()
    return vectors @ solution, others @ solution
