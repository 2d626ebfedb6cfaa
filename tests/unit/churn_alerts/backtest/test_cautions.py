"""A report says so itself when a log gives little reason to trust more than the plain rule."""

import pytest

from services.churn_alerts.backtest.measure import AlertQuality
from services.churn_alerts.backtest.page import CAUTIONS
from services.churn_alerts.backtest.summary import Ranking, Rule, cautions


def found(auc: float, f1: float, n_churned: int = 200, has_capacity: bool = False) -> list[str]:
    rankings = [Ranking("pulseline", auc, 0.01), Ranking("recency", 0.6, None)]
    rules = [Rule("pulseline", quality(f1, n_churned)), Rule("fixed_rule", quality(0.5, n_churned))]
    return list(cautions(rankings, rules, has_capacity=has_capacity))


def quality(f1: float, n_churned: int) -> AlertQuality:
    return AlertQuality(1_000, n_churned, 300, f1, f1, f1, 20.0)


def test_a_log_that_tells_much_brings_no_caution() -> None:
    assert found(auc=0.75, f1=0.6) == []


@pytest.mark.parametrize(
    ("caution", "names"),
    [
        (found(auc=0.62, f1=0.6), ["little_beyond_recency"]),
        (found(auc=0.75, f1=0.48), ["fixed_rule_as_good"]),
        (found(auc=0.75, f1=0.6, n_churned=29), ["few_churned"]),
        (found(auc=0.61, f1=0.5), ["little_beyond_recency", "fixed_rule_as_good"]),
        (found(auc=0.75, f1=0.3, has_capacity=True), []),
    ],
)
def test_each_weakness_is_named(caution: list[str], names: list[str]) -> None:
    assert caution == names
    assert set(names) <= set(CAUTIONS)


def test_a_log_without_outcomes_is_not_judged() -> None:
    nothing = AlertQuality(0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    unknown = [Ranking("pulseline", float("nan"), None), Ranking("recency", float("nan"), None)]

    rules = [Rule("pulseline", nothing), Rule("fixed_rule", nothing)]

    assert cautions(unknown, rules, has_capacity=False) == []
