"""The 21 terms of the score, all closed forms of a customer's state and silence; elementwise over a batch.

Times inside the terms are in units of the horizon, so that weights travel between companies (docs/churn.md).
"""

from math import exp, log

import numpy as np

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.generation import TERMS, Baseline, Generation
from services.churn_alerts.customer.mixture import SMALLEST, class_masses, silence
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


def terms(columns: Columns, silence_days: Floats | Days, generation: Generation) -> list[Floats]:
    """Return the 21 terms in the order of `TERMS`, one array over customers each.

    `silence_days` is days since the last purchase, aligned with the rows of `columns`.
    """
    horizon = generation.horizon_days
    baseline = generation.baseline
    x = columns.n_gaps
    u = silence_days.astype(np.float64)
    span = (columns.last_day - columns.first_day).astype(np.float64)
    gaps, silences, spans, ages = map(WholeNumbers, (x, u, span, span + u))
    classes = class_masses(x, span, columns.sum_log_gap, generation.mixture)
    mix = silence(classes, u, horizon)
    p_silent = np.minimum(np.maximum(mix.p_silent, CLIP), 1.0 - CLIP)

    m = usual_log_gap(columns, baseline)
    late = silences.each(lambda days: np.log(np.maximum(days, 0.5))) - m
    uncertainty = 1.0 + 1.0 / (baseline.kappa + x)
    scatter = np.maximum(
        columns.sum_log_gap_squared - columns.sum_log_gap * columns.sum_log_gap / np.maximum(x, 1.0), 0.0
    )
    own_variance = (4.0 * baseline.variance + scatter) / (4.0 + np.maximum(x - 1.0, 0.0))
    overdue = late / np.sqrt(baseline.variance * uncertainty)

    values = [
        np.log(p_silent / (1.0 - p_silent)),
        -np.log(np.maximum(mix.p_gap, SMALLEST)),
        mix.mean_log_regularity,
        overdue,
        np.maximum(overdue, 0.0),
        late / np.sqrt(own_variance * uncertainty),
        0.5 * np.log(own_variance),
        silences.each(lambda days: np.log((days + 1.0) / horizon)),
        ages.each(lambda days: np.log((days + 1.0) / horizon)),
        gaps.each(lambda n: np.log(n + 1.0)),
        m - log(horizon),
        np.where(x > 0.0, columns.recent_log_gap - m, 0.0),
        *_amount_terms(columns, generation),
        np.log(1.0 + columns.returns * silences.each(lambda days: np.exp(-(days / horizon)))),
    ]
    counts = (columns.decayed_short, columns.decayed_middle, columns.decayed_long)
    taus = _DECAYS * horizon
    usual_gap = exp(baseline.mu)
    fades = silences.each(lambda days: np.exp(-(days / horizon) / _DECAYS))
    firsts = spans.each(lambda days: np.exp(-days / taus))
    expected = ages.each(lambda days: taus * (1.0 - np.exp(-days / taus)) / usual_gap + 1.0)
    values += [np.log(count * fade + 0.05) for count, fade in zip(counts, fades, strict=True)]
    for count, fade, first, usual in zip(counts, fades, firsts, expected, strict=True):
        repeats = (count - first) * fade
        values.append(np.log((np.maximum(repeats, 0.0) + 1.0) / usual))
    return values


def _amount_terms(columns: Columns, generation: Generation) -> tuple[Floats, Floats]:
    # A customer without amounts, or a company without a baseline, counts as the population's mean: no evidence.
    known = columns.n_amounts > 0.0
    means = dict(zip(TERMS, generation.means, strict=True))
    own = np.where(known, columns.recent_log_amount - columns.mean_log_amount, means["amtr"])
    if generation.baseline.log_amount is None:
        return np.full_like(own, means["ewr"]), own
    return np.where(known, columns.recent_log_amount - generation.baseline.log_amount, means["ewr"]), own
