"""How many customers were kept: periods, cohorts and the time to the second purchase. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from services.api.kpi.decide import ENOUGH
from services.api.kpi.model import (
    Age,
    Array,
    Bought,
    By,
    Cohort,
    Median,
    PeriodFigures,
    Repeat,
    SecondPurchase,
    Wait,
    Within,
)
from services.api.kpi.survival import kaplan_meier, median
from shared.interval import Estimate, wilson

MONTHS: dict[By, int] = {"month": 1, "quarter": 3, "year": 12}
_MILESTONES = (7, 14, 30, 60, 90, 120, 180, 270, 365, 540, 730)
# The number of the first period that is shown; the one before it is needed to say who of it was kept.
SHOWN = 2


class Span(NamedTuple):
    """Periods in a row, by their first local days; the last one still lasts."""

    days: list[date]
    today: date
    zone: ZoneInfo

    @property
    def starts(self) -> list[datetime]:
        """The instants at which periods 1, 2, … begin."""
        return [datetime.combine(day, time(), self.zone) for day in self.days]


def span(by: By, n_complete: int, as_of: datetime, zone: ZoneInfo) -> Span:
    """Return the period before the shown ones, `n_complete` complete ones and the present one."""
    today = as_of.astimezone(zone).date()
    length = MONTHS[by]
    newest = (today.year * 12 + today.month - 1) // length * length
    months = range(newest - (n_complete + 1) * length, newest + 1, length)
    return Span([date(month // 12, month % 12 + 1, 1) for month in months], today, zone)


def period_figures(bought: Sequence[Bought], days: Sequence[date]) -> list[PeriodFigures]:
    """Return who was new, kept and back in each shown period."""
    figures = []
    for number in range(SHOWN, len(days) + 1):
        active = [one for one in bought if one.number == number]
        n_active = sum(one.n for one in active)
        n_new = sum(one.n for one in active if one.first == number)
        n_kept = sum(one.n for one in active if one.was_before)
        n_before = sum(one.n for one in bought if one.number == number - 1)
        is_complete = number < len(days)
        figures.append(
            PeriodFigures(
                period=days[number - 1],
                is_complete=is_complete,
                n_active=n_active,
                n_new=n_new,
                n_back=n_active - n_new - n_kept,
                n_kept=n_kept,
                n_before=n_before,
                kept=_share(n_kept, n_before) if is_complete else None,
            )
        )
    return figures


def cohorts(bought: Sequence[Bought], days: Sequence[date]) -> list[Cohort]:
    """Return the cohorts of the shown periods, those without anybody left out."""
    found = []
    for first in range(SHOWN, len(days) + 1):
        members = [one for one in bought if one.first == first]
        if n := sum(one.n for one in members if one.number == first):
            ages = [
                _age(
                    number - first,
                    n,
                    sum(one.n for one in members if one.number == number),
                    is_complete=number < len(days),
                )
                for number in range(first + 1, len(days) + 1)
            ]
            found.append(Cohort(period=days[first - 1], is_complete=first < len(days), n=n, ages=ages))
    return found


def by_age(found: Iterable[Cohort]) -> list[Age]:
    """Return the cohorts together at each age, of those that have been through it."""
    over = [age for cohort in found for age in cohort.ages if age.is_complete]
    together = []
    for age in sorted({one.age for one in over}):
        alike = [one for one in over if one.age == age]
        together.append(_age(age, sum(one.n for one in alike), sum(one.n_active for one in alike), is_complete=True))
    return together


def repeat(waits: Iterable[Wait], horizon_days: int) -> Repeat:
    """Return who bought again within the horizon, of those whose horizon is over."""
    waits = list(waits)
    n = sum(wait.n for wait in waits if wait.is_over)
    n_bought = sum(wait.n for wait in waits if wait.is_over and wait.has_bought and wait.days <= horizon_days)
    n_waiting = sum(wait.n for wait in waits if not wait.is_over)
    return Repeat(n=n, n_bought=n_bought, n_waiting=n_waiting, share=_share(n_bought, n))


def second_purchase(waits: Iterable[Wait]) -> SecondPurchase:
    """Return the time to the second purchase, as far as it is known of at least 30 customers whether they had made it.

    Were it of those still waiting for it, a small shop would be told only where few had bought.
    """
    waits = list(waits)
    days = np.array([wait.days for wait in waits], np.int64)
    has_bought = np.array([wait.has_bought for wait in waits], np.bool_)
    n = np.array([wait.n for wait in waits], np.int64)
    curve = kaplan_meier(days, has_bought, n)
    curve = curve.first(int((_n_known(days, has_bought, n, curve.time) >= ENOUGH).sum()))
    half, low, high = median(curve)
    within = []
    known = _n_known(days, has_bought, n, np.array(_MILESTONES))
    for milestone, n_known in zip(_MILESTONES, known.tolist(), strict=True):
        bought = curve.happened_by(milestone)
        if bought is not None and n_known >= ENOUGH:
            within.append(Within(days=milestone, n_known=n_known, bought=bought))
    return SecondPurchase(
        n=int(n.sum()),
        n_bought=sum(wait.n for wait in waits if wait.has_bought),
        median=None if half is None else Median(days=half, low=low, high=high),
        within=within,
    )


def _n_known(days: Array, has_bought: Array, n: Array, by: Array) -> Array:
    """Return of how many it is known whether they had bought again by each of some days; the later, the fewer."""
    is_lost = ~has_bought & (days < by[:, None])
    found: Array = n.sum() - (is_lost * n).sum(axis=1)
    return found


def _age(age: int, n: int, n_active: int, *, is_complete: bool) -> Age:
    active = _share(n_active, n) if is_complete else None
    return Age(age=age, is_complete=is_complete, n=n, n_active=n_active, active=active)


def _share(n_hits: int, n: int) -> Estimate | None:
    return wilson(n_hits, n) if n >= ENOUGH else None
