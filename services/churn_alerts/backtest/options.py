"""What a backtest is asked for, and how what was left out is chosen from the beginning of the data."""

from dataclasses import dataclass

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.backtest.plan import Span, usual_gap_of
from services.churn_alerts.backtest.why import Why, reasons
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.history import CustomerDays

WEEKLY_GAP_DAYS = 7.0
LEAST_LOST_AFTER_DAYS = 2
"""On the day of the purchase itself nobody is silent yet: with one day there would be nothing to alert."""


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
    """A backtest's settings, complete. `chosen` names those that the data decided, `why` tells how."""

    start_day: int
    horizon_days: int
    every_days: int
    policy: SilencePolicy
    alerts_per_day: float | None
    usual_gap_days: float
    chosen: tuple[str, ...]
    why: tuple[Why, ...] = ()


def choose(customers: list[CustomerDays], wishes: Wishes) -> Options:
    """Return the complete options. What is chosen looks at nothing after the start but at the day the log ends.

    With a start given, not even at that. Without, horizon and start are chosen such that outcomes are left to judge.

    Raises `UnusableOptions` when scoring would start outside the orders, or all of them are of one day.
    """
    first_day = min(purchases[0].day for _, purchases, _ in customers if purchases)
    last_day = max(purchases[-1].day for _, purchases, _ in customers if purchases)
    if first_day == last_day:
        raise UnusableOptions(f"all orders are of {iso(first_day)}: there is no past to replay")

    def lost_after(horizon: int) -> int:
        # A month or less is planned as such; longer horizons leave a third more before a customer is given up.
        return wishes.lost_after_days or (max(horizon, LEAST_LOST_AFTER_DAYS) if horizon <= 28 else horizon * 4 // 3)

    span = Span(first_day, last_day, usual_gap_of(customers), wishes.horizon_days, lost_after)
    plan = span.chosen() if wishes.start_day is None else span.from_start(wishes.start_day)
    start, horizon = plan.start_day, plan.horizon_days
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
        policy=SilencePolicy(
            wishes.min_purchases or (3 if plan.usual_gap_days < WEEKLY_GAP_DAYS else 2),
            lost_after(horizon),
            max(lost_after(horizon) // 2, 1),
        ),
        alerts_per_day=wishes.alerts_per_day,
        usual_gap_days=plan.usual_gap_days,
        chosen=tuple(name for name, value in given.items() if value is None),
        why=tuple(reasons(plan, span, is_start_chosen=wishes.start_day is None)),
    )
