"""The risk follows what all customers did in the newest weeks, and nothing later."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace

from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import fit, is_publishable
from services.churn_alerts.customer.history import CustomerDays, history_of
from services.churn_alerts.customer.level import level, returns
from services.churn_alerts.customer.score import risk
from tests.factories.purchase_log import FIRST_DAY, closed, purchase_log, until

POLICY = SilencePolicy(min_purchases=2, lost_after_days=42, window_days=21)
NOW = FIRST_DAY + 240
LOG = purchase_log(500, 400)


def level_of(customers: list[CustomerDays], horizon_days: float = 28.0) -> float:
    return level(history_of(customers, horizon_days), NOW, POLICY)


def test_usual_weeks_move_the_risk_little() -> None:
    assert abs(level_of(LOG)) < 0.06


def test_fewer_returns_of_all_raise_the_risk_and_more_lower_it() -> None:
    shut = closed(LOG, NOW - 13, NOW)
    reopened = closed(LOG, NOW - 55, NOW - 28)

    assert level_of(shut) > 0.15
    assert level_of(reopened) < -0.15


def test_what_comes_after_is_not_looked_at() -> None:
    assert level_of(until(LOG, NOW)) == level_of(LOG) == level_of(closed(LOG, NOW + 1, NOW + 60))


def test_a_horizon_of_a_year_holds_every_season() -> None:
    assert level_of(closed(LOG, NOW - 13, NOW), 365.0) == 0.0


def test_a_few_days_and_nobody_tell_nothing() -> None:
    assert level(history_of(until(LOG, FIRST_DAY + 40), 28.0), FIRST_DAY + 40, POLICY) == 0.0
    assert level(history_of([], 28.0), NOW, POLICY) == 0.0


def test_returns_are_held_against_those_after_equal_silences() -> None:
    seen, expected = returns(history_of(LOG, 28.0), POLICY, FIRST_DAY - 1, NOW)

    assert len(seen) == 8
    assert seen[0] == sum(
        day.day - before.day <= 42
        for _, days, _ in LOG
        for n, (before, day) in enumerate(pairwise(days), start=1)
        if n >= 2 and NOW - 28 < day.day <= NOW
    )
    # The other periods are what the expectation was learnt from.
    assert seen[1:].sum() == pytest.approx(expected[1:].sum(), rel=0.02)


def test_a_fit_carries_the_level_into_every_risk() -> None:
    shut = history_of(closed(LOG, NOW - 13, NOW), 28.0)
    generation = fit(shut, NOW, NOW, POLICY, 1)
    columns = shut.columns.take(shut.as_of(NOW))
    silence = NOW - columns.last_day

    without = risk(columns, silence, replace(generation, level=0.0))

    assert generation.level == pytest.approx(level(shut, NOW, POLICY), abs=1e-9)
    assert (risk(columns, silence, generation) >= without).all()
    odds = np.log(without / (1 - without)) + generation.level
    assert risk(columns, silence, generation) == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-5)


def test_the_guard_judges_without_the_levels() -> None:
    past = history_of(LOG, 28.0)
    running = fit(past, NOW, NOW, POLICY, 1)

    assert is_publishable(replace(running, level=3.0), running, past, NOW, NOW, POLICY)
