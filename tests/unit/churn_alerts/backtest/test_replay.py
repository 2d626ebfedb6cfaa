"""The replay decides as live does: the same bits as the states that live keeps, one alert a silence, none too early."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from services.churn_alerts.backtest.options import Options, Wishes, choose
from services.churn_alerts.backtest.replay import Replay, published, replay
from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.due import floor_days, in_force_at
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.score import risk
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

LAST_DAY = FIRST_DAY + 299


@cache
def replayed() -> tuple[list[CustomerDays], Options, History, Replay]:
    customers = purchase_log(150, 300, return_ratio=0.1)
    options = choose(customers, Wishes(start_day=FIRST_DAY + 200, horizon_days=28, lost_after_days=42, min_purchases=2))
    history = history_of(customers, 28.0)
    return customers, options, history, replay(history, options, LAST_DAY)


def live_state(customer: CustomerDays, until_day: int) -> Purchases:
    state = no_purchases(28)
    _, purchases, returns = customer
    for entry in purchases:
        if entry.day <= until_day:
            state = observe(state, entry.day, (entry.cents or 0) / 100)
    for day in returns:
        if day <= until_day:
            state = observe_return(state, day)
    return state


def test_checkpoint_scores_are_the_bits_of_the_live_states() -> None:
    customers, _, history, result = replayed()
    scored = result.scored

    for index in range(0, len(scored.row), 41):
        day = int(scored.day[index])
        columns = Columns.from_states([live_state(customers[history.customer[scored.row[index]]], day)])
        generation = in_force_at(result.schedule, day).generation
        assert risk(columns, day - columns.last_day, generation)[0] == scored.p[index]


def test_generations_go_on_from_each_other_and_from_nothing_later() -> None:
    customers = purchase_log(150, 600, seed=5)
    cut = FIRST_DAY + 560
    options = choose(customers, Wishes(FIRST_DAY + 200, 28, 42, 2))

    whole = published(history_of(customers, 28.0), options, FIRST_DAY + 599)
    before = published(history_of(until(customers, cut), 28.0), options, cut)

    assert len(before) > 12 and before == whole[: len(before)]
    remembered = [dict(entry.generation.returned) for entry in whole]
    assert all(earlier.items() <= later.items() for earlier, later in pairwise(remembered))
    assert len(remembered[-1]) == len(remembered[0]) + len(whole) - 1


def test_fits_side_by_side_publish_what_fits_one_after_the_other_do() -> None:
    _, options, history, result = replayed()

    side_by_side = published(history, options, LAST_DAY, large_rows=0)

    assert len(side_by_side) > 1
    assert side_by_side == result.schedule


def test_a_silence_is_alerted_at_most_once_and_not_before_its_floor() -> None:
    _, options, history, result = replayed()
    alerts = result.alerts
    columns = history.columns.take(alerts.row)

    floors = [
        floor_days(columns.take(np.array([i])), in_force_at(result.schedule, int(day) - 1).generation, options.policy)[
            0
        ]
        for i, day in enumerate(columns.last_day)
    ]

    silences = set(zip(history.customer[alerts.row].tolist(), columns.last_day.tolist(), strict=True))
    assert len(alerts.row) > 20
    assert len(silences) == len(alerts.row)
    assert (alerts.silence_days >= np.array(floors)).all()


def test_alerts_reach_the_threshold_in_force_and_come_before_the_return() -> None:
    _, options, history, result = replayed()

    for day, row, silence, p in zip(
        result.alerts.day, result.alerts.row, result.alerts.silence_days, result.alerts.p, strict=True
    ):
        assert p >= in_force_at(result.schedule, int(day)).threshold
        assert day < history.next_purchase_day[row]
        assert options.start_day <= day and silence < options.policy.lost_after_days


@pytest.mark.slow
def test_a_refit_from_the_same_orders_gives_the_same_generations() -> None:
    customers, options, _, result = replayed()

    again = replay(history_of(customers, 28.0), options, LAST_DAY)

    assert [entry.generation for entry in again.schedule] == [entry.generation for entry in result.schedule]


@pytest.mark.slow
def test_a_capacity_sets_the_number_of_alerts() -> None:
    customers, options, history, _ = replayed()
    wishes = Wishes(options.start_day, 28, 42, 2, alerts_per_day=0.3)

    few = replay(history, choose(customers, wishes), LAST_DAY)

    assert 0.1 <= len(few.alerts.row) / (LAST_DAY - options.start_day + 1) <= 0.5


def test_options_left_out_are_chosen_and_named() -> None:
    customers, *_ = replayed()

    options = choose(customers, Wishes())

    assert options.chosen == ("start", "horizon", "lost_after", "min_purchases")
    assert options.policy.window_days == options.policy.lost_after_days // 2
    assert options.start_day == FIRST_DAY + 182
