"""The 21 terms of the score, all closed forms of a customer's state and silence; elementwise over a batch.

Times inside the terms are in units of the horizon, so that weights travel between companies (docs/churn.md).
"""

from math import exp, log

import numpy as np

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.generation import TERMS, Baseline, Generation
from services.churn_alerts.customer.mixture import SMALLEST, class_masses, silence

CLIP = 1e-6
"""S_mix is kept inside [1e-6, 1 - 1e-6] before its logit."""

DECAYS = (1.0 / 3.0, 1.0, 3.0)
"""Decay times of the purchase counts, in horizons."""

_DECAYS = np.array(DECAYS)[:, None]
_EWR = TERMS.index("ewr")


def usual_log_gap(columns: Columns, baseline: Baseline) -> Floats:
    """Return m, the customer's own usual log gap (log days), drawn towards the company's while gaps are few."""
    return (baseline.kappa * baseline.mu + columns.sum_log_gap) / (baseline.kappa + columns.n_gaps)


def usual_gap_days(columns: Columns, baseline: Baseline) -> Floats:
    """Return the customer's own usual gap in days, e^m."""
    return np.exp(usual_log_gap(columns, baseline))


def terms(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats:
    """Return the 21 terms in the order of `TERMS`, (terms, n): one row each.

    `silence_days` is days since the last purchase, aligned with the rows of `columns`.
    """
    horizon, baseline = generation.horizon_days, generation.baseline
    x = columns.n_gaps
    u = silence_days.astype(np.float64)
    span = (columns.last_day - columns.first_day).astype(np.float64)
    age = span + u
    classes = class_masses(x, span, columns.sum_log_gap, generation.mixture)
    mix = silence(classes, u, horizon)
    values = np.empty((len(TERMS), len(x)))

    p_silent = np.minimum(np.maximum(mix.p_silent, CLIP), 1.0 - CLIP)
    np.divide(p_silent, 1.0 - p_silent, out=values[0])
    np.maximum(mix.p_gap, SMALLEST, out=values[1])
    np.log(values[:2], out=values[:2])
    np.negative(values[1], out=values[1])
    values[2] = mix.mean_log_regularity

    m = usual_log_gap(columns, baseline)
    late = np.log(np.maximum(u, 0.5)) - m
    uncertainty = 1.0 + 1.0 / (baseline.kappa + x)
    scatter = np.maximum(
        columns.sum_log_gap_squared - columns.sum_log_gap * columns.sum_log_gap / np.maximum(x, 1.0), 0.0
    )
    own_variance = (4.0 * baseline.variance + scatter) / (4.0 + np.maximum(x - 1.0, 0.0))
    np.divide(late, np.sqrt(baseline.variance * uncertainty), out=values[3])
    np.maximum(values[3], 0.0, out=values[4])
    np.divide(late, np.sqrt(own_variance * uncertainty), out=values[5])
    np.multiply(0.5, np.log(own_variance), out=values[6])

    np.divide(u + 1.0, horizon, out=values[7])
    np.divide(age + 1.0, horizon, out=values[8])
    np.add(x, 1.0, out=values[9])
    np.log(values[7:10], out=values[7:10])
    np.subtract(m, log(horizon), out=values[10])
    values[11] = np.where(x > 0.0, columns.recent_log_gap - m, 0.0)
    values[12:14] = _amount_terms(columns, generation)

    # Decays of the three horizons below each other.
    tau = _DECAYS * horizon
    fades = np.exp(-(u / horizon) / _DECAYS)
    counts = np.stack((columns.decayed_short, columns.decayed_middle, columns.decayed_long))
    np.add(1.0, columns.returns * fades[1], out=values[14])
    np.add(counts * fades, 0.05, out=values[15:18])
    repeats = (counts - np.exp(-span / tau)) * fades
    expected = tau * (1.0 - np.exp(-age / tau)) / exp(baseline.mu)
    np.divide(np.maximum(repeats, 0.0) + 1.0, expected + 1.0, out=values[18:])
    np.log(values[14:], out=values[14:])
    return values


def _amount_terms(columns: Columns, generation: Generation) -> tuple[Floats, Floats]:
    # A customer without amounts, or a company without a baseline, counts as the population's mean: no evidence.
    known = columns.n_amounts > 0.0
    usual, mean = generation.means[_EWR : _EWR + 2]
    own = np.where(known, columns.recent_log_amount - columns.mean_log_amount, mean)
    if generation.baseline.log_amount is None:
        return np.full_like(own, usual), own
    return np.where(known, columns.recent_log_amount - generation.baseline.log_amount, usual), own
