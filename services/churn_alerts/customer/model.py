"""What is kept of one customer's purchases: sufficient statistics and the recent days, nothing else grows."""

from functools import cache
from typing import NamedTuple

from msgspec import Struct

SECONDS_PER_DAY = 86_400
DAY_MS = SECONDS_PER_DAY * 1000
LEAST_REFIT_DAYS = 182
REFIT_HORIZONS = 3
REFIT_DELAY_DAYS = 14


class PurchaseDay(NamedTuple):
    """One purchase day: days since 1970-01-01 UTC, and the day's total in hundredths of the currency if known."""

    day: int
    cents: int | None = None


class ReturnDay(NamedTuple):
    day: int
    n_returns: int


class Statistics(Struct, frozen=True, array_like=True, gc=False):
    """Everything the score needs from a run of purchase days, as of its last day; adjoining runs concatenate.

    Times are days. The moving averages are kept as (part that started at zero, first value), which is what makes them
    concatenate: the average is `gap_ewma + .7 ** n_gaps * first_log_gap`, and the same with amounts.
    `decayed_*` count purchase days with weight exp(-age / tau) for tau of a third of, one and three horizons.
    """

    n_days: int
    first_day: int
    last_day: int
    sum_log_gap: float = 0.0
    sum_log_gap_squared: float = 0.0
    gap_ewma: float = 0.0
    first_log_gap: float = 0.0
    decayed_short: float = 1.0
    decayed_middle: float = 1.0
    decayed_long: float = 1.0
    n_amounts: int = 0
    amount_ewma: float = 0.0
    first_log_amount: float = 0.0
    sum_log_amount: float = 0.0
    sum_cents: int = 0


class Purchases(Struct, frozen=True, array_like=True, gc=False):
    """A customer's purchases, bounded: recent days one by one, everything older folded.

    `before` covers every purchase day but the last (so that a second basket of the day is cheap); `folded` covers the
    days more than `recent_days(horizon_days)` before the last, from which a late arrival among the recent days rebuilds
    `before`.
    `horizon_days` sets the decays, so it is fixed for the life of the state; to change it, history is replayed.
    """

    horizon_days: float
    recent: tuple[PurchaseDay, ...] = ()
    folded: Statistics | None = None
    before: Statistics | None = None
    recent_returns: tuple[ReturnDay, ...] = ()
    folded_returns: float = 0.0
    folded_returns_day: int = 0

    @property
    def last_day(self) -> int | None:
        """The day of the newest purchase, or None before the first."""
        return self.recent[-1].day if self.recent else None

    @property
    def n_days(self) -> int:
        """How many distinct purchase days were seen."""
        if self.before is None:
            return 1 if self.recent else 0
        return self.before.n_days + 1 if self.recent else self.before.n_days


@cache
def refit_days(horizon_days: float) -> int:
    """Return how many days a refit looks back: half a year, and three horizons.

    Labelled snapshots need a horizon to have passed; two more of them are read (docs/churn.md).
    """
    return max(LEAST_REFIT_DAYS, round(REFIT_HORIZONS * horizon_days))


@cache
def recent_days(horizon_days: float) -> int:
    """Return how many days before the last purchase are kept singly: what a refit reads, and two weeks it may wait."""
    return refit_days(horizon_days) + REFIT_DELAY_DAYS


def day_of_ms(ms: int) -> int:
    """Return the UTC day (days since 1970-01-01) that `ms` milliseconds since 1970 fall in."""
    return ms // DAY_MS


def end_of_day_ms(day: int) -> int:
    """Return the instant at which checks of `day` happen: its end, milliseconds since 1970."""
    return (day + 1) * DAY_MS
