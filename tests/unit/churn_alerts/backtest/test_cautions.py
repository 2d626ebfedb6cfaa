"""A report says so itself when a log gives little reason to trust its risks, or more than the plain rule."""

from collections import Counter

import numpy as np
import pytest

from services.churn_alerts.backtest.caution import Caution, Judged, cautions, several_currencies, unusual_end
from services.churn_alerts.backtest.measure import AlertQuality, Ranking, Rule
from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.orders import Orders
from services.churn_alerts.backtest.replay import replay
from services.churn_alerts.backtest.summary import summarise
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.history import CustomerDays, history_of
from tests.factories.purchase_log import FIRST_DAY, closed, purchase_log, until

NOTHING = Judged(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
POLICY = SilencePolicy(min_purchases=2, lost_after_days=40, window_days=20)


def found(
    auc: float,
    f1: float,
    n_churned: int = 200,
    has_capacity: bool = False,
    error: float = 0.01,
    judged: Judged = NOTHING,
) -> list[str]:
    rankings = [Ranking("pulseline", auc, error), Ranking("recency", 0.6, None)]
    rules = [Rule("pulseline", quality(f1, n_churned)), Rule("fixed_rule", quality(0.5, n_churned))]
    return [entry.name for entry in cautions(rankings, rules, judged, has_capacity=has_capacity)]


def quality(f1: float, n_churned: int) -> AlertQuality:
    return AlertQuality(1_000, n_churned, 300, f1, f1, f1, 20.0)


def weeks_of(shares: list[float], n_customers: int = 400) -> Judged:
    """The same customers at weekly checkpoints with a risk of one half; `shares` of them stayed away."""
    days = np.repeat(7 * np.arange(len(shares), dtype=np.int64), n_customers)
    customers = np.tile(np.arange(n_customers), len(shares))
    is_silent = customers < np.repeat(np.array(shares) * n_customers, n_customers)
    return Judged(days, customers, np.full(len(days), 0.5), is_silent)


def test_a_log_that_tells_much_brings_no_caution() -> None:
    assert found(auc=0.75, f1=0.6, judged=weeks_of([0.45] * 4 + [0.55] * 4)) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (found(auc=0.62, f1=0.6), ["little_beyond_recency"]),
        (found(auc=0.75, f1=0.6, error=0.051), ["badly_calibrated"]),
        (found(auc=0.75, f1=0.6, judged=weeks_of([0.5] * 4 + [0.7] * 4)), ["level_changed"]),
        (found(auc=0.75, f1=0.6, judged=weeks_of([0.5] * 4 + [0.7] * 4, n_customers=20)), ["few_judged"]),
        (found(auc=0.75, f1=0.48), ["fixed_rule_as_good"]),
        (found(auc=0.75, f1=0.6, n_churned=29), ["few_churned"]),
        (found(auc=0.75, f1=0.6, judged=weeks_of([0.5] * 8, n_customers=58)), ["few_judged"]),
        (found(auc=0.61, f1=0.5), ["little_beyond_recency", "fixed_rule_as_good"]),
        (found(auc=0.75, f1=0.3, has_capacity=True), []),
    ],
)
def test_each_weakness_is_named(names: list[str], expected: list[str]) -> None:
    assert names == expected


def test_alerts_that_beat_the_rule_are_told_where_the_ranking_does_not() -> None:
    rankings = [Ranking("pulseline", 0.86, 0.01), Ranking("recency", 0.85, None)]

    (better,), (alike,) = (
        cautions(rankings, [Rule("a", quality(f1, 200)), Rule("b", quality(0.5, 200))], NOTHING, has_capacity=False)
        for f1 in (0.6, 0.51)
    )

    assert "its alerts do better" in better.english
    assert "hardly better than days of silence alone: there is little else" in alike.english


def test_the_worst_weeks_are_told_with_their_gap() -> None:
    rankings = [Ranking("pulseline", 0.75, 0.01), Ranking("recency", 0.6, None)]
    rules = [Rule("pulseline", quality(0.6, 200)), Rule("fixed_rule", quality(0.5, 200))]

    (told,) = cautions(rankings, rules, weeks_of([0.35] * 4 + [0.5] * 4 + [0.7] * 4), has_capacity=False)

    assert "From 1970-02-26 to 1970-03-19 the risk was too low by 20 points" in told.english
    assert "1970-02-26 至 1970-03-19，整体风险偏低 20 个百分点" in told.chinese


def test_a_log_without_outcomes_says_that_nothing_was_judged() -> None:
    nothing = AlertQuality(0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    unknown = [Ranking("pulseline", float("nan"), float("nan")), Ranking("recency", float("nan"), None)]

    rules = [Rule("pulseline", nothing), Rule("fixed_rule", nothing)]

    assert [entry.name for entry in cautions(unknown, rules, NOTHING, has_capacity=False)] == ["nothing_judged"]


def warnings_of(customers: list[CustomerDays]) -> list[Caution]:
    options = choose(customers, Wishes(horizon_days=28))
    history = history_of(customers, 28.0)
    return summarise(history, replay(history, options, int(history.day.max())), Orders()).warnings


def test_a_shop_that_was_closed_for_weeks_is_warned_of_its_risks() -> None:
    customers = purchase_log(500, 540)

    usual = {entry.name for entry in warnings_of(customers)}
    shut = {entry.name: entry.english for entry in warnings_of(closed(customers, FIRST_DAY + 360, FIRST_DAY + 400))}

    assert "level_changed" not in usual
    assert "too low" in shut["level_changed"]


def test_a_closure_at_the_end_is_seen_before_any_outcome() -> None:
    customers = until(purchase_log(400, 540), FIRST_DAY + 400)
    last_day = FIRST_DAY + 400

    assert unusual_end(history_of(customers, 28.0), POLICY, last_day) == []
    (told,) = unusual_end(history_of(closed(customers, last_day - 20, last_day - 1), 28.0), POLICY, last_day)

    assert told.name == "unusual_end"
    assert "from 2025-01-08 on, customers came back" in told.english


@pytest.mark.parametrize("counted", [{}, {"EUR": 3}, {"EUR": 3, "": 2}])
def test_one_currency_brings_no_caution(counted: dict[str, int]) -> None:
    assert several_currencies(Counter(counted)) == []


def test_several_currencies_are_told_with_their_shares() -> None:
    [caution] = several_currencies(Counter({"CNY": 1, "USD": 3}))

    assert "USD 75.0%, CNY 25.0%" in caution.english
    assert "USD 75.0%, CNY 25.0%" in caution.chinese
