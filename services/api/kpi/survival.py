"""Time until something happens, of people some of whom it has not happened to yet. Pure.

Source: E. L. Kaplan and P. Meier, JASA 53 (1958) 457-481; the variance of M. Greenwood (1926) on the scale of
log(-log S), which stays within 0 and 1 (J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure Time
Data (1980), 1.3), as R's survfit with conf.type = "log-log".
"""

from collections import defaultdict
from collections.abc import Iterable
from math import exp, log, sqrt
from typing import NamedTuple

from shared.interval import Estimate, Z


class Step(NamedTuple):
    """From `time` on the share `left` has not seen it; `n_at_risk` is whom it could still happen to at `time`."""

    time: int
    n_at_risk: int
    left: Estimate


def kaplan_meier(seen: Iterable[tuple[int, bool, int]]) -> list[Step]:
    """Return the steps of (time, whether it happened then rather than was last looked at, how many people).

    Who was last looked at when it happened to others was still at risk then.
    """
    happened: defaultdict[int, int] = defaultdict(int)
    gone: defaultdict[int, int] = defaultdict(int)
    for time, has_happened, n in seen:
        gone[time] += n
        if has_happened:
            happened[time] += n
    at_risk = sum(gone.values())
    share, variance = 1.0, 0.0
    steps: list[Step] = []
    for time in sorted(gone):
        if n := happened[time]:
            share *= 1 - n / at_risk
            if n < at_risk:
                variance += n / (at_risk * (at_risk - n))
                left = _log_log(share, variance)
            else:
                # It happened to everybody: the last interval's upper end is all that is known.
                left = Estimate(0.0, 0.0, steps[-1].left.high if steps else 1.0)
            steps.append(Step(time, at_risk, left))
        at_risk -= gone[time]
    return steps


def median(steps: Iterable[Step]) -> tuple[int | None, int | None, int | None]:
    """Return when half have seen it, and the interval of that; None for what lies beyond the steps.

    Source: R. Brookmeyer and J. Crowley, Biometrics 38 (1982) 29-41, on the scale of the steps' intervals.
    """
    steps = list(steps)
    value = next((step.time for step in steps if step.left.value <= 0.5), None)
    low = next((step.time for step in steps if step.left.low <= 0.5), None)
    high = next((step.time for step in steps if step.left.high <= 0.5), None)
    return value, low, high


def _log_log(share: float, variance: float) -> Estimate:
    width = Z * sqrt(variance) / abs(log(share))
    return Estimate(share, share ** exp(width), share ** exp(-width))
