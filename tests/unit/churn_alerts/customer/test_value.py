"""Residual value: baskets shrink towards the population, leavers are worth little."""

import numpy as np
import pytest

from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.generation import Mixture, Spend, prior_for
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe
from services.churn_alerts.customer.value import expected_basket, expected_purchases, fit_spend, residual_value

SPEND = Spend(p=6.0, q=4.0, gamma=15.0)
FAITHFUL = Mixture(r=2.0, alpha=20.0, a=1e-3, b=50.0, weights=(1.0, 0.0, 0.0, 0.0))


def bought(n: int, gap: int, amount: float) -> Purchases:
    state = no_purchases(30)
    for index in range(n):
        state = observe(state, 20_000 + index * gap, amount)
    return state


def test_the_expected_basket_lies_between_the_own_mean_and_the_populations() -> None:
    columns = Columns.from_states([bought(1, 10, 100.0), bought(50, 10, 100.0)])

    once, often = expected_basket(columns, SPEND).tolist()

    population = SPEND.p * SPEND.gamma / (SPEND.q - 1)
    assert population < once < often < 100.0
    assert often == pytest.approx(100.0, rel=0.05)


@pytest.mark.parametrize("amount", [0.0, -100.0])
def test_nobody_is_expected_to_spend_less_than_nothing(amount: float) -> None:
    [basket] = expected_basket(Columns.from_states([bought(50, 10, amount)]), SPEND).tolist()

    assert 0.0 < basket < 1.0


def test_gamma_gamma_parameters_are_recovered_from_a_simulated_population() -> None:
    rng = np.random.default_rng(5)
    n = rng.integers(2, 12, 3_000).astype(np.float64)
    rate = rng.gamma(SPEND.q, 1 / SPEND.gamma, 3_000)
    means = rng.gamma(SPEND.p * n, 1 / (rate * n))

    found = fit_spend(n, means, rng.integers(0, 2**32, 3_000).astype(np.uint32))

    assert found is not None
    assert found.p * found.gamma / (found.q - 1) == pytest.approx(30.0, rel=0.05)
    assert (found.p, found.q) == pytest.approx((SPEND.p, SPEND.q), rel=0.35)


def test_too_few_spenders_have_no_spend_model() -> None:
    assert fit_spend(np.full(10, 3.0), np.full(10, 20.0), np.arange(10, dtype=np.uint32)) is None


def test_who_never_leaves_buys_at_his_rate_less_the_discount() -> None:
    columns = Columns.from_states([bought(200, 5, 10.0)])

    expected = expected_purchases(columns, np.array([2]), FAITHFUL)[0]

    months = (np.arange(12) + 0.5) / 12
    assert expected == pytest.approx(365 / 5 * (1.1**-months).mean(), rel=0.05)


def test_the_value_falls_with_silence() -> None:
    generation = prior_for(30)
    columns = Columns.from_states([bought(6, 10, 20.0)] * 3)

    purchases = expected_purchases(columns, np.array([5, 60, 300]), generation.mixture)

    assert purchases[0] > purchases[1] > purchases[2] > 0
    assert residual_value(columns, np.array([5, 60, 300]), generation) is None


@pytest.mark.parametrize(
    ("a", "b"), [(0.04, 0.2), (5.0, 80.0), (700.0, 8_000.0), (150_000.0, 150_000.0), (0.01, 150_000.0)]
)
def test_any_fitted_mixture_gives_a_finite_value(a: float, b: float) -> None:
    mixture = Mixture(r=1.0, alpha=20.0, a=a, b=b, weights=(0.5, 0.5, 0.0, 0.0))

    expected = expected_purchases(
        Columns.from_states([bought(1, 1, 5.0), bought(90, 7, 5.0)]), np.array([0, 30]), mixture
    )

    assert np.isfinite(expected).all()
    assert (expected >= 0).all()


def test_a_customers_value_does_not_depend_on_who_else_is_asked_for() -> None:
    everyone = Columns.from_states([bought(n, 3 + n, 20.0) for n in range(1, 40)])
    silences = np.arange(39)
    mixture = prior_for(30).mixture

    together = expected_purchases(everyone, silences, mixture)

    alone = [expected_purchases(everyone.take(np.array([row])), silences[[row]], mixture)[0] for row in range(39)]
    assert together.tolist() == alone
