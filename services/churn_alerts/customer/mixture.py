"""The regularity mixture in closed form: how likely a silence is to go on, for many customers at once.

Gaps of a customer ~ Gamma(shape k, rate k·λ), λ ~ Gamma(r, α); after every purchase, the first included, the customer
leaves with p ~ Beta(a, b); class k has weight w_k. k = 1 alone is MBG/NBD (Batislam, Denizel & Filiztekin 2007; BG/NBD:
Fader, Hardie & Lee 2005); one integer k is MBG/CNBD-k (Reutterer, Platzer & Schröder 2021).
Every operation is elementwise, so that a customer's figure does not depend on who else is in the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import lgamma, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.generation import REGULARITIES, Mixture
from services.churn_alerts.customer.whole_numbers import WholeNumbers

SMALLEST = 1e-12
"""Floor of probabilities inside logarithms."""

_CLASSES: Final = np.array(REGULARITIES, dtype=np.float64)[:, None]


@dataclass(frozen=True, slots=True)
class ClassMasses:
    """Per class of regularity, one array each over customers: unnormalised mass, R = r + kx and A = α/k + t_x."""

    mass: tuple[Floats, ...]
    shape: tuple[Floats, ...]
    scale: tuple[Floats, ...]
    total: Floats
    leaving_odds: Floats
    log_norm: Floats


@dataclass(frozen=True, slots=True)
class Silence:
    """What the mixture says of a silence; one value per customer.

    `p_silent` no purchase in the horizon to come; `p_left` has already left; `p_gap` a customer who stays is silent
    this long.
    """

    p_silent: Floats
    p_left: Floats
    p_gap: Floats


def class_masses(n_gaps: Floats, span_days: Floats, sum_log_gap: Floats, mixture: Mixture) -> ClassMasses:
    """Return the posterior class masses after `n_gaps` gaps over `span_days` (first to last purchase).

    Scaled so that the largest class is 1; `log_norm` holds the logarithm of what was divided out.
    """
    log_masses = []
    shapes = []
    scales = []
    # For all classes in one call, which few customers pay as dearly as many.
    log_gammas = WholeNumbers(n_gaps, least=1).each(lambda n: log_gamma(mixture.r + _CLASSES * n))
    log_scales = WholeNumbers(span_days).each(lambda days: np.log(mixture.alpha / _CLASSES + days))
    of_classes = zip(REGULARITIES, mixture.weights, log_gammas, log_scales, strict=True)
    for k, weight, log_gamma_of_shape, log_scale in of_classes:
        shape = mixture.r + k * n_gaps
        scale = mixture.alpha / k + span_days
        log_mass = (
            log(max(weight, SMALLEST))
            - lgamma(mixture.r)
            + mixture.r * log(mixture.alpha / k)
            + log_gamma_of_shape
            - shape * log_scale
            + (k - 1) * sum_log_gap
            - lgamma(k) * n_gaps
        )
        log_masses.append(log_mass)
        shapes.append(shape)
        scales.append(scale)
    largest = np.maximum(np.maximum(log_masses[0], log_masses[1]), np.maximum(log_masses[2], log_masses[3]))
    masses = tuple(np.exp(log_mass - largest) for log_mass in log_masses)
    return ClassMasses(
        mass=masses,
        shape=tuple(shapes),
        scale=tuple(scales),
        total=((masses[0] + masses[1]) + masses[2]) + masses[3],
        leaving_odds=mixture.a / (mixture.b + n_gaps),
        log_norm=largest,
    )


def silence(
    classes: ClassMasses, silence_days: Floats, horizon_days: float, at: NDArray[np.int64] | None = None
) -> Silence:
    """Return S_mix and its parts for silences of `silence_days`; churn.md, section S_mix.

    `at` says for each silence whose it is, a place in `classes`; left out, there is one of each customer.
    """
    of = chosen(at)
    total = of(classes.total)
    gone = of(classes.leaving_odds) * total
    now, later = _weighted_survivals(classes, (silence_days, silence_days + horizon_days), of)
    alive_or_gone = np.maximum(gone + now, SMALLEST * total)
    return Silence(
        p_silent=(gone + later) / alive_or_gone,
        p_left=gone / alive_or_gone,
        p_gap=now / total,
    )


def mean_log_regularity(classes: ClassMasses) -> Floats:
    """Return the posterior mean of log k."""
    total = np.zeros_like(classes.total)
    for k, mass in zip(REGULARITIES[1:], classes.mass[1:], strict=True):
        total = total + mass * log(k)
    return total / classes.total


def chosen(at: NDArray[np.int64] | None) -> Callable[[Floats], Floats]:
    """Return what picks the values at these places, along the last axis; without places, all as they stand."""
    return (lambda values: values) if at is None else (lambda values: values.take(at, axis=-1))


def _weighted_survivals(
    classes: ClassMasses, silences: tuple[Floats, Floats], of: Callable[[Floats], Floats]
) -> list[Floats]:
    """Return Σ M_k · Q_k(u): the unnormalised probability that a customer who stays is silent for so long."""
    totals = [np.zeros_like(days) for days in silences]
    for k, *of_class in zip(REGULARITIES, classes.mass, classes.shape, classes.scale, strict=True):
        mass, shape, scale = map(of, of_class)
        negative = -shape
        for place, days in enumerate(silences):
            term = np.exp(negative * np.log1p(days / scale))
            survival = term
            if k > 1:
                z = days / (scale + days)
                term = term * (z * shape)
                survival = survival + term
            for j in range(1, k - 1):
                term = term * (z * (shape + j) / (j + 1))
                survival = survival + term
            totals[place] = totals[place] + mass * survival
    return totals


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
