"""What a backtest is asked for, and how what was left out is chosen from the beginning of the data."""

from dataclasses import dataclass
from math import exp

import numpy as np
from msgspec.structs import replace

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import fit_baseline
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.history import CustomerDays

LEARNING_DAYS = (182, 365, 730)
"""Options are chosen from, and scoring starts after, half a year: it shows the usual gap and whole horizons. Where
customers come back more slowly, a year or two, if the log is twice as long."""

GAPS_LEARNT = 4.0
"""So many usual gaps must fit into what they are learnt from: in less, the long ones are not seen."""

FEWEST_GAPS = 50

HORIZONS = (14, 28, 60, 90)
"""Days a company plans in; the horizon is the first that is `GAPS_PER_HORIZON` usual gaps long."""

GAPS_PER_HORIZON = 3.4
"""Both public logs the prior was fitted on have horizons of 3.4 usual gaps (e^1.22, docs/churn.md)."""

LONG_HORIZONS = (90, 180, 365)
LEAST_GAPS_PER_HORIZON = 1.5
HORIZONS_LEARNT = 3
"""A quarter of a year is taken as long as it can be told from one missed purchase; a longer one where it cannot, if
three of it fit before the latest start, which is the middle of the log."""

SLACK_DAYS = 7
"""A log of six years ends some days before its first order's anniversary, and must not be taken for a shorter one."""

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
    """Return the complete options; what is chosen looks at nothing after the start.

    A log that ends within a horizon of where scoring would start is halved: the first half fits, the second is scored.

    Raises `UnusableOptions` when scoring would start outside the orders, or all of them are of one day.
    """
    first_day = min(purchases[0].day for _, purchases, _ in customers if purchases)
    last_day = max(purchases[-1].day for _, purchases, _ in customers if purchases)
    if first_day == last_day:
        raise UnusableOptions(f"all orders are of {iso(first_day)}: there is no past to replay")
    halfway = first_day + max((last_day - first_day) // 2, 1)
    latest_start = halfway if wishes.start_day is None else wishes.start_day
    learnt_by, usual_gap = _usual_gap(customers, first_day, latest_start)
    horizon = wishes.horizon_days or _horizon_for(usual_gap, latest_start - first_day)
    # A month or less is planned as such; longer horizons leave a third more before a customer is given up.
    lost_after = wishes.lost_after_days or (horizon if horizon <= 28 else horizon * 4 // 3)
    min_purchases = wishes.min_purchases or (3 if usual_gap < WEEKLY_GAP_DAYS else 2)
    start = wishes.start_day
    if start is None:
        start = max(learnt_by, first_day + max(LEARNING_DAYS[0], HORIZONS_LEARNT * horizon))
        if start + horizon > last_day:
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


def _horizon_for(usual_gap_days: float, learning_days: int) -> int:
    for days in HORIZONS:
        if days >= GAPS_PER_HORIZON * usual_gap_days:
            return days
    fitting = (learning_days + SLACK_DAYS) // HORIZONS_LEARNT
    possible = [days for days in LONG_HORIZONS if days == LONG_HORIZONS[0] or days <= fitting]
    return next((days for days in possible if days >= LEAST_GAPS_PER_HORIZON * usual_gap_days), possible[-1])


def _usual_gap(customers: list[CustomerDays], first_day: int, latest: int) -> tuple[int, float]:
    """Return the day the usual gap was learnt by, and the gap in days: from the first half year, or more if need be."""
    learnt_by, gap = latest, 0.0
    for days in LEARNING_DAYS:
        learnt_by = min(first_day + days, latest)
        n_gaps, gap = _gaps_until(customers, learnt_by)
        if learnt_by == latest or (n_gaps >= FEWEST_GAPS and learnt_by - first_day >= GAPS_LEARNT * gap):
            break
    return learnt_by, gap


def _gaps_until(customers: list[CustomerDays], until_day: int) -> tuple[int, float]:
    """Return how many gaps ended by a day, and the usual one; the horizon's share of a quarter where there is none."""
    owners = np.repeat(np.arange(len(customers)), [len(purchases) for _, purchases, _ in customers])
    days = np.array([entry.day for _, purchases, _ in customers for entry in purchases], dtype=np.int64)
    is_gap = (owners[1:] == owners[:-1]) & (days[1:] <= until_day)
    log_gaps, of = np.log((days[1:] - days[:-1])[is_gap]), owners[1:][is_gap]
    if not len(of):
        return 0, HORIZONS[-1] / GAPS_PER_HORIZON
    if len(of) < FEWEST_GAPS:
        return len(of), exp(float(log_gaps.mean()))
    counts = np.bincount(of).astype(np.float64)
    sums, squares = (np.bincount(of, weights).astype(np.float64) for weights in (log_gaps, log_gaps**2))
    whole = replace(prior_for(30.0).baseline, mu=float(log_gaps.mean()))
    return len(of), exp(fit_baseline(counts, sums, squares, whole).mu)
