"""Time until something happens, of people some of whom it has not happened to yet. Pure.

Source: E. L. Kaplan and P. Meier, JASA 53 (1958) 457-481; the variance of M. Greenwood (1926) on the scale of
log(-log S), which stays within 0 and 1 (J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure Time
Data (1980), 1.3), as R's survfit with conf.type = "log-log".
"""

from typing import NamedTuple

import numpy as np

from services.api.kpi.model import Array
from shared.interval import Estimate, Z


class Curve(NamedTuple):
    """From each `time` on the share `left` has not seen it; `n_at_risk` is whom it could still happen to at `time`.

    `low` and `high` are the share's interval. Times rise; there is one where it happened to somebody.
    """

    time: Array
    n_at_risk: Array
    left: Array
    low: Array
    high: Array

    def first(self, n: int) -> "Curve":
        return Curve(*(part[:n] for part in self))

    def happened_by(self, time: int) -> Estimate | None:
        """Return the share that has seen it by then, or None before the first step."""
        step = int(np.searchsorted(self.time, time, side="right")) - 1
        if step < 0:
            return None
        return Estimate(1 - float(self.left[step]), 1 - float(self.high[step]), 1 - float(self.low[step]))


def kaplan_meier(time: Array, has_happened: Array, n: Array) -> Curve:
    """Return the curve of so many people each, by whether it happened then rather than who was last looked at then.

    Who was last looked at when it happened to others was still at risk then.
    """
    times, number = np.unique(time, return_inverse=True)
    gone = np.bincount(number, weights=n, minlength=len(times))
    happened = np.bincount(number, weights=n * has_happened, minlength=len(times))
    is_step = happened > 0
    at_risk = (gone.sum() - np.cumsum(gone) + gone)[is_step]
    happened = happened[is_step]
    # It can happen to everybody at risk at the last step alone.
    is_last = happened == at_risk
    left = np.cumprod(1 - happened / at_risk)
    stayed = np.where(is_last, 1, at_risk - happened)
    variance = np.cumsum(np.where(is_last, 0, happened / (at_risk * stayed)))
    share = np.where(is_last, 0.5, left)
    width = np.exp(Z * np.sqrt(variance) / np.abs(np.log(share)))
    low, high = share**width, share ** (1 / width)
    if is_last.any():
        # ... whose upper end is all that is known.
        left[-1], low[-1], high[-1] = 0.0, 0.0, high[-2] if len(high) > 1 else 1.0
    return Curve(times[is_step], at_risk.astype(np.int64), left, low, high)


def median(curve: Curve) -> tuple[int | None, int | None, int | None]:
    """Return when half have seen it, and the interval of that; None for what lies beyond the curve.

    Source: R. Brookmeyer and J. Crowley, Biometrics 38 (1982) 29-41, on the scale of the curve's intervals.
    """
    value, low, high = (_first_at_half(curve.time, shares) for shares in (curve.left, curve.low, curve.high))
    return value, low, high


def _first_at_half(time: Array, shares: Array) -> int | None:
    found = time[shares <= 0.5]
    return int(found[0]) if len(found) else None
