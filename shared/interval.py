"""Intervals of shares and means, and how many people a comparison needs. Pure: numbers in, numbers out.

Every interval is of 95 % confidence, two-sided.
"""

from math import ceil, sqrt
from statistics import NormalDist

from msgspec import Struct

_NORMAL = NormalDist()
Z = _NORMAL.inv_cdf(0.975)


class Estimate(Struct, frozen=True):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(n_hits: int, n: int) -> Estimate:
    """Return a share with its score interval; `n` is at least one.

    Source: E. B. Wilson, Probable inference, JASA 22 (1927); as method 3 in R. G. Newcombe, Statistics in Medicine 17
    (1998) 857-872, whose examples are the tests.
    """
    share = n_hits / n
    centre = (2 * n_hits + Z**2) / (2 * (n + Z**2))
    half = Z * sqrt(Z**2 + 4 * n_hits * (1 - share)) / (2 * (n + Z**2))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))


def mean(total: float, total_of_squares: float, n: int) -> Estimate:
    """Return the mean of `n` numbers (two at least) and Student's interval, from their sum and their squares'."""
    value = total / n
    variance = max(0.0, total_of_squares - total * value) / (n - 1)
    half = student(n - 1) * sqrt(variance / n)
    return Estimate(value, value - half, value + half)


def student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, to four places from 10 degrees of freedom on.

    Source: M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964), 26.7.5; their table 26.10 is the
    test.
    """
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    fourth = (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92160
    return Z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4


def newcombe(n_hits: int, n: int, n_other_hits: int, n_other: int) -> Estimate:
    """Return how much greater the first share is than the other, from the two shares' Wilson intervals.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions: comparison of
    eleven methods, Statistics in Medicine 17 (1998) 873-890, method 10 (without continuity correction).
    """
    one, other = wilson(n_hits, n), wilson(n_other_hits, n_other)
    difference = one.value - other.value
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Estimate(difference, difference - below, difference + above)


def n_needed(share: float, other_share: float, other_per_one: float = 1.0, power: float = 0.8) -> tuple[int, int]:
    """Return how many people with each share tell the two apart at 5 % with the power.

    `other_per_one` is how many people of the other group come with one of the first. Raises `ValueError` where the
    shares are alike: no number would do.

    Source: J. L. Fleiss, Statistical Methods for Rates and Proportions, 2nd ed. (1981), eq. 3.18 without the
    continuity correction; with groups of one size R's power.prop.test, whose documented example is the test.
    """
    if share == other_share:
        raise ValueError("the shares are alike")
    ratio = other_per_one
    mean = (share + ratio * other_share) / (1 + ratio)
    chance = Z * sqrt((1 + ratio) * mean * (1 - mean))
    signal = _NORMAL.inv_cdf(power) * sqrt(ratio * share * (1 - share) + other_share * (1 - other_share))
    n = ceil((chance + signal) ** 2 / (ratio * (share - other_share) ** 2))
    return n, ceil(n * ratio)
