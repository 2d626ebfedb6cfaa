"""What a customer is still worth: purchases expected in the next twelve months, discounted, times the basket."""

from functools import cache
from math import exp, lgamma, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.generation import DIGITS, Generation, Mixture, Spend
from services.churn_alerts.customer.maximum import maximise
from services.churn_alerts.customer.mixture import class_masses, digamma, log_gamma, silence

YEAR_DAYS = 365.0
N_STEPS = 6
YEARLY_DISCOUNT = 0.10
N_NODES = 16
"""Midpoints of the year and nodes over p: 0.1 % from 48 and 64 of them on both public logs."""
FEWEST_SPENDERS = 50
MAX_SPENDERS = 3_000
LEAST_Q = 1.05
"""The mean basket of the population exists only for q > 1."""

_STEP_DAYS: Final = YEAR_DAYS / N_STEPS
_MIDPOINTS: Final = np.array([[[(index + 0.5) * _STEP_DAYS]] for index in range(N_STEPS)])
_DISCOUNTED_DAYS: Final = np.array(
    [[[_STEP_DAYS * (1.0 + YEARLY_DISCOUNT) ** (-(index + 0.5) * _STEP_DAYS / YEAR_DAYS)]] for index in range(N_STEPS)]
)


def fit_spend(n_baskets: Floats, mean_basket: Floats, hashes: NDArray[np.uint32]) -> Spend | None:
    """Return the Gamma-Gamma model of baskets by maximum likelihood, or None with too few repeat customers who spend.

    Source: Fader & Hardie, The Gamma-Gamma Model of Monetary Value (2013), eq. 1a; customers are sampled by `hashes`.
    """
    repeat = np.flatnonzero((n_baskets > 1) & (mean_basket > 0))
    if len(repeat) < FEWEST_SPENDERS:
        return None
    repeat = repeat[np.argsort(hashes[repeat], kind="stable")[:MAX_SPENDERS]]
    scale = float(mean_basket[repeat].mean())
    x, z = n_baskets[repeat], mean_basket[repeat] / scale

    def contributions(theta: Floats) -> tuple[Floats, Floats]:
        p, q, gamma = (exp(value) for value in theta)
        total = gamma + x * z
        log_total = np.log(total)
        log_likelihood = (
            log_gamma(p * x + q) - log_gamma(p * x) - lgamma(q) + q * log(gamma) - np.log(z)
            + p * x * np.log(x * z) - (p * x + q) * log_total
        )  # fmt: skip
        joint = digamma(p * x + q)
        gradients = np.stack(
            [
                p * x * (joint - digamma(p * x) + np.log(x * z) - log_total),
                q * (joint - digamma(np.array([q]))[0] + log(gamma) - log_total),
                q - gamma * (p * x + q) / total,
            ]
        )
        return log_likelihood, gradients

    p, q, gamma = (exp(value) for value in maximise(contributions, np.ones(len(x)), np.log(np.array([3.0, 3.0, 1.0]))))
    return Spend(round(p, DIGITS), round(max(q, LEAST_Q), DIGITS), round(gamma * scale, DIGITS))


def expected_basket(columns: Columns, spend: Spend) -> Floats:
    """Return the expected amount of a purchase day, between the customer's own mean and the population's.

    Source: Fader & Hardie (2013), eq. 5: p (γ + x z̄) / (p x + q - 1). A mean below zero, from orders of negative
    amounts that were taken once, counts as zero: nobody's value is less than nothing.
    """
    x = columns.n_amounts
    return spend.p * (spend.gamma + x * np.maximum(columns.mean_amount, 0.0)) / (spend.p * x + spend.q - 1.0)


def expected_purchases(columns: Columns, silence_days: Floats | Days, mixture: Mixture) -> Floats:
    """Return the purchase days expected in the next 365, each discounted to today at 10 % a year.

    MBG/NBD: of a customer who stays, λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b + x + 1), so he buys at rate
    E[λ e^(-λ p s)] = E[R A^R / (A + p s)^(R + 1)] at time s from now; midpoints in s, Gauss-Legendre over p.
    """
    u = silence_days.astype(np.float64)
    span = (columns.last_day - columns.first_day).astype(np.float64)
    shape, scale = mixture.r + columns.n_gaps, mixture.alpha + span + u
    p, weights = _leaving(mixture.a, mixture.b + columns.n_gaps)
    # All steps side by side, in place: (steps, nodes, customers) would not fit the processor's cache twice.
    rates = p * _MIDPOINTS
    rates /= scale
    np.log1p(rates, out=rates)
    rates *= -(shape + 1.0)
    np.exp(rates, out=rates)
    rates *= shape / scale
    rates *= _DISCOUNTED_DAYS
    total, mass = _summed(weights * _summed(rates)), _summed(weights)
    classes = class_masses(columns.n_gaps, span, columns.sum_log_gap, mixture)
    p_left = silence(classes, u, 1.0).p_left
    return (1.0 - p_left) * total / mass


def _summed(rows: Floats) -> Floats:
    # Row after row: numpy's own sum would round differently with the number of customers.
    total: Floats = rows[0]
    for row in rows[1:]:
        total = total + row
    return total


def _leaving(a: float, b: Floats) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes of p ~ Beta(a, b + 1) and weights up to a factor, (nodes, customers) each."""
    nodes, log_weights = _gauss_legendre()
    # Nearly all of the mass lies below the mean and some deviations; p = top · y^(1/a) takes the singularity of a < 1.
    top = np.minimum((a + 6.0 * sqrt(a + 1.0) + 10.0) / (a + b + 1.0), 1.0 - 1e-9)
    smooth = min(a, 1.0)
    places = np.array([[((node + 1.0) / 2.0) ** (1.0 / smooth)] for node in nodes])
    p = top * places
    logs = log_weights + (a - smooth) * np.log(np.maximum(p, 1e-300)) + b * np.log1p(-p)
    return p, np.exp(logs - logs.max(axis=0))


@cache
def _gauss_legendre() -> tuple[list[float], Floats]:
    """Return the nodes, and the logarithms of their weights as a column."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    return nodes.tolist(), np.array([[log(weight)] for weight in weights.tolist()])


def residual_value(columns: Columns, silence_days: Floats | Days, generation: Generation) -> Floats | None:
    """Return what each customer is expected to spend in the next twelve months, discounted; None without amounts.

    In the company's currency. Expected loss of an alert is the risk times this.
    """
    if generation.spend is None:
        return None
    purchases = expected_purchases(columns, silence_days, generation.mixture)
    return np.round(purchases * expected_basket(columns, generation.spend), 2)
