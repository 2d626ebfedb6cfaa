"""Options left out follow the rhythm of the business, and nothing after the start."""

import random

import pytest

from services.churn_alerts.backtest.options import UnusableOptions, Wishes, choose
from services.churn_alerts.customer.history import CustomerDays
from services.churn_alerts.customer.model import PurchaseDay
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until


def every(gap_days: float, n_days: int, n_customers: int = 150) -> list[CustomerDays]:
    """Return customers who buy about every `gap_days` days and have joined by the middle of the log."""
    chance = random.Random(3)
    customers: list[CustomerDays] = []
    for number in range(n_customers):
        at = chance.uniform(-n_days / 2, n_days / 2)
        days = set()
        while at < n_days:
            days.add(FIRST_DAY + int(at))
            at += max(chance.gauss(gap_days, gap_days / 5), 1.0)
        customers.append((f"c{number:03}", [PurchaseDay(day) for day in sorted(days) if day >= FIRST_DAY], []))
    return customers


@pytest.mark.parametrize(
    ("gap_days", "n_days", "horizon", "lost_after", "min_purchases", "start"),
    [
        (2, 500, 14, 14, 3, 182),
        (5, 730, 28, 28, 3, 182),
        (14, 730, 60, 80, 2, 182),
        (30, 900, 90, 120, 2, 270),
        (91, 1_500, 180, 240, 2, 540),
        (365, 2_500, 365, 486, 2, 1_095),
        # Six years but for a day.
        (365, 2_190, 365, 486, 2, 1_095),
    ],
)
def test_the_horizon_follows_the_usual_gap(
    gap_days: float, n_days: int, horizon: int, lost_after: int, min_purchases: int, start: int
) -> None:
    options = choose(every(gap_days, n_days), Wishes())

    assert (options.horizon_days, options.policy.lost_after_days) == (horizon, lost_after)
    assert options.policy.min_purchases == min_purchases
    assert options.start_day == FIRST_DAY + start
    assert options.chosen == ("start", "horizon", "lost_after", "min_purchases")


@pytest.mark.parametrize("gap_days", [5, 30, 91, 365])
@pytest.mark.parametrize("start", [100, 400, 1_200])
def test_the_choice_looks_at_nothing_after_the_start(gap_days: float, start: int) -> None:
    customers = every(gap_days, 1_500)
    wishes = Wishes(start_day=FIRST_DAY + start)

    known = choose([*until(customers, FIRST_DAY + start), ("later", [PurchaseDay(FIRST_DAY + 1_499)], [])], wishes)

    assert known == choose(customers, wishes)


@pytest.mark.parametrize(
    ("gap_days", "n_days", "horizon", "start"),
    [(30, 373, 60, 182), (30, 320, 60, 151), (26, 240, 28, 155), (12, 200, 28, 115), (5, 92, 14, 35), (5, 62, 7, 19)],
)
def test_a_short_log_is_given_a_horizon_and_a_start_that_leave_silences_to_judge(
    gap_days: float, n_days: int, horizon: int, start: int
) -> None:
    options = choose(every(gap_days, n_days), Wishes())

    assert (options.horizon_days, options.start_day - FIRST_DAY) == (horizon, start)
    last_day = FIRST_DAY + n_days - 1
    assert last_day - options.start_day - options.policy.lost_after_days - horizon >= 28
    assert f"Horizon {horizon} days" in options.why[0].english


def test_a_shortened_horizon_says_what_the_gaps_ask_for() -> None:
    (horizon, start) = choose(every(30, 320), Wishes()).why

    assert "asks for 90, but 319 days of orders are too few" in horizon.english
    assert "本宜取 90 天" in horizon.chinese
    assert start.english == "Scoring starts after 151 days instead of 182, so that outcomes are left to judge by."


def test_a_horizon_shorter_than_the_usual_gap_is_not_taken() -> None:
    options = choose(every(40, 200), Wishes())

    assert options.horizon_days == 60
    assert "That takes orders of 288 days; these are of 199." in options.why[-1].english


def test_a_horizon_shorter_than_the_gap_is_told() -> None:
    options = choose(every(365, 1_400), Wishes())

    assert options.horizon_days == 180
    assert "leave no room for a longer one" in options.why[0].english


def test_a_wished_horizon_is_kept_and_scored_early_enough_to_be_judged() -> None:
    options = choose(every(30, 373), Wishes(horizon_days=90))

    assert (options.horizon_days, options.start_day) == (90, FIRST_DAY + 134)


def test_a_wished_start_that_leaves_nothing_to_judge_is_told_of_a_better_one() -> None:
    options = choose(every(30, 373), Wishes(start_day=FIRST_DAY + 270))

    assert (options.horizon_days, options.start_day) == (90, FIRST_DAY + 270)
    assert options.why[-1].english.startswith("Hardly anything is judged")
    assert "--start 2024-07-01 --horizon 60" in options.why[-1].english


@pytest.mark.parametrize("n_days", [373, 320, 240])
def test_what_is_chosen_looks_at_nothing_after_the_start_but_the_end(n_days: int) -> None:
    customers = every(30, n_days)
    options = choose(customers, Wishes())

    known = [*until(customers, options.start_day), ("last", [PurchaseDay(FIRST_DAY + n_days - 1)], [])]

    assert choose(known, Wishes()) == options


def test_a_log_of_customers_who_never_came_back_has_options() -> None:
    customers: list[CustomerDays] = [(f"c{day}", [PurchaseDay(FIRST_DAY + day)], []) for day in range(200)]

    assert "a guess" in choose(customers, Wishes()).why[0].english


def test_a_log_of_one_day_is_explained() -> None:
    with pytest.raises(UnusableOptions, match="all orders are of 2024-01-01"):
        choose([("a", [PurchaseDay(FIRST_DAY)], [])], Wishes())


def test_a_horizon_of_a_day_leaves_a_day_to_alert_in() -> None:
    assert choose(purchase_log(40, 200), Wishes(horizon_days=1)).policy.lost_after_days == 2
