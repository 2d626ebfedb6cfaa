"""The ladder of checks and the first crossing: no alert before the floor, none at or after lost, the same in pieces."""

import numpy as np

from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.due import (
    NEVER,
    InForce,
    SilencePolicy,
    first_check_from,
    first_crossing,
    floor_days,
    in_force_at,
    judge,
    next_check,
)
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe

POLICY = SilencePolicy(min_purchases=2, lost_after_days=120, window_days=60)
PRIOR_90 = prior_for(90)


def with_gaps(*gaps: int) -> Purchases:
    day = 20_000
    state = observe(no_purchases(90), day)
    for gap in gaps:
        day += gap
        state = observe(state, day)
    return state


COLUMNS = Columns.from_states([with_gaps(7, 7, 7), with_gaps(80, 90), with_gaps(), with_gaps(1, 2, 1, 2, 1)])
FLOORS = floor_days(COLUMNS, PRIOR_90, POLICY)


def crossing(from_u: int, until_u: int, threshold: float) -> list[int]:
    n = len(COLUMNS)
    schedule = [InForce(0, PRIOR_90, threshold)]
    found = first_crossing(COLUMNS, FLOORS, np.full(n, from_u), np.full(n, until_u), schedule, POLICY)
    return [int(u) for u in found.silence_days]


def test_the_floor_is_a_quarter_window_or_half_the_own_gap() -> None:
    assert FLOORS[0] == 15
    assert 20 <= FLOORS[1] <= 45


def test_checks_come_daily_at_first_and_a_tenth_later_each_time_in_the_end() -> None:
    assert [next_check(u) for u in (1, 9, 19, 20, 100)] == [2, 10, 20, 22, 110]
    assert first_check_from(15, 23) == 24


def test_a_check_alerts_at_the_threshold_and_gives_up_on_the_lost() -> None:
    assert judge(0.5, 30, 0.5, POLICY) == "alert"
    assert judge(0.499999, 30, 0.5, POLICY) == "wait"
    assert judge(0.9, 120, 0.5, POLICY) == "lost"


def test_no_alert_comes_before_the_floor() -> None:
    assert crossing(0, 1_000, threshold=0.0) == [FLOORS[0], FLOORS[1], NEVER, FLOORS[3]]


def test_no_alert_comes_without_the_threshold_or_after_lost() -> None:
    assert crossing(0, 1_000, threshold=1.0) == [NEVER] * 4
    assert crossing(120, 1_000, threshold=0.0) == [NEVER] * 4


def test_a_purchase_on_the_day_of_a_check_ends_the_silence_first() -> None:
    assert crossing(0, 15, threshold=0.0)[0] == NEVER
    assert crossing(0, 16, threshold=0.0)[0] == 15


def test_a_silence_in_pieces_crosses_where_the_whole_does() -> None:
    whole = crossing(0, 120, threshold=0.8)

    first, second = crossing(0, 40, threshold=0.8), crossing(40, 120, threshold=0.8)

    assert [one if one != NEVER else two for one, two in zip(first, second, strict=True)] == whole
    assert any(u != NEVER for u in whole)


def test_each_check_uses_what_is_in_force_that_day() -> None:
    strict, lax = InForce(0, PRIOR_90, 1.0), InForce(20_021 + 40, PRIOR_90, 0.0)
    n = len(COLUMNS)

    found = first_crossing(COLUMNS, FLOORS, np.zeros(n, int), np.full(n, 999), [strict, lax], POLICY)

    assert found.silence_days[0] == first_check_from(15, 40)
    assert in_force_at([strict, lax], 20_060) is strict
    assert in_force_at([strict, lax], 20_061) is lax
