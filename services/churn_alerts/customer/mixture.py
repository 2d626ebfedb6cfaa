"""The regularity mixture in closed form: how likely a silence is to go on, for many customers at once.

Gaps of a customer ~ Gamma(shape k, rate k·λ), λ ~ Gamma(r, α); after every purchase, the first included, the customer
leaves with p ~ Beta(a, b); class k has weight w_k. k = 1 alone is MBG/NBD (Batislam, Denizel & Filiztekin 2007; BG/NBD:
Fader, Hardie & Lee 2005); one integer k is MBG/CNBD-k (Reutterer, Platzer & Schröder 2021).
Every operation is elementwise, so that a customer's figure does not depend on who else is in the batch.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log
from typing import Final

import numpy as np

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.generation import REGULARITIES, Mixture

SMALLEST = 1e-12
"""Floor of probabilities inside logarithms."""

MAX_COUNTS: Final = 4_096
"""Of more purchase days than this, more than eleven years' worth, log gammas are not kept."""

_CLASSES: Final = np.array(REGULARITIES, dtype=np.float64)[:, None]
_LOG_GAMMA_OF_CLASSES: Final = np.array([[lgamma(k)] for k in REGULARITIES])
_LOG_CLASSES: Final = np.array([[log(k)] for k in REGULARITIES])


@dataclass(frozen=True, slots=True)
class ClassMasses:
    """Over classes of regularity and customers, (classes, n): unnormalised mass, R = r + kx and A = α/k + t_x.

    `total` of the masses, `leaving_odds` and `log_norm` are one value per customer.
    """

    mass: Floats
    shape: Floats
    scale: Floats
    total: Floats
    leaving_odds: Floats
    log_norm: Floats


@dataclass(frozen=True, slots=True)
class Silence:
    """What the mixture says of a silence; one value per customer.

    `p_silent` no purchase in the horizon to come; `p_left` has already left; `p_gap` a customer who stays is silent
    this long; `mean_log_regularity` the posterior mean of log k.
    """

    p_silent: Floats
    p_left: Floats
    p_gap: Floats
    mean_log_regularity: Floats


def class_masses(n_gaps: Floats, span_days: Floats, sum_log_gap: Floats, mixture: Mixture) -> ClassMasses:
    """Return the posterior class masses after `n_gaps` gaps over `span_days` (first to last purchase).

    Scaled so that the largest class is 1; `log_norm` holds the logarithm of what was divided out.
    """
    shape = mixture.r + _CLASSES * n_gaps
    scale = mixture.alpha / _CLASSES + span_days
    log_weights = [
        [log(max(weight, SMALLEST)) - lgamma(mixture.r) + mixture.r * log(mixture.alpha / k)]
        for k, weight in zip(REGULARITIES, mixture.weights, strict=True)
    ]
    log_mass = np.array(log_weights) + _log_gammas(mixture.r, n_gaps, shape)
    log_mass -= shape * np.log(scale)
    log_mass += (_CLASSES - 1.0) * sum_log_gap
    log_mass -= _LOG_GAMMA_OF_CLASSES * n_gaps
    largest = log_mass.max(axis=0)
    mass = np.exp(log_mass - largest)
    return ClassMasses(
        mass=mass,
        shape=shape,
        scale=scale,
        total=_over_classes(mass),
        leaving_odds=mixture.a / (mixture.b + n_gaps),
        log_norm=largest,
    )


def silence(classes: ClassMasses, silence_days: Floats, horizon_days: float) -> Silence:
    """Return S_mix and its parts for silences of `silence_days`; churn.md, section S_mix."""
    gone = classes.leaving_odds * classes.total
    survival = _survival(classes, np.stack((silence_days, silence_days + horizon_days)))
    now, later = _over_classes(classes.mass[:, None, :] * survival)
    alive_or_gone = np.maximum(gone + now, SMALLEST * classes.total)
    return Silence(
        p_silent=(gone + later) / alive_or_gone,
        p_left=gone / alive_or_gone,
        p_gap=now / classes.total,
        mean_log_regularity=_over_classes(classes.mass * _LOG_CLASSES) / classes.total,
    )


def _survival(classes: ClassMasses, silence_days: Floats) -> Floats:
    """Return Q_k(u) of each class and row of `silence_days` (rows, n): (classes, rows, n).

    The classes' finite sums side by side, each as long as its own: a call into numpy costs as much as many customers.
    """
    shape, scale = classes.shape[:, None, :], classes.scale[:, None, :]
    z = silence_days / (scale + silence_days)
    survival = np.exp(-shape * np.log1p(silence_days / scale))
    term = survival.copy()
    for j in range(REGULARITIES[-1] - 1):
        # Classes of k <= j + 1 have come to their end.
        going_on = slice(sum(k <= j + 1 for k in REGULARITIES), None)
        factor = z[going_on] * (shape[going_on] + j)
        factor /= j + 1
        term[going_on] *= factor
        survival[going_on] += term[going_on]
    return survival


def _over_classes(values: Floats) -> Floats:
    # Class after class: numpy's own sum may round differently with the number of customers.
    total: Floats = ((values[0] + values[1]) + values[2]) + values[3]
    return total


def _log_gammas(r: float, n_gaps: Floats, shape: Floats) -> Floats:
    """Return log Γ(r + kx) for every class k, (classes, n); `shape` is r + kx."""
    # Customers share their counts: one value per count, the same bits, instead of one per customer.
    n_counts = int(n_gaps.max(initial=0.0)) + 1
    if n_counts >= MAX_COUNTS:
        return log_gamma(shape)
    return _log_gammas_of_counts(r, 1 << n_counts.bit_length())[:, n_gaps.astype(np.int64)]


@lru_cache(maxsize=16)
def _log_gammas_of_counts(r: float, n_counts: int) -> Floats:
    return log_gamma(r + _CLASSES * np.arange(n_counts, dtype=np.float64))


def log_gamma(z: Floats) -> Floats:
    """Return log Γ(z) for z > 0, elementwise to 1e-13: Stirling's series at z + 8, stepped back down."""
    product = z * (z + 1.0) * (z + 2.0) * (z + 3.0) * (z + 4.0) * (z + 5.0) * (z + 6.0) * (z + 7.0)
    y = z + 8.0
    inverse = 1.0 / y
    square = inverse * inverse
    series = 1.0 / 1188.0 - square * 691.0 / 360360.0
    for coefficient in (1.0 / 1680.0, 1.0 / 1260.0, 1.0 / 360.0, 1.0 / 12.0):
        series = coefficient - square * series
    return (y - 0.5) * np.log(y) - y + 0.9189385332046727 + series * inverse - np.log(product)


def digamma(z: Floats) -> Floats:
    """Return ψ(z) for z > 0, elementwise to 1e-12: the asymptotic series at z + 8, stepped back down."""
    steps = 1.0 / z
    for step in range(1, 8):
        steps = steps + 1.0 / (z + step)
    y = z + 8.0
    inverse = 1.0 / y
    square = inverse * inverse
    series = square * (5.0 / 660.0)
    for coefficient in (1.0 / 240.0, 1.0 / 252.0, 1.0 / 120.0, 1.0 / 12.0):
        series = square * (coefficient - series)
    return np.log(y) - 0.5 * inverse - series - steps
