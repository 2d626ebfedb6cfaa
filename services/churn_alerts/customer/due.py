"""When a silence is checked and what a check decides; the one rule that live traffic, replay and backtest share.

A silence starts with the purchase of day d0. It is checked at the end of the UTC days d0 + u, u = floor, next(floor), …
while u < lost_after_days; the first check whose risk reaches the threshold raises the alert. Nothing else raises one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.features import usual_gap_days
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.score import risk, risk_of_rows

NEVER = -1
"""In arrays of silences: no check reaches the threshold."""


PRIOR_MIN_PURCHASES = 3


class SilencePolicy(Struct, frozen=True):
    """Whom and when to check. Days.

    `min_purchases` purchase days before a customer is scored; from `lost_after_days` of silence on he is lost, with no
    alert any more; `window_days` is the plain "no purchase for W days" rule that the floor is measured by.
    """

    min_purchases: int
    lost_after_days: int
    window_days: int


@dataclass(frozen=True, slots=True)
class InForce:
    """A generation and its threshold, for the checks at the end of `from_day` and later, until the next one's day."""

    from_day: int
    generation: Generation
    threshold: float


def floor_days(columns: Columns, generation: Generation, policy: SilencePolicy) -> Days:
    """Return the first silence worth a check: a share of W and one of the customer's usual gap, whole days up.

    A quarter and a half, unless the company's past showed the generation's fit that another floor is better
    (`floor.py`).
    `generation` is the one in force at the end of the day before the purchase, so the floor is known with the purchase.
    Source: churn.md, alert policy: a threshold alone puts two thirds of the alerts on the day of the purchase itself.
    """
    own = np.ceil(np.round(generation.floor_gap_share * usual_gap_days(columns, generation.baseline), 6))
    least = max(1, ceil(round(generation.floor_window_share * policy.window_days, 6)))
    # Beyond lost_after_days nothing is checked; the bound only keeps absurd gaps inside integers.
    return np.minimum(np.maximum(own, least), max(least, policy.lost_after_days)).astype(np.int64)


def may_alert(columns: Columns, generation: Generation) -> NDArray[np.bool_]:
    """Return whose silence may be alerted: under the shipped prior, only of customers with some purchases behind them.

    How many leave after their first purchases is what companies differ in most (docs/churn.md, cold start).
    """
    least = PRIOR_MIN_PURCHASES if generation.is_prior else 0
    return np.asarray(columns.n_gaps + 1 >= least)


def next_check(silence_days: int) -> int:
    """Return the silence of the check after the one at `silence_days`: a day later, or a tenth longer, rounded down."""
    return max(silence_days + 1, silence_days * 11 // 10)


def first_check_from(floor: int, silence_days: int) -> int:
    """Return the first check at or after `silence_days` on the ladder that starts at `floor`."""
    at = floor
    while at < silence_days:
        at = next_check(at)
    return at


def judge(p: float, silence_days: int, threshold: float, policy: SilencePolicy) -> Literal["lost", "alert", "wait"]:
    """Return what a check decides of one customer, given the risk of `score`."""
    if silence_days >= policy.lost_after_days:
        return "lost"
    return "alert" if p >= round(threshold, 6) else "wait"


def in_force_at(schedule: Sequence[InForce], day: int) -> InForce:
    """Return what is in force for checks at the end of `day`; the first entry also covers everything before it."""
    return schedule[max(bisect_right([entry.from_day for entry in schedule], day) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Crossings:
    """Per silence: the silence in days at which the alert is raised, `NEVER` if none is, and the risk there."""

    silence_days: Days
    p: Floats

    @property
    def raised(self) -> NDArray[np.bool_]:
        hits: NDArray[np.bool_] = self.silence_days != NEVER
        return hits


def first_crossing(
    columns: Columns, floors: Days, from_u: Days, until_u: Days, schedule: Sequence[InForce], policy: SilencePolicy
) -> Crossings:
    """Return each silence's first check in [from_u, until_u) whose risk reaches the threshold in force that day.

    The ladder of checks starts at the row's floor whatever `from_u` is, so a silence may be evaluated in pieces (a
    return or a new generation in between) with the same result. `until_u` is the gap to the next purchase (a check on
    the day of a purchase comes after it and belongs to the new silence); `lost_after_days` bounds it. `schedule` is
    ordered by day.
    """
    found = np.full(len(columns), NEVER, dtype=np.int64)
    p_found = np.zeros(len(columns), dtype=np.float64)
    end = np.minimum(until_u, policy.lost_after_days)
    pending = np.flatnonzero((columns.n_gaps + 1 >= policy.min_purchases) & (floors < end))
    u = floors[pending].astype(np.int64)
    starts = np.array([entry.from_day for entry in schedule], dtype=np.int64)
    while len(pending):
        due = u >= from_u[pending]
        rows, silences = pending[due], u[due]
        entry_of = np.maximum(np.searchsorted(starts, columns.last_day[rows] + silences, side="right") - 1, 0)
        for index in np.unique(entry_of):
            chosen = entry_of == index
            entry = schedule[int(index)]
            asked = columns.take(rows[chosen])
            p = risk(asked, silences[chosen], entry.generation)
            crossed = (p >= round(entry.threshold, 6)) & may_alert(asked, entry.generation)
            found[rows[chosen][crossed]] = silences[chosen][crossed]
            p_found[rows[chosen][crossed]] = p[crossed]
        u = np.maximum(u + 1, u * 11 // 10)
        going_on = (found[pending] == NEVER) & (u < end[pending])
        pending, u = pending[going_on], u[going_on]
    return Crossings(silence_days=found, p=p_found)


def highest_by_row(rows: Days, p: Floats, n_rows: int) -> Floats:
    """Return the highest of the risks of each row, 0 where there is none.

    At a threshold t, exactly the rows whose highest risk is ≥ t raise an alert: how a threshold is set to a load.
    """
    highest = np.zeros(n_rows, dtype=np.float64)
    np.maximum.at(highest, rows, p)
    return highest


def first_over(rows: Days, silences: Days, scores: Floats, threshold: float, n_rows: int) -> Days:
    """Return the silence of each row's first check that reaches the threshold, `NEVER` where none does.

    Those of a row are in their order, as `checks` returns them.
    """
    crossed = np.flatnonzero(scores >= threshold)[::-1]
    found = np.full(n_rows, NEVER, dtype=np.int64)
    # Of several checks of a row the last one written stands: in reverse, the first that crossed.
    found[rows[crossed]] = silences[crossed]
    return found


def checks(columns: Columns, floors: Days, from_u: Days, until_u: Days, policy: SilencePolicy) -> tuple[Days, Days]:
    """Return the checks of every silence in [from_u, until_u): rows and silences, those of a row in their order."""
    end = np.minimum(until_u, policy.lost_after_days)
    pending = np.flatnonzero((columns.n_gaps + 1 >= policy.min_purchases) & (floors < end))
    u = floors[pending].astype(np.int64)
    rows, silences = [pending[:0]], [u[:0]]
    while len(pending):
        due = u >= from_u[pending]
        rows.append(pending[due])
        silences.append(u[due])
        u = np.maximum(u + 1, u * 11 // 10)
        going_on = u < end[pending]
        pending, u = pending[going_on], u[going_on]
    return np.concatenate(rows), np.concatenate(silences)


def risks_at(columns: Columns, rows: Days, silences: Days, generation: Generation) -> Floats:
    """Return the risk of each row after the silence beside it, 0 where nothing may be alerted."""
    return np.where(may_alert(columns, generation)[rows], risk_of_rows(columns, rows, silences, generation), 0.0)
