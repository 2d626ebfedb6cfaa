"""The mixture against values that agree with numerical integration to 1e-6 (docs/churn.md, test values)."""

import math

import numpy as np
import pytest

from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.generation import Mixture
from services.churn_alerts.customer.mixture import (
    ClassMasses,
    Silence,
    class_masses,
    log_gamma,
    mean_log_regularity,
    silence,
)
from services.churn_alerts.customer.purchases import no_purchases, observe

MIXTURE = Mixture(r=0.7742, alpha=7.494, a=0.0402, b=0.1683, weights=(0.3548, 0.5814, 0.0577, 0.0061))


def classes_after(gaps: list[int], mixture: Mixture = MIXTURE) -> ClassMasses:
    day = 20_000
    state = observe(no_purchases(30), day)
    for gap in gaps:
        day += gap
        state = observe(state, day)
    columns = Columns.from_states([state])
    span = (columns.last_day - columns.first_day).astype(float)
    return class_masses(columns.n_gaps, span, columns.sum_log_gap, mixture)


def silence_after(gaps: list[int], silence_days: list[float], mixture: Mixture = MIXTURE) -> Silence:
    at = np.zeros(len(silence_days), dtype=np.int64)
    return silence(classes_after(gaps, mixture), np.array(silence_days), 30.0, at)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([20, 20, 20], [0.202865, 0.233613, 0.458104]),
        ([5, 10, 45], [0.239564, 0.296364, 0.480185]),
        ([7] * 8, [0.008376, 0.492651, 0.991445]),
        ([60], [0.606897, 0.599921, 0.658902]),
    ],
)
def test_silence_probability_equals_numerical_integration(gaps: list[int], expected: list[float]) -> None:
    result = silence_after(gaps, [5.0, 25.0, 60.0])

    assert np.round(result.p_silent, 6).tolist() == expected


def test_one_class_is_the_classical_closed_form() -> None:
    random_buying = Mixture(r=0.7742, alpha=7.494, a=0.0402, b=0.1683, weights=(1.0, 0.0, 0.0, 0.0))
    r, alpha, a, b, x, span, u, horizon = 0.7742, 7.494, 0.0402, 0.1683, 3, 60, 25.0, 30.0
    p_alive = 1 / (1 + a / (b + x) * ((alpha + span + u) / (alpha + span)) ** (r + x))
    expected = 1 - p_alive * (1 - ((alpha + span + u) / (alpha + span + u + horizon)) ** (r + x))

    result = silence_after([20, 20, 20], [u], random_buying)

    assert result.p_silent[0] == pytest.approx(expected, abs=1e-9)
    assert result.p_left[0] == pytest.approx(1 - p_alive, abs=1e-9)


def test_a_regular_customer_is_suspected_earlier_than_an_irregular_one_of_the_same_rate() -> None:
    regular, irregular = [20, 20, 20, 20, 20, 20], [5, 40, 3, 50, 2, 20]

    assert silence_after(regular, [100.0]).p_silent[0] > silence_after(irregular, [100.0]).p_silent[0]
    assert mean_log_regularity(classes_after(regular))[0] > mean_log_regularity(classes_after(irregular))[0]


@pytest.mark.parametrize("z", [0.02, 0.7742, 1.0, 7.5, 100.25, 4321.0])
def test_log_gamma_agrees_with_the_library(z: float) -> None:
    assert log_gamma(np.array([z]))[0] == pytest.approx(math.lgamma(z), rel=1e-12, abs=1e-12)
