"""How much more or less often all customers came back lately than before, and what the risk makes of it.

A season, a closure or a campaign moves all customers at once; outcomes tell of it a horizon late, returns at once.
"""

import numpy as np

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.model import refit_days

PERIOD_DAYS = 28
"""Four weeks: whole weeks, and enough purchases to count in all but the smallest companies."""

SHARE = 0.5
"""Of a change of returns, in logarithms, this much is taken to last: what it does to the log-odds of the risk."""

YEAR_DAYS = 365
"""Within a horizon of a year all seasons come by, so that the last four weeks say nothing of it."""

FEWEST_RETURNS = 20.0
"""Added to what was seen and to what was expected: the change counts half where so many were expected."""

HALF_LIFE_DAYS = 90.0
MOST_CHANGE = 1.0
"""Chosen on other logs than the one judged (docs/churn.md, level)."""


def level(history: History, until_day: int, policy: SilencePolicy) -> float:
    """Return what is added to the log-odds of every risk for the returns of the last four weeks; up to `until_day`.

    The four weeks are held against those before them, the newer the more, back to where a refit reads.
    """
    share = SHARE * max(1.0 - history.horizon_days / YEAR_DAYS, 0.0)
    first_day = int(history.day.min()) if len(history.day) else until_day
    seen, expected = returns(
        history, policy, max(until_day - refit_days(history.horizon_days), first_day - 1), until_day
    )
    if len(seen) < 2:
        return 0.0
    changes: list[float] = np.log((seen + FEWEST_RETURNS) / (expected + FEWEST_RETURNS)).tolist()
    weights: list[float] = [0.5 ** (PERIOD_DAYS * age / HALF_LIFE_DAYS) for age in range(len(changes) - 1)]
    usual: float = sum(weight * change for weight, change in zip(weights, changes[1:], strict=True)) / sum(weights)
    return -share * min(max(changes[0] - usual, -MOST_CHANGE), MOST_CHANGE)


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
