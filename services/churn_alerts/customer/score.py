"""From states and silences to calibrated risks and their reasons; a customer's figures never depend on the batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.features import standings, terms
from services.churn_alerts.customer.generation import GROUPS, Generation

DECIMALS = 6
"""Risks are compared with thresholds, and shown, at six decimals: below the rounding noise of any platform's exp."""

CLIP_DEVIATIONS = 8.0
"""A term further out than this many standard deviations counts as this far out."""

BLOCK_ROWS = 8_192
"""A call of the score costs as much as a thousand rows in it; of more rows than these, what it computes leaves the
processor's cache."""


@dataclass(frozen=True, slots=True)
class Scores:
    """`p`: probability of no purchase within the horizon, (n,). `contributions`: log-odds by group, (n, groups)."""

    p: Floats
    contributions: Floats


def score(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Scores:
    """Return the risk of each customer after `silence_days` of silence, and how far each reason group moves it.

    A contribution is Σ weight · (value - population mean) / sd over the group's terms, in log-odds; up is riskier.
    """
    contributions = np.empty((len(columns), len(GROUPS)), dtype=np.float64)
    logit = np.full(len(columns), generation.intercept + generation.level)
    for group, pushed in enumerate(_group_contributions(columns, silence_days, generation)):
        contributions[:, group] = pushed
        logit = logit + pushed
    return Scores(p=_rounded(logit), contributions=contributions)


def risk(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats:
    """Return `score(...).p` alone, without keeping the contributions."""
    p = np.empty(len(columns))
    for block in blocks(len(columns)):
        logit = np.full(block.stop - block.start, generation.intercept + generation.level)
        for pushed in _group_contributions(columns.take(block), silence_days[block], generation):
            logit += pushed
        p[block] = _rounded(logit)
    return p


def risk_of_rows(columns: Columns, rows: Days, silence_days: Days, generation: Generation) -> Floats:
    """Return `risk(columns.take(rows), silence_days, generation)`: what depends on the row alone is computed once."""
    p = np.empty(len(rows))
    for asked, states, at in by_state(rows):
        logit = np.full(len(asked), generation.intercept + generation.level)
        for pushed in _group_contributions(columns.take(states), silence_days[asked], generation, at):
            logit += pushed
        p[asked] = _rounded(logit)
    return p


def by_state(rows: Days) -> Iterator[tuple[Days, Days, Days]]:
    """Yield blocks that together cover `rows`: places in `rows`, the different rows there, and of each place which."""
    order = np.argsort(rows, kind="stable")
    for block in blocks(len(rows)):
        asked = order[block]
        ordered = rows[asked]
        is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        yield asked, ordered[is_new], np.cumsum(is_new) - 1


def blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices that together cover so many rows, of the size that is scored fastest; no row's figures change."""
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n_rows))


def standardised(
    columns: Columns, silence_days: Floats | Days, generation: Generation, at: Days | None = None
) -> list[Floats]:
    """Return the 21 terms as the logistic sees them: clipped to mean ± 8 sd, centred and scaled."""
    return [
        np.minimum(np.maximum((value - mean) / deviation, -CLIP_DEVIATIONS), CLIP_DEVIATIONS)
        for value, mean, deviation in zip(
            terms(standings(columns, generation), silence_days, generation, at),
            generation.means,
            generation.deviations,
            strict=True,
        )
    ]


def _group_contributions(
    columns: Columns, silence_days: Floats | Days, generation: Generation, at: Days | None = None
) -> list[Floats]:
    values = standardised(columns, silence_days, generation, at)
    pushes = []
    first = 0
    for _, size in GROUPS:
        # One term after the other: a matrix product would round differently with the size of the batch.
        pushed = generation.weights[first] * values[first]
        for index in range(first + 1, first + size):
            pushed = pushed + generation.weights[index] * values[index]
        pushes.append(pushed)
        first += size
    return pushes


def _rounded(logit: Floats) -> NDArray[np.float64]:
    p: NDArray[np.float64] = np.round(1.0 / (1.0 + np.exp(-logit)), DECIMALS)
    return p
