"""Negative-binomial tails: how unusual a count is against a customer's own history of counts.

A customer's rate is Gamma-distributed around the population's; given his history the next window's count is negative
binomial. With `shape` events in `days` of (prior plus own) exposure, the count in a window of w days has
q = w / (days + w) and P(n) = Γ(n + shape) / (n! Γ(shape)) · (1 − q)^shape · q^n.
Source: Gamma–Poisson conjugacy, e.g. Gelman et al., Bayesian Data Analysis, section 2.6.
"""


def upper_tail(count: int, shape: float, days: float, window_days: float) -> float:
    """Return P(N ≥ count) for the next window."""
    return 1.0 - lower_tail(count - 1, shape, days, window_days) if count > 0 else 1.0


def lower_tail(count: int, shape: float, days: float, window_days: float) -> float:
    """Return P(N ≤ count) for the next window."""
    q = window_days / (days + window_days)
    p: float = (1.0 - q) ** shape
    total = p
    for n in range(count):
        p *= q * (n + shape) / (n + 1)
        total += p
    return min(total, 1.0)


def count_at_tail(tail: float, shape: float, days: float, window_days: float, least: int) -> int:
    """Return the smallest count, `least` or more, whose upper tail is at most `tail`."""
    count = least
    while upper_tail(count, shape, days, window_days) > tail:
        count += 1
    return count
