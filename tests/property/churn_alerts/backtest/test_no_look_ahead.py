"""Nothing after a decision's day is used: cutting the file at any day leaves everything decided before unchanged."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.replay import replay
from services.churn_alerts.customer.history import CustomerDays, history_of
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

LAST_DAY = FIRST_DAY + 279
START = FIRST_DAY + 150

Decision = tuple[str, int, float, float]


def decisions(customers: list[CustomerDays], last_day: int) -> tuple[list[Decision], list[Decision]]:
    options = choose(customers, Wishes(start_day=START))
    history = history_of(customers, float(options.horizon_days))
    result = replay(history, options, last_day)
    scored, alerts = result.scored, result.alerts
    names = [history.customer_ids[owner] for owner in history.customer.tolist()]
    scores = zip(scored.row.tolist(), scored.day.tolist(), scored.p.tolist(), scored.is_eligible.tolist(), strict=True)
    raised = zip(alerts.row.tolist(), alerts.day.tolist(), alerts.p.tolist(), alerts.silence_days.tolist(), strict=True)
    return (
        [(names[row], day, p, float(eligible)) for row, day, p, eligible in scores],
        [(names[row], day, p, float(silence)) for row, day, p, silence in raised],
    )


@cache
def whole() -> tuple[list[CustomerDays], list[Decision], list[Decision]]:
    customers = purchase_log(200, 280, seed=3, return_ratio=0.1)
    return customers, *decisions(customers, LAST_DAY)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(cut=st.integers(START, LAST_DAY - 1))
def test_cutting_the_file_leaves_earlier_decisions_unchanged(cut: int) -> None:
    customers, scores, alerts = whole()

    cut_scores, cut_alerts = decisions(until(customers, cut), cut)

    assert cut_scores == [entry for entry in scores if entry[1] <= cut]
    assert cut_alerts == [entry for entry in alerts if entry[1] <= cut]
