"""The regularity mixture in closed form: how likely a silence is to go on, for many customers at once.

Gaps of a customer ~ Gamma(shape k, rate k·λ), λ ~ Gamma(r, α); after every purchase, the first included, the customer
leaves with p ~ Beta(a, b); class k has weight w_k. k = 1 alone is MBG/NBD (Batislam, Denizel & Filiztekin 2007; BG/NBD:
Fader, Hardie & Lee 2005); one integer k is MBG/CNBD-k (Reutterer, Platzer & Schröder 2021).
Every operation is elementwise, so that a customer's figure does not depend on who else is in the batch.
"""

from dataclasses import dataclass
from math import lgamma, log
from typing import Final

import numpy as np

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


def weighted_survival(classes: ClassMasses, silence_days: Floats) -> Floats:
    """Return Σ M_k · Q_k(u): the unnormalised probability that a customer who stays is silent for `silence_days`."""
    total = np.zeros_like(silence_days)
    for k, mass, shape, scale in zip(REGULARITIES, classes.mass, classes.shape, classes.scale, strict=True):
        z = silence_days / (scale + silence_days)
        term = np.exp(-shape * np.log1p(silence_days / scale))
        survival = term
        for j in range(k - 1):
            term = term * (z * (shape + j) / (j + 1))
            survival = survival + term
        total = total + mass * survival
    return total


def silence(classes: ClassMasses, silence_days: Floats, horizon_days: float) -> Silence:
    """Return S_mix and its parts for silences of `silence_days`; churn.md, section S_mix."""
    gone = classes.leaving_odds * classes.total
    now = weighted_survival(classes, silence_days)
    later = weighted_survival(classes, silence_days + horizon_days)
    alive_or_gone = np.maximum(gone + now, SMALLEST * classes.total)
    log_regularity = np.zeros_like(now)
    for k, mass in zip(REGULARITIES[1:], classes.mass[1:], strict=True):
        log_regularity = log_regularity + mass * log(k)
    return Silence(
        p_silent=(gone + later) / alive_or_gone,
        p_left=gone / alive_or_gone,
        p_gap=now / classes.total,
        mean_log_regularity=log_regularity / classes.total,
    )


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
