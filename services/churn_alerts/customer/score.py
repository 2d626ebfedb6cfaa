"""From states and silences to calibrated risks and their reasons; a customer's figures never depend on the batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.features import terms
from services.churn_alerts.customer.generation import GROUPS, Generation

DECIMALS = 6
"""Risks are compared with thresholds, and shown, at six decimals: below the rounding noise of any platform's exp."""

CLIP_DEVIATIONS = 8.0
"""A term further out than this many standard deviations counts as this far out."""

_BLOCK_ROWS: Final = 8_192
"""What is computed of so many rows fits the processor's cache."""


@dataclass(frozen=True, slots=True)
class Scores:
    """`p`: probability of no purchase within the horizon, (n,). `contributions`: log-odds by group, (n, groups)."""

    p: Floats
    contributions: Floats


def score(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Scores:
    """Return the risk of each customer after `silence_days` of silence, and how far each reason group moves it.

    A contribution is Σ weight · (value - population mean) / sd over the group's terms, in log-odds; up is riskier.
    """
    pushes = _group_contributions(columns, silence_days, generation)
    return Scores(p=_risk(pushes, generation), contributions=pushes.T)


def risk(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats:
    """Return `score(...).p` alone, of any number of customers."""
    p = np.empty(len(columns))
    for block in blocks(len(columns)):
        p[block] = _risk(_group_contributions(columns.take(block), silence_days[block], generation), generation)
    return p


def blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices that together cover rows in the size that is scored fastest; a row's figures are the same in any."""
    for start in range(0, n_rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, n_rows))


def standardised(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats:
    """Return the 21 terms as the logistic sees them, (terms, n): clipped to mean ± 8 sd, centred and scaled."""
    values = terms(columns, silence_days, generation)
    values -= np.array(generation.means)[:, None]
    values /= np.array(generation.deviations)[:, None]
    np.maximum(values, -CLIP_DEVIATIONS, out=values)
    return np.minimum(values, CLIP_DEVIATIONS, out=values)


def _group_contributions(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats:
    """Return how far each group moves the log-odds, (groups, n)."""
    pushed = standardised(columns, silence_days, generation)
    pushed *= np.array(generation.weights)[:, None]
    groups = pushed[_FIRST_OF_GROUP]
    # One term after the other: a matrix product would round differently with the size of the batch.
    for having, term_of in _LATER_OF_GROUP:
        groups[having] += pushed[term_of]
    return groups


def _risk(pushes: Floats, generation: Generation) -> Floats:
    logit = generation.intercept + pushes[0]
    for pushed in pushes[1:]:
        logit += pushed
    p: Floats = np.round(1.0 / (1.0 + np.exp(-logit)), DECIMALS)
    return p


_STARTS: Final = tuple(accumulate((size for _, size in GROUPS), initial=0))[:-1]
_FIRST_OF_GROUP: Final = np.array(_STARTS)


def _later_of_group(place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the groups that have a term at `place`, and which of the terms it is."""
    having = [group for group, (_, size) in enumerate(GROUPS) if size > place]
    return np.array(having), np.array([_STARTS[group] + place for group in having])


_LATER_OF_GROUP: Final = tuple(_later_of_group(place) for place in range(1, max(size for _, size in GROUPS)))
