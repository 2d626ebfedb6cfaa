"""Fitting from the past: gradients are right, the mixture is found again, few customers lean on the prior."""

import numpy as np
import pytest

from services.churn_alerts.customer.columns import Columns, Floats
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import (
    Snapshots,
    fit,
    fit_baseline,
    fit_log_amount,
    is_publishable,
    snapshots_until,
)
from services.churn_alerts.customer.generation import PRIOR, prior_for
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.churn_alerts.customer.load import threshold_for
from services.churn_alerts.customer.mixture import class_masses, silence
from services.churn_alerts.customer.score import risk
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

POLICY = SilencePolicy(min_purchases=2, lost_after_days=42, window_days=21)
NOW = FIRST_DAY + 200


def history(n_customers: int, n_days: int = 240) -> History:
    customers: list[CustomerDays] = purchase_log(n_customers, n_days)
    return history_of(customers, 28.0)


def span_of(columns: Columns) -> Floats:
    return (columns.last_day - columns.first_day).astype(np.float64)


def snapshots(past: History, until_day: int) -> Snapshots:
    return snapshots_until(past, until_day, NOW, POLICY)


def test_only_complete_labels_are_used() -> None:
    taken = snapshots(history(80), NOW)

    assert taken.days.max() + 28 <= NOW
    assert ((NOW - taken.days) % 7 == 0).all()
    assert set(np.unique(taken.labels)) == {0.0, 1.0}


def test_older_snapshots_weigh_half_per_ninety_days() -> None:
    taken = snapshots(history(80), NOW)

    age = taken.days.max() - taken.days
    assert taken.weights == pytest.approx(0.5 ** (age / 90))


def test_nobody_yet_means_the_shipped_prior() -> None:
    generation = fit(history(8), FIRST_DAY + 20, FIRST_DAY + 20, POLICY, version=1)

    assert generation.origin == "prior"
    assert generation.is_prior
    assert generation.weights == PRIOR.weights


def test_weights_start_from_half_of_the_shipped_and_half_of_the_mixture() -> None:
    few, many = (fit(history(n), NOW, NOW, POLICY, version=3) for n in (60, 600))

    assert (few.version, few.origin, few.is_prior) == (3, "own", False)
    middle = np.array(PRIOR.weights) / 2
    middle[0] += PRIOR.deviations[0] / 2
    drawn_by = [np.abs(np.array(generation.weights) - middle).max() for generation in (few, many)]
    assert 0 < drawn_by[0] < 0.3
    # More outcomes have more of a say.
    assert drawn_by[1] > 1.5 * drawn_by[0]


def test_before_outcomes_are_known_the_mixture_is_the_score() -> None:
    day = FIRST_DAY + 27
    past = history(1_200)
    generation = fit(past, day, day, POLICY, version=1)
    columns = past.columns.take(past.scored(day, 2, 42))
    silence_days = (day - columns.last_day).astype(np.float64)
    classes = class_masses(columns.n_gaps, span_of(columns), columns.sum_log_gap, generation.mixture)

    assert (generation.origin, generation.is_prior) == ("mixture", False)
    assert risk(columns, day - columns.last_day, generation) == pytest.approx(
        silence(classes, silence_days, 28.0).p_silent, abs=2e-6
    )


def test_a_fit_looks_at_nothing_after_its_day() -> None:
    customers = purchase_log(150, 240)
    known = until(customers, NOW)

    assert fit(history_of(customers, 28.0), NOW, NOW, POLICY, 1) == fit(history_of(known, 28.0), NOW, NOW, POLICY, 1)


def test_the_moments_of_log_gaps_are_recovered() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(1, 30, 4_000).astype(np.float64)
    own = rng.normal(3.0, 0.5, 4_000)
    gaps = [rng.normal(mean, 0.8, int(count)) for mean, count in zip(own, n, strict=True)]
    sums, squares = np.array([gap.sum() for gap in gaps]), np.array([(gap**2).sum() for gap in gaps])

    found = fit_baseline(n, sums, squares, PRIOR.baseline)

    assert (found.mu, found.variance) == pytest.approx((3.0, 0.64), rel=0.03)
    assert found.kappa == pytest.approx(0.64 / 0.25, rel=0.1)


def test_a_worse_candidate_is_not_published() -> None:
    past = history(150)
    running = fit(past, NOW, NOW, POLICY, 1)

    assert not is_publishable(prior_for(280), running, past, NOW, NOW, POLICY)
    assert is_publishable(running, running, past, NOW, NOW, POLICY)


def test_a_company_without_amounts_has_no_usual_amount() -> None:
    columns = Columns.from_rows([(1, 0, 10, 2.3, 5.3, 2.3, 1, 1, 1, 0, 0, 0, 0, 0)])

    assert fit_log_amount(columns) is None


def test_a_smaller_capacity_means_a_higher_threshold() -> None:
    past = history(150)
    generation = fit(past, NOW, NOW, POLICY, 1)

    few, more = (threshold_for(past, NOW, generation, POLICY, per_day) for per_day in (0.05, 0.5))

    assert 0 < more < few <= 1
