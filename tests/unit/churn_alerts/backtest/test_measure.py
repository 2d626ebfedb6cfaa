"""Measures of ranking, calibration and alerts, on cases worked by hand."""

import numpy as np
import pytest

from services.churn_alerts.backtest.measure import (
    alert_quality,
    calibration_error,
    kaplan_meier,
    precision_recall_points,
    roc_auc,
    roc_points,
)


def test_auc_counts_ties_half() -> None:
    scores, labels = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])

    assert roc_auc(scores, labels) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_auc_of_one_class_is_unknown() -> None:
    assert np.isnan(roc_auc(np.array([0.1, 0.2]), np.array([True, True])))


def test_calibration_error_weighs_bins_by_size() -> None:
    scores = np.array([0.05, 0.05, 0.05, 0.95])
    labels = np.array([False, False, True, True])

    assert calibration_error(scores, labels) == pytest.approx(3 / 4 * (1 / 3 - 0.05) + 1 / 4 * 0.05)


def test_curves_end_where_everyone_is_flagged() -> None:
    scores, labels = np.array([0.9, 0.5, 0.4, 0.1]), np.array([True, False, True, False])

    assert roc_points(scores, labels)[-1] == (1.0, 1.0)
    assert precision_recall_points(scores, labels) == [(0.5, 1.0), (0.5, 0.5), (1.0, 2 / 3), (1.0, 0.5)]


def test_an_alert_is_right_when_the_silence_outlasts_the_horizon() -> None:
    gaps, alerted_at = np.array([200, 60, 200, 10]), np.array([30, 30, -1, -1])

    quality = alert_quality(gaps, alerted_at, horizon_days=90, lost_after_days=120)

    assert (quality.n_alerts, quality.n_churned, quality.precision, quality.recall) == (2, 2, 0.5, 0.5)
    assert quality.median_lead_days == 90


def test_what_is_not_judged_has_no_figures() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    judged = alert_quality(np.array([200, 60]), np.array([30, 30]), horizon_days=90, lost_after_days=120)

    assert alert_quality(nothing, nothing, horizon_days=90, lost_after_days=120).told() == ["–"] * 5
    assert judged.told() == ["2", "0.500", "1.000", "0.667", "90"]


def test_open_silences_are_censored_not_counted_as_returned() -> None:
    survival = kaplan_meier(np.array([2, 2, 4, 5]), np.array([True, False, True, False]), 5)

    assert survival.tolist() == pytest.approx([1, 1, 0.75, 0.75, 0.375, 0.375])
