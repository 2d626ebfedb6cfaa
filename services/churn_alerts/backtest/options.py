"""What a backtest is asked for, and how what was left out is chosen from the first half year of the data."""

from dataclasses import dataclass
from math import exp

import numpy as np

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import fit_baseline
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.history import CustomerDays

LEARNING_DAYS = 182
"""Options are chosen from, and scoring starts after, half a year: it shows the usual gap and whole horizons."""

HORIZONS = (14, 28, 60, 90)
"""Days a company plans in; the horizon is the first that is `GAPS_PER_HORIZON` usual gaps long, at most what half a
year can teach. A company whose customers come back yearly says its own."""

GAPS_PER_HORIZON = 3.4
"""Both public logs the prior was fitted on have horizons of 3.4 usual gaps (e^1.22, docs/churn.md)."""

WEEKLY_GAP_DAYS = 7.0


class UnusableOptions(Exception):
    """The options do not fit the orders; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said; None is "choose for me". Days, and days since 1970-01-01 UTC for `start_day`."""

    start_day: int | None = None
    horizon_days: int | None = None
    lost_after_days: int | None = None
    min_purchases: int | None = None
    every_days: int = 7
    alerts_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """A backtest's settings, complete. `chosen` names those that the data decided."""

    start_day: int
    horizon_days: int
    every_days: int
    policy: SilencePolicy
    alerts_per_day: float | None
    usual_gap_days: float
    chosen: tuple[str, ...]


def choose(customers: list[CustomerDays], wishes: Wishes) -> Options:
    """Return the complete options; what is chosen looks at nothing after the first half year or the wished start.

    A log that ends before scoring would start is halved: the first half fits, the second is scored.

    Raises `UnusableOptions` when scoring would start outside the orders.
    """
    first_day = min(purchases[0].day for _, purchases, _ in customers if purchases)
    last_day = max(purchases[-1].day for _, purchases, _ in customers if purchases)
    halfway = first_day + max((last_day - first_day) // 2, 1)
    learnt_by = first_day + LEARNING_DAYS if first_day + LEARNING_DAYS <= last_day else halfway
    if wishes.start_day is not None:
        learnt_by = min(first_day + LEARNING_DAYS, wishes.start_day)
    usual_gap = _usual_gap_days(customers, learnt_by)
    horizon = wishes.horizon_days or next(
        (days for days in HORIZONS if days >= GAPS_PER_HORIZON * usual_gap), HORIZONS[-1]
    )
    # A month or less is planned as such; longer horizons leave a third more before a customer is given up.
    lost_after = wishes.lost_after_days or (horizon if horizon <= 28 else horizon * 4 // 3)
    min_purchases = wishes.min_purchases or (3 if usual_gap < WEEKLY_GAP_DAYS else 2)
    start = wishes.start_day
    if start is None:
        start = first_day + max(LEARNING_DAYS, 3 * horizon)
        if start > last_day:
            start = halfway
    if not first_day <= start <= last_day:
        raise UnusableOptions(f"scoring would start outside the orders, which span {iso(first_day)} to {iso(last_day)}")
    given = {
        "start": wishes.start_day,
        "horizon": wishes.horizon_days,
        "lost_after": wishes.lost_after_days,
        "min_purchases": wishes.min_purchases,
    }
    return Options(
        start_day=start,
        horizon_days=horizon,
        every_days=wishes.every_days,
        policy=SilencePolicy(min_purchases, lost_after, max(lost_after // 2, 1)),
        alerts_per_day=wishes.alerts_per_day,
        usual_gap_days=usual_gap,
        chosen=tuple(name for name, value in given.items() if value is None),
    )


def _usual_gap_days(customers: list[CustomerDays], until_day: int) -> float:
    owners = np.repeat(np.arange(len(customers)), [len(purchases) for _, purchases, _ in customers])
    days = np.array([entry.day for _, purchases, _ in customers for entry in purchases], dtype=np.int64)
    is_gap = (owners[1:] == owners[:-1]) & (days[1:] <= until_day)
    log_gaps, of = np.log((days[1:] - days[:-1])[is_gap]), owners[1:][is_gap]
    counts = np.bincount(of).astype(np.float64)
    sums, squares = (np.bincount(of, weights).astype(np.float64) for weights in (log_gaps, log_gaps**2))
    baseline = fit_baseline(counts, sums, squares, prior_for(30.0).baseline)
    return exp(baseline.mu)
