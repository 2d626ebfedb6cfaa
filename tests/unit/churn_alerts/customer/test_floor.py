"""The floor is a quarter of the window and half of a usual gap unless the company's own past says another is better."""

import numpy as np
from msgspec.structs import replace

from services.churn_alerts.backtest.measure import alert_quality
from services.churn_alerts.customer.due import (
    InForce,
    SilencePolicy,
    checks,
    first_crossing,
    floor_days,
    highest_by_row,
    risks_at,
)
from services.churn_alerts.customer.floor import FEWEST_CHURNED, FLOORS, with_best_floor
from services.churn_alerts.customer.generation import Generation, prior_for
from services.churn_alerts.customer.history import History, history_of
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

POLICY = SilencePolicy(min_purchases=2, lost_after_days=28, window_days=14)
LOG = purchase_log(120, 300)
DAY = FIRST_DAY + 240


def test_few_known_outcomes_keep_the_usual_floor() -> None:
    history = history_of(LOG[: FEWEST_CHURNED // 2], 28.0)

    assert with_best_floor(prior_for(28), history, DAY, POLICY) == prior_for(28)


def test_the_choice_looks_at_nothing_after_its_day() -> None:
    known, whole = history_of(until(LOG, DAY), 28.0), history_of(LOG, 28.0)

    assert with_best_floor(prior_for(28), known, DAY, POLICY) == with_best_floor(prior_for(28), whole, DAY, POLICY)


def test_the_floor_chosen_would_have_alerted_best() -> None:
    history = history_of(LOG, 28.0)

    chosen = with_best_floor(prior_for(28), history, DAY, POLICY)

    floors = [replace(prior_for(28), floor_window_share=window, floor_gap_share=gap) for window, gap in FLOORS]
    quality = [f1_at_the_plain_rules_load(history, generation) for generation in floors]
    assert len(set(quality)) > 1
    assert chosen == floors[quality.index(max(quality))]


def f1_at_the_plain_rules_load(history: History, generation: Generation) -> float:
    """Return F1 on the silences of the last half year before `DAY` that have run their course by then."""
    began = (history.day > DAY - 182) & (history.day <= DAY - 56)
    rows = np.flatnonzero(history.is_purchase & began & (history.columns.n_gaps >= 1))
    columns, gaps = history.columns.take(rows), np.minimum(history.next_purchase_day[rows], DAY + 1) - history.day[rows]
    floors, zero = floor_days(columns, generation, POLICY), np.zeros(len(rows), dtype=np.int64)
    checked, silences = checks(columns, floors, zero, gaps, POLICY)
    peaks = highest_by_row(checked, risks_at(columns, checked, silences, generation), len(rows))
    threshold = float(np.sort(peaks)[-np.count_nonzero(gaps > 14)])
    alerts = first_crossing(columns, floors, zero, gaps, [InForce(0, generation, threshold)], POLICY)
    return alert_quality(gaps, alerts.silence_days, 28, 28).f1


def test_a_floor_is_whole_days_up() -> None:
    columns = history_of(LOG, 28.0).columns_at_end()

    for share, days in ((0.25, 4), (0.5, 7)):
        generation = replace(prior_for(28), floor_window_share=share, floor_gap_share=0.0)
        assert set(floor_days(columns, generation, POLICY).tolist()) == {days}
