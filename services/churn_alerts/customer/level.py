"""How much more or less often all customers came back lately than before, and what the risk makes of it.

A season, a closure or a campaign moves all customers at once. Outcomes tell of it a horizon late, returns at once, and
the returns of a year ago tell what may come next. A refit sees less than a year, so each generation hands on to the
next what it and those before it saw (`Generation.returned`).
"""

import numpy as np
from msgspec.structs import replace

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.generation import DIGITS, Generation, Returned
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.model import refit_days

PERIOD_DAYS = 28
"""Four weeks: whole weeks, and enough purchases to count in all but the smallest companies."""

SHARE = 0.5
"""Of a change of returns, in logarithms, this much is taken to last: what it does to the log-odds of the risk. And this
much of what a year ago changed is taken to come again, before two years could be compared."""

YEAR_DAYS = 365
"""Within a horizon of a year all seasons come by: the last four weeks say nothing of it, nor do those of a year ago."""

SEASON_DAYS = 364
"""The same weeks of the year before: thirteen periods, so that refits every four weeks look at the same ones."""

FEWEST_RETURNS = 20.0
"""Added to what was seen and to what was expected: the change counts half where so many were expected."""

HALF_LIFE_DAYS = 90.0
MOST_CHANGE = 1.0
"""Chosen on other logs than the one judged (docs/churn.md, level)."""

FIRST_OPINION = 0.05
"""Squared changes of a year ago that outweigh the first opinion of their worth: those of one change by a fifth."""

FEWEST_PERIODS = 3
LEAST_KNOWN = 0.7
"""What a year ago changed is told from so many periods before it, and from this much of the horizon after it."""

KEPT_PERIODS = 40
"""Three years: two pairs of years tell a season from chance."""


def returned(history: History, until_day: int, policy: SilencePolicy) -> Returned:
    """Return how all customers came back in each four weeks from where a refit reads up to `until_day`, oldest first.

    Of each, its last day and the logarithm of the purchases that ended a silence by those that were expected.
    """
    first_day = int(history.day.min()) if len(history.day) else until_day
    since_day = max(until_day - refit_days(history.horizon_days), first_day - 1)
    seen, expected = returns(history, policy, since_day, until_day)
    changes: list[float] = np.log((seen + FEWEST_RETURNS) / (expected + FEWEST_RETURNS)).tolist()
    ends = [until_day - PERIOD_DAYS * age for age in range(len(changes))]
    return tuple((end, round(change, DIGITS)) for end, change in zip(ends, changes, strict=True))[::-1]


def with_level(fitted: Generation, before: Generation | None) -> Generation:
    """Return what was just fitted with what it adds to the log-odds of its risks, and with what it hands on.

    It goes on with the memory of the generation `before` it. Of the change of the newest four weeks, against those
    before them, half is taken to last. Where the same weeks of the year before are remembered, what they lead one to
    expect is told apart from it first, and what came after them is expected to come again: as much of it as, in the
    past, came again.
    """
    known = dict(fitted.returned) if before is None else _joined(fitted.returned, before.returned)
    level = 0.0
    if fitted.origin == "own" and len(fitted.returned) > 1:
        n_usual = refit_days(fitted.horizon_days) // PERIOD_DAYS - 1
        today, _ = fitted.returned[-1]
        change = _Memory(dict(fitted.returned), n_usual).change(today, fewest=1) or 0.0
        expected = _Memory(known, n_usual).expected(today, change, fitted.horizon_days)
        level = -min(max(expected, -MOST_CHANGE), MOST_CHANGE)
    return replace(fitted, returned=tuple(sorted(known.items()))[-KEPT_PERIODS:], level=round(level, DIGITS))


def kept(running: Generation, candidate: Generation) -> Generation:
    """Return what is running instead of the candidate, under its version and with its level and memory."""
    return replace(running, version=candidate.version, level=candidate.level, returned=candidate.returned)


def _joined(newest: Returned, before: Returned) -> dict[int, float]:
    """Return both as one series. Each refit measures by its own expectations: the periods that both saw tell by how
    much the newer ones differ.
    """
    known = dict(before)
    memory = _Memory(known, 0)
    shifts = [old - change for end, change in newest if (old := memory.at(end)) is not None]
    shift = sum(shifts) / len(shifts) if shifts else 0.0
    added = {end: round(change + shift, DIGITS) for end, change in newest if memory.at(end) is None}
    return known | added


class _Memory:
    """Changes of returns by the last day of their four weeks, each against its usual ones: those before it."""

    def __init__(self, known: dict[int, float], n_usual: int) -> None:
        self._known = known
        self._n_usual = n_usual

    def at(self, day: int) -> float | None:
        """Return what is known of the four weeks that end nearest to `day`."""
        if day in self._known:
            return self._known[day]
        end = min(self._known, key=lambda end: (abs(end - day), end), default=None)
        return None if end is None or abs(end - day) >= PERIOD_DAYS // 2 else self._known[end]

    def usual(self, day: int, fewest: int = FEWEST_PERIODS) -> float | None:
        """Return the mean of the periods before the one that ends at `day`; None of too few."""
        total = weights = 0.0
        n_found = 0
        for age in range(self._n_usual):
            found = self.at(day - PERIOD_DAYS * (age + 1))
            if found is not None:
                weight: float = 0.5 ** (PERIOD_DAYS * age / HALF_LIFE_DAYS)
                total += weight * found
                weights += weight
                n_found += 1
        return total / weights if n_found >= fewest else None

    def change(self, day: int, fewest: int = FEWEST_PERIODS) -> float | None:
        found, usual = self.at(day), self.usual(day, fewest)
        return None if found is None or usual is None else found - usual

    def expected(self, today: int, change: float, horizon_days: float) -> float:
        """Return the change that the coming horizon is expected to bring, after a `change` until `today`."""
        then = today - SEASON_DAYS
        of_year = min(horizon_days / YEAR_DAYS, 1.0)
        lasts = SHARE * (1.0 - of_year)
        usual, came = self.usual(then), self._came_after(then, horizon_days)
        if usual is None or came is None:
            return lasts * change
        worth = self._worth_of_a_year_ago()
        # In the mean of a horizon a year's wave is flatter, to a second order, but not what comes by chance.
        comes_again = worth * (1.0 - of_year**2)
        return comes_again * (came - usual) + lasts * (change - worth * (self.change(then) or 0.0))

    def _came_after(self, day: int, horizon_days: float) -> float | None:
        """Return the mean of what is known of the days that the checks of a generation of that day looked ahead to."""
        ahead = PERIOD_DAYS + horizon_days
        total = days = 0.0
        for end in range(day + PERIOD_DAYS, day + int(ahead) + PERIOD_DAYS, PERIOD_DAYS):
            found = self.at(end)
            if found is not None:
                overlap = min(float(end - day), ahead) - (end - PERIOD_DAYS - day)
                total += overlap * found
                days += overlap
        return total / days if days >= LEAST_KNOWN * ahead else None

    def _worth_of_a_year_ago(self) -> float:
        """Return how much of the changes of one year came again a year later, between nothing and all of it."""
        pairs = [(self.change(end - SEASON_DAYS), self.change(end)) for end in self._known]
        known = [(then, now) for then, now in pairs if then is not None and now is not None]
        again = sum(then * now for then, now in known) + FIRST_OPINION * SHARE
        return min(max(again / (sum(then * then for then, _ in known) + FIRST_OPINION), 0.0), 1.0)


def returns(history: History, policy: SilencePolicy, since_day: int, last_day: int) -> tuple[Floats, Floats]:
    """Return how many purchases ended a silence in each four weeks back from `last_day`, and how many were expected.

    Newest first. Silences are those that began after `since_day`. Expected is what silences of equal length brought on
    a day, before the newest four weeks.
    """
    rows = np.flatnonzero(
        history.is_purchase
        & (history.columns.n_gaps + 1 >= policy.min_purchases)
        & (history.day > since_day)
        & (history.day <= last_day)
    )
    day, next_day, until = history.day[rows], history.next_purchase_day[rows], policy.lost_after_days
    is_back = next_day - day <= until
    ends = list(range(last_day, since_day + PERIOD_DAYS - 1, -PERIOD_DAYS))
    newest = last_day - PERIOD_DAYS
    is_past = day <= newest
    ended = np.minimum(np.minimum(next_day, newest) - day, until)[is_past]
    n_back = np.bincount(ended[(is_back & (next_day <= newest))[is_past]], minlength=until + 1)
    at_risk = len(ended) - np.concatenate([[0], np.cumsum(np.bincount(ended, minlength=until + 1))[:-1]])
    chance_by = np.cumsum(n_back / np.maximum(at_risk, 1))
    seen, expected = np.zeros(len(ends)), np.zeros(len(ends))
    for index, end in enumerate(ends):
        begin = end - PERIOD_DAYS
        before, after = (np.clip(np.minimum(next_day, at) - day, 0, until) for at in (begin, end))
        expected[index] = float((chance_by[after] - chance_by[before]).sum())
        seen[index] = int(np.count_nonzero(is_back & (next_day > begin) & (next_day <= end)))
    return seen, expected
