"""The 21 terms of the score, all closed forms of a customer's state and silence; elementwise over a batch.

Times inside the terms are in units of the horizon, so that weights travel between companies (docs/churn.md).
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.generation import TERMS, Baseline, Generation
from services.churn_alerts.customer.mixture import (
    SMALLEST,
    ClassMasses,
    chosen,
    class_masses,
    mean_log_regularity,
    silence,
)
from services.churn_alerts.customer.whole_numbers import WholeNumbers

CLIP = 1e-6
"""S_mix is kept inside [1e-6, 1 - 1e-6] before its logit."""

DECAYS = (1.0 / 3.0, 1.0, 3.0)
"""Decay times of the purchase counts, in horizons."""

_DECAYS = np.array(DECAYS)[:, None]


def usual_log_gap(columns: Columns, baseline: Baseline) -> Floats:
    """Return m, the customer's own usual log gap (log days), drawn towards the company's while gaps are few."""
    return (baseline.kappa * baseline.mu + columns.sum_log_gap) / (baseline.kappa + columns.n_gaps)


def usual_gap_days(columns: Columns, baseline: Baseline) -> Floats:
    """Return the customer's own usual gap in days, e^m."""
    return np.exp(usual_log_gap(columns, baseline))


@dataclass(frozen=True, slots=True)
class Standings:
    """What the terms need of customers' states whatever the silence; one row per state."""

    span_days: Floats
    classes: ClassMasses
    usual_log_gap: Floats
    deviation: Floats
    own_deviation: Floats
    regularity: Floats
    log_scatter: Floats
    length: Floats
    trend: tuple[Floats, Floats]
    baskets: tuple[Floats, Floats]
    returns: Floats
    decayed: tuple[Floats, Floats, Floats]
    repeats: tuple[Floats, ...]


def standings(columns: Columns, generation: Generation) -> Standings:
    """Return what the terms of each customer have in common at all silences."""
    baseline = generation.baseline
    x = columns.n_gaps
    span = (columns.last_day - columns.first_day).astype(np.float64)
    classes = class_masses(x, span, columns.sum_log_gap, generation.mixture)
    m = usual_log_gap(columns, baseline)
    uncertainty = 1.0 + 1.0 / (baseline.kappa + x)
    scatter = np.maximum(
        columns.sum_log_gap_squared - columns.sum_log_gap * columns.sum_log_gap / np.maximum(x, 1.0), 0.0
    )
    own_variance = (4.0 * baseline.variance + scatter) / (4.0 + np.maximum(x - 1.0, 0.0))
    counts = (columns.decayed_short, columns.decayed_middle, columns.decayed_long)
    taus = _DECAYS * generation.horizon_days
    firsts = WholeNumbers(span).each(lambda days: np.exp(-days / taus))
    return Standings(
        span_days=span,
        classes=classes,
        usual_log_gap=m,
        deviation=np.sqrt(baseline.variance * uncertainty),
        own_deviation=np.sqrt(own_variance * uncertainty),
        regularity=mean_log_regularity(classes),
        log_scatter=0.5 * np.log(own_variance),
        length=WholeNumbers(x).each(lambda n: np.log(n + 1.0)),
        trend=(m - log(generation.horizon_days), np.where(x > 0.0, columns.recent_log_gap - m, 0.0)),
        baskets=_amount_terms(columns, generation),
        returns=columns.returns,
        decayed=counts,
        repeats=tuple(count - first for count, first in zip(counts, firsts, strict=True)),
    )


def terms(
    states: Standings, silence_days: Floats | Days, generation: Generation, at: NDArray[np.int64] | None = None
) -> list[Floats]:
    """Return the 21 terms in the order of `TERMS`, one array over silences each.

    `silence_days` is days since the last purchase; `at` says for each silence whose it is, a place in `states`. Left
    out, there is one silence of each.
    """
    horizon = generation.horizon_days
    of = chosen(at)
    u = silence_days.astype(np.float64)
    silences, ages = WholeNumbers(u), WholeNumbers(of(states.span_days) + u)
    mix = silence(states.classes, u, horizon, at)
    p_silent = np.minimum(np.maximum(mix.p_silent, CLIP), 1.0 - CLIP)
    late = silences.each(lambda days: np.log(np.maximum(days, 0.5))) - of(states.usual_log_gap)
    overdue = late / of(states.deviation)
    values = [
        np.log(p_silent / (1.0 - p_silent)),
        -np.log(np.maximum(mix.p_gap, SMALLEST)),
        of(states.regularity),
        overdue,
        np.maximum(overdue, 0.0),
        late / of(states.own_deviation),
        of(states.log_scatter),
        silences.each(lambda days: np.log((days + 1.0) / horizon)),
        ages.each(lambda days: np.log((days + 1.0) / horizon)),
        of(states.length),
        *map(of, states.trend),
        *map(of, states.baskets),
        np.log(1.0 + of(states.returns) * silences.each(lambda days: np.exp(-(days / horizon)))),
    ]
    taus = _DECAYS * horizon
    usual_gap = exp(generation.baseline.mu)
    fades = silences.each(lambda days: np.exp(-(days / horizon) / _DECAYS))
    expected = ages.each(lambda days: taus * (1.0 - np.exp(-days / taus)) / usual_gap + 1.0)
    values += [np.log(of(count) * fade + 0.05) for count, fade in zip(states.decayed, fades, strict=True)]
    for repeats, fade, usual in zip(states.repeats, fades, expected, strict=True):
        values.append(np.log((np.maximum(of(repeats) * fade, 0.0) + 1.0) / usual))
    return values


def _amount_terms(columns: Columns, generation: Generation) -> tuple[Floats, Floats]:
    # A customer without amounts, or a company without a baseline, counts as the population's mean: no evidence.
    known = columns.n_amounts > 0.0
    means = dict(zip(TERMS, generation.means, strict=True))
    own = np.where(known, columns.recent_log_amount - columns.mean_log_amount, means["amtr"])
    if generation.baseline.log_amount is None:
        return np.full_like(own, means["ewr"]), own
    return np.where(known, columns.recent_log_amount - generation.baseline.log_amount, means["ewr"]), own
