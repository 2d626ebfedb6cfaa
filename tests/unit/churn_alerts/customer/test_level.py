"""The risk follows what all customers did in the newest weeks and in the seasons remembered, and nothing later."""

from itertools import pairwise
from math import cos, pi

import numpy as np
import pytest
from msgspec.structs import replace

from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import fit, is_publishable
from services.churn_alerts.customer.generation import Generation, Returned, prior_for
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.churn_alerts.customer.level import KEPT_PERIODS, kept, returned, returns, with_level
from services.churn_alerts.customer.score import risk
from tests.factories.purchase_log import FIRST_DAY, closed, purchase_log, until

POLICY = SilencePolicy(min_purchases=2, lost_after_days=42, window_days=21)
NOW = FIRST_DAY + 240
LOG = purchase_log(500, 400)


def fitted(seen: Returned, horizon_days: float = 28.0) -> Generation:
    return replace(prior_for(horizon_days), origin="own", returned=seen)


def level(history: History, day: int) -> float:
    return with_level(fitted(returned(history, day, POLICY), history.horizon_days), None).level


def level_of(customers: list[CustomerDays], horizon_days: float = 28.0) -> float:
    return level(history_of(customers, horizon_days), NOW)


def last_of(changes: list[float], n_seen: int = 7) -> Generation:
    """Return the last generation of a company whose four weeks changed so, each fit having seen the newest of them."""
    running: Generation | None = None
    ends = [NOW + 28 * index for index in range(len(changes))]
    for until_period in range(n_seen, len(changes) + 1):
        seen = list(zip(ends, changes, strict=True))[until_period - n_seen : until_period]
        # Each fit measures from another zero.
        running = with_level(fitted(tuple((end, change - 0.01 * until_period) for end, change in seen)), running)
    assert running is not None
    return running


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
    assert level(history_of(until(LOG, FIRST_DAY + 40), 28.0), FIRST_DAY + 40) == 0.0
    assert level(history_of([], 28.0), NOW) == 0.0


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

    assert generation.level == pytest.approx(level(shut, NOW), abs=1e-9)
    assert (risk(columns, silence, generation) >= without).all()
    odds = np.log(without / (1 - without)) + generation.level
    assert risk(columns, silence, generation) == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-5)


def test_the_guard_judges_without_the_levels() -> None:
    past = history_of(LOG, 28.0)
    running = fit(past, NOW, NOW, POLICY, 1)

    assert is_publishable(replace(running, level=3.0), running, past, NOW, NOW, POLICY)


def season(n_periods: int) -> list[float]:
    """Return a year's rise and fall, as often as it fits: quiet at first, most returns half a year later."""
    return [-0.4 * cos(2 * pi * index / 13) for index in range(n_periods)]


def test_before_the_quiet_season_comes_again_the_risk_rises() -> None:
    # Three periods into the fall of the third year: what the newest weeks tell is half of it.
    known, unknown = last_of(season(37)), last_of(season(37)[-7:])

    assert unknown.level > 0.1
    assert known.level > unknown.level + 0.2


def test_the_first_time_half_of_a_year_ago_is_expected() -> None:
    once = [0.0] * 5 + [-0.6, -0.6] + [0.0] * 11

    assert last_of(once).level == pytest.approx(0.5 * 0.6 * (1 - 28 / 365), abs=0.05)


def test_what_did_not_come_again_is_not_expected_again() -> None:
    never_again = [0.0] * 4 + [-0.6, -0.6] + [0.0] * 24
    comes_again = ([0.0] * 4 + [-0.6, -0.6] + [0.0] * 7) * 2 + [0.0] * 4

    assert abs(last_of(never_again).level) < 0.03
    assert last_of(comes_again).level > 0.4


def test_a_season_that_came_is_no_change_that_lasts() -> None:
    peak = ([0.0] * 5 + [0.6] + [0.0] * 7) * 2 + [0.0] * 5 + [0.6]

    assert last_of(peak[-7:]).level < -0.2
    assert last_of(peak).level == pytest.approx(0.0, abs=0.06)


def test_three_years_are_handed_on_and_no_more() -> None:
    changes = season(60)
    memory = last_of(changes).returned

    assert [end for end, _ in memory] == [NOW + 28 * index for index in range(60 - KEPT_PERIODS, 60)]
    assert np.diff([change for _, change in memory]) == pytest.approx(np.diff(changes[-KEPT_PERIODS:]), abs=1e-6)


def test_refits_that_come_late_hand_on_each_four_weeks_once() -> None:
    before = fitted(tuple((NOW + 28 * index, 0.1 * index) for index in range(6)))
    late = tuple((NOW + 28 * index + 3, 0.1 * index) for index in range(1, 7))

    memory = with_level(fitted(late), before).returned

    assert [end - NOW for end, _ in memory] == [0, 28, 56, 84, 112, 140, 171]
    assert memory[-1][1] == pytest.approx(0.6)


def test_a_prior_has_no_level_but_remembers() -> None:
    seen = returned(history_of(closed(LOG, NOW - 13, NOW), 28.0), NOW, POLICY)

    prior = with_level(replace(prior_for(28.0), returned=seen), None)

    assert prior.level == 0.0 and prior.returned == seen


def test_what_the_guard_keeps_has_the_newest_level_and_memory() -> None:
    running, candidate = last_of(season(30)), last_of(season(31))

    still = kept(running, replace(candidate, version=9, intercept=2.0))

    assert (still.version, still.level, still.returned) == (9, candidate.level, candidate.returned)
    assert still.intercept == running.intercept
