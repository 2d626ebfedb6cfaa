"""Scores: finite everywhere, explained by their contributions, and the same in any batch."""

import msgspec
import numpy as np
import pytest

from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.generation import GROUP_NAMES, PRIOR, TERMS, from_model, prior_for, to_model
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.score import risk, risk_of_rows, score


def customer(seed: int) -> Purchases:
    rng = np.random.default_rng(seed)
    day = 20_000
    state = no_purchases(30)
    for gap in rng.integers(1, 60, rng.integers(1, 15)).tolist():
        day += gap
        state = observe(state, day, float(rng.uniform(0, 500)))
    return observe_return(state, day + 1) if seed % 3 == 0 else state


CUSTOMERS = [customer(seed) for seed in range(60)]
SILENCES = np.arange(60) * 3


def test_a_customers_score_is_the_same_bits_in_every_batch() -> None:
    columns = Columns.from_states(CUSTOMERS)
    together = score(columns, SILENCES, prior_for(30))

    for size in (1, 2, 3, 5, 7, 13):
        for start in range(0, 60 - size, size):
            rows = slice(start, start + size)
            alone = score(Columns.from_states(CUSTOMERS[rows]), SILENCES[rows], prior_for(30))
            assert np.array_equal(alone.p, together.p[rows])
            assert np.array_equal(alone.contributions, together.contributions[rows])


def test_contributions_and_intercept_add_up_to_the_risk() -> None:
    generation = prior_for(30)

    result = score(Columns.from_states(CUSTOMERS), SILENCES, generation)

    logit = generation.intercept + result.contributions.sum(axis=1)
    assert result.contributions.shape == (60, len(GROUP_NAMES))
    assert result.p == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_risk_alone_equals_the_risk_with_reasons() -> None:
    columns = Columns.from_states(CUSTOMERS)

    assert np.array_equal(risk(columns, SILENCES, prior_for(30)), score(columns, SILENCES, prior_for(30)).p)


def test_risks_at_many_silences_of_a_customer_are_the_bits_of_each_alone() -> None:
    columns = Columns.from_states(CUSTOMERS)
    rng = np.random.default_rng(2)
    rows, silences = rng.integers(0, len(columns), 20_000), rng.integers(0, 200, 20_000)

    together = risk_of_rows(columns, rows, silences, prior_for(30))

    assert np.array_equal(together, risk(columns.take(rows), silences, prior_for(30)))


def test_no_rows_have_no_risk() -> None:
    nothing = np.zeros(0, dtype=np.int64)

    assert len(risk_of_rows(Columns.from_states(CUSTOMERS), nothing, nothing, prior_for(30))) == 0


@pytest.mark.parametrize("silence_days", [0, 1, 400, 40_000])
def test_every_silence_has_a_finite_score(silence_days: int) -> None:
    one_time_buyer = observe(no_purchases(30), 20_000)

    result = score(Columns.from_states([one_time_buyer, CUSTOMERS[0]]), np.full(2, silence_days), prior_for(30))

    assert np.isfinite(result.contributions).all()
    assert ((result.p >= 0) & (result.p <= 1)).all()


def test_times_scale_with_the_horizon() -> None:
    weekly = observe(observe(observe(no_purchases(28), 20_000), 20_008), 20_024)
    monthly = observe(observe(observe(no_purchases(112), 20_000), 20_032), 20_096)

    short = score(Columns.from_states([weekly]), np.array([40]), prior_for(28))
    long = score(Columns.from_states([monthly]), np.array([160]), prior_for(112))

    # log(u + 1) is the one term that is not scale-free.
    assert short.p[0] == pytest.approx(long.p[0], abs=0.01)


def test_a_generation_survives_json() -> None:
    generation = prior_for(28, log_amount=3.5, version=7)

    model = msgspec.json.decode(msgspec.json.encode(to_model(generation)))

    assert from_model(model) == generation


def test_a_generation_with_missing_weights_is_refused() -> None:
    model = to_model(PRIOR)
    model["weights"] = model["weights"][:-1]

    with pytest.raises(msgspec.ValidationError, match=f"{len(TERMS)} entries"):
        from_model(model)
