"""More alerts than are worth their trouble are not raised, however many the plain rule would."""

import numpy as np
import pytest

from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.history import history_of
from services.churn_alerts.customer.load import threshold_for
from services.churn_alerts.customer.worth import FEWEST_CHURNED, PastSilences, least_worth
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

HORIZON = 28.0
POLICY = SilencePolicy(min_purchases=2, lost_after_days=28, window_days=14)
DAY = FIRST_DAY + 240


def silences(n_left: int, n_stayed: int) -> PastSilences:
    gaps = np.repeat([100, 10], [n_left, n_stayed])
    return PastSilences(gaps, np.zeros(len(gaps)), HORIZON)


def worth(past: PastSilences, scores: list[float], least: float) -> float:
    n = len(scores)
    return least_worth(past, np.arange(n), np.full(n, 5), np.array(scores), least)


def test_the_threshold_rises_over_customers_who_come_back() -> None:
    past = silences(40, 60)

    found = worth(past, [0.8] * 40 + [0.3] * 60, least=0.2)

    assert 0.3 < found <= 0.8


def test_where_every_alert_is_worth_it_the_load_decides() -> None:
    past = silences(40, 0)

    assert worth(past, [0.8] * 20 + [0.3] * 20, least=0.2) == 0.2


def test_few_known_leavers_leave_it_to_the_load() -> None:
    past = silences(FEWEST_CHURNED - 1, 60)

    assert worth(past, [0.8] * (FEWEST_CHURNED - 1) + [0.3] * 60, least=0.2) == 0.2


def test_no_alert_under_the_load_s_threshold_is_asked_for() -> None:
    past = silences(40, 60)

    assert worth(past, [0.8] * 100, least=0.9) == 0.9


def test_the_first_check_over_the_threshold_is_the_alert_that_counts() -> None:
    """Leavers of 60 days: an alert on day 5 is right, one on day 40 comes too late for a horizon of silence."""
    past = PastSilences(np.full(40, 60), np.zeros(40), HORIZON)
    rows, days = np.tile(np.arange(40), 2), np.repeat([5, 40], 40)

    found = least_worth(past, rows, days, np.repeat([0.5, 0.9], 40), 0.5)

    assert found == 0.5


def test_what_still_runs_counts_as_likely_as_its_risk_says() -> None:
    past = PastSilences(np.array([50, 50, 21]), np.array([0.0, 0.5, 0.4]), HORIZON)

    assert past.outlasts(40.0).tolist() == pytest.approx([1.0, 1.0, 0.4 ** (20 / 28)])
    assert past.outlasts(48.0 + HORIZON).tolist()[:2] == pytest.approx([0.0, 0.5 ** (27 / 28)])


def test_the_threshold_looks_at_nothing_after_its_day() -> None:
    log = purchase_log(120, 300)
    known, whole = history_of(until(log, DAY), HORIZON), history_of(log, HORIZON)

    assert threshold_for(known, DAY, prior_for(28), POLICY) == threshold_for(whole, DAY, prior_for(28), POLICY)


def test_a_capacity_is_used_whatever_it_is_worth() -> None:
    history = history_of(purchase_log(120, 300), HORIZON)

    by_capacity, by_worth = (threshold_for(history, DAY, prior_for(28), POLICY, per_day) for per_day in (5.0, None))

    assert by_capacity < by_worth
