"""The bars on two public purchase logs, under the conventions of docs/churn.md."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from services.churn_alerts.backtest.measure import calibration_error, roc_auc
from services.churn_alerts.backtest.options import Options, Wishes, choose
from services.churn_alerts.backtest.orders import read_orders
from services.churn_alerts.backtest.replay import published, score_checkpoints
from services.churn_alerts.customer.due import InForce
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.cli.backtest_run import run_backtest
from tests.shared_data import shared_data_dir

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOGS = {
    "cdnow": Wishes(horizon_days=90, lost_after_days=120, min_purchases=2),
    "complete_journey": Wishes(horizon_days=28, lost_after_days=28, min_purchases=3),
}
STARTS = {"cdnow": 273, "complete_journey": 182}


def log_file(name: str) -> Path:
    return shared_data_dir() / "churn" / f"{name}.csv.gz"


def conventions(name: str, customers: list[CustomerDays]) -> Options:
    first_day = min(days[0].day for _, days, _ in customers)
    wishes = LOGS[name]
    return choose(
        customers,
        Wishes(first_day + STARTS[name], wishes.horizon_days, wishes.lost_after_days, wishes.min_purchases),
    )


def judged(history: History, options: Options, schedule: list[InForce], last_day: int) -> tuple[float, float]:
    scored = score_checkpoints(history, options, schedule, last_day)
    complete = scored.day + options.horizon_days <= last_day
    is_silent = history.next_purchase_day[scored.row] > scored.day + options.horizon_days
    p, labels = scored.p[complete], is_silent[complete]
    return roc_auc(p, labels), calibration_error(p, labels)


@pytest.mark.parametrize(
    ("name", "least_auc", "most_error", "least_f1", "least_lead"),
    [("cdnow", 0.708, 0.02, 0.735, 85), ("complete_journey", 0.852, 0.015, 0.37, 19)],
)
def test_the_backtest_reaches_the_bars(
    tmp_path: Path, name: str, least_auc: float, most_error: float, least_f1: float, least_lead: float
) -> None:
    orders = read_orders(log_file(name)).customers()
    options = conventions(name, orders)
    wishes = Wishes(
        options.start_day, options.horizon_days, options.policy.lost_after_days, options.policy.min_purchases
    )

    summary = run_backtest(log_file(name), tmp_path, wishes, None, Console(file=io.StringIO()))

    ranking, (ours, fixed) = summary.rankings[0], (rule.quality for rule in summary.rules[:2])
    assert ranking.auc >= least_auc
    assert ranking.calibration_error is not None and ranking.calibration_error <= most_error
    assert ours.f1 >= least_f1 and ours.f1 > fixed.f1
    assert ours.median_lead_days >= least_lead


@pytest.mark.parametrize("name", ["cdnow", "complete_journey"])
def test_two_hundred_repeat_customers_calibrate(name: str) -> None:
    customers = read_orders(log_file(name)).customers()
    options = conventions(name, customers)
    whole = history_of(customers, float(options.horizon_days))
    last_day = int(whole.day.max())
    is_repeat = [sum(entry.day <= options.start_day for entry in days) >= 2 for _, days, _ in customers]
    errors = []

    for seed in range(3):
        rng = np.random.default_rng(seed)
        share = 200 / sum(is_repeat)
        few = [customer for customer in customers if rng.random() < share]
        schedule = published(history_of(few, float(options.horizon_days)), options, last_day)
        errors.append(judged(whole, options, schedule, last_day)[1])

    assert float(np.mean(errors)) <= 0.04


@pytest.mark.parametrize(("name", "least_auc"), [("cdnow", 0.70), ("complete_journey", 0.85)])
def test_the_shipped_prior_ranks_at_once(name: str, least_auc: float) -> None:
    customers = read_orders(log_file(name)).customers()
    options = conventions(name, customers)
    history = history_of(customers, float(options.horizon_days))
    prior = prior_for(float(options.horizon_days))

    auc, _ = judged(history, options, [InForce(0, prior, 0.5)], int(history.day.max()))

    assert prior.is_prior
    assert auc >= least_auc
