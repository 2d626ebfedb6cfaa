"""The constant-size state: what it holds, how late purchases and merges enter it, and how big it gets."""

from math import exp, log, log1p

import msgspec
import pytest

from services.churn_alerts.customer.model import Purchases, recent_days
from services.churn_alerts.customer.purchases import (
    mean_log_gap,
    mean_recent_log_amount,
    merge,
    no_purchases,
    observe,
    observe_return,
    returns_until,
    statistics,
)


def bought(*days: int, amount: float | None = 10.0) -> Purchases:
    state = no_purchases(30)
    for day in days:
        state = observe(state, 20_000 + day, amount)
    return state


def test_the_statistics_are_those_of_the_gaps() -> None:
    run = statistics(bought(0, 10, 30))

    assert run is not None
    assert (run.n_days, run.first_day, run.last_day) == (3, 20_000, 20_030)
    assert run.sum_log_gap == pytest.approx(log(10) + log(20))
    assert run.sum_log_gap_squared == pytest.approx(log(10) ** 2 + log(20) ** 2)
    assert mean_log_gap(run) == pytest.approx(0.7 * log(10) + 0.3 * log(20))
    assert run.decayed_middle == pytest.approx((exp(-10 / 30) + 1) * exp(-20 / 30) + 1)
    assert run.decayed_short == pytest.approx((exp(-1) + 1) * exp(-2) + 1)


def test_two_baskets_of_a_day_are_one_purchase_day() -> None:
    run = statistics(observe(observe(bought(0), 20_007, 5.0), 20_007, 15.0))

    assert run is not None
    assert run.n_days == 2
    assert mean_recent_log_amount(run) == pytest.approx(0.7 * log1p(10) + 0.3 * log1p(20))
    assert run.sum_cents == 3000


def test_purchases_without_amounts_leave_the_amount_averages_alone() -> None:
    run = statistics(observe(bought(0, 5), 20_009, None))

    assert run is not None
    assert (run.n_days, run.n_amounts) == (3, 2)


def test_a_late_purchase_inside_ninety_days_gives_the_state_of_the_right_order() -> None:
    assert bought(0, 100, 150, 120) == bought(0, 100, 120, 150)


def test_history_imported_newest_first_gives_the_same_statistics() -> None:
    newest_first = statistics(bought(900, 700, 400, 250, 0))
    oldest_first = statistics(bought(0, 250, 400, 700, 900))

    assert newest_first is not None and oldest_first is not None
    assert msgspec.structs.astuple(newest_first) == pytest.approx(msgspec.structs.astuple(oldest_first))


def test_a_repetition_of_folded_history_changes_nothing() -> None:
    state = bought(0, 250, 400, 700)

    assert observe(state, 20_250, 10.0) == state


def test_returns_decay_and_later_ones_do_not_count_yet() -> None:
    state = observe_return(observe_return(bought(0), 20_000), 20_050)

    assert returns_until(state, 20_030) == pytest.approx(exp(-1))
    assert returns_until(state, 20_050) == pytest.approx(1 + exp(-50 / 30))


def test_merging_recent_histories_equals_one_history() -> None:
    assert merge(bought(0, 20, 60), bought(10, 20)) == observe(bought(0, 10, 20, 60), 20_020, 10.0)


def test_merging_histories_that_follow_each_other_is_exact() -> None:
    merged = statistics(merge(bought(0, 30, 200, 210), bought(500, 520, 700)))
    whole = statistics(bought(0, 30, 200, 210, 500, 520, 700))

    assert merged is not None and whole is not None
    assert msgspec.structs.astuple(merged) == pytest.approx(msgspec.structs.astuple(whole))


def test_merging_overlapping_folded_histories_keeps_counts_and_ends() -> None:
    merged = statistics(merge(bought(0, 100, 300, 700), bought(50, 200, 400, 690)))

    assert merged is not None
    assert (merged.n_days, merged.first_day, merged.last_day) == (8, 20_000, 20_700)


def test_a_merge_needs_one_horizon() -> None:
    with pytest.raises(ValueError, match="one horizon"):
        merge(no_purchases(30), no_purchases(60))


def test_years_of_daily_purchases_stay_bounded() -> None:
    state = bought(*range(1_000))

    assert len(state.recent) == recent_days(30) + 1


def test_a_typical_state_is_under_a_kilobyte_of_json_and_round_trips() -> None:
    state = observe_return(bought(*range(0, 700, 9), amount=123.45), 20_680)

    raw = msgspec.json.encode(state)

    assert len(raw) < 1024
    assert msgspec.json.decode(raw, type=Purchases) == state
