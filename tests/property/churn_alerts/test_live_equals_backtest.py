"""The processor raises silences at the very checks the backtest's rule names, on the same purchases."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.churn_alerts.alert.rules import DEFAULT
from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.due import InForce, first_crossing, floor_days
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.in_force import DEFAULT_POLICY
from services.churn_alerts.customer.purchases import no_purchases, observe
from shared.clock import to_ms
from shared.contracts.alert import AlertRaised
from tests.factories.churn_log import Heard, at, calm, decided, order, tick

FIRST_DAY = to_ms(at(0)) // 86_400_000
LAST_DAY = 900


def named_by_the_rule(days: list[int]) -> list[int]:
    """Return the days (since the start) at whose end `first_crossing` raises, purchase by purchase."""
    generation = prior_for(DEFAULT.purchases.horizon_days)
    policy = DEFAULT_POLICY.purchases
    schedule = [InForce(0, generation, DEFAULT.silence_thresholds["new"])]
    state, raised = no_purchases(generation.horizon_days), []
    for day, next_day in zip(days, [*days[1:], LAST_DAY + 1], strict=True):
        state = observe(state, FIRST_DAY + day, "20.00")
        columns = Columns.from_states([state])
        floors = floor_days(columns, generation, policy)
        crossing = first_crossing(columns, floors, np.array([0]), np.array([next_day - day]), schedule, policy)
        raised += [day + int(u) for u in crossing.silence_days[crossing.raised]]
    return raised


def raised_live(days: list[int], is_import: bool) -> list[int]:
    received = at(LAST_DAY) if is_import else None
    orders: list[Heard | bytes] = [calm(order("a", at(day, 600), received=received)) for day in days]
    now = [tick(at(LAST_DAY))] if is_import else []
    log = decided([*now, *orders, tick(at(LAST_DAY + 1, 20))])
    raised = [to_ms(record.at) for record in log.alerts if isinstance(record, AlertRaised)]
    assert raised == sorted(raised)
    return [ms // 86_400_000 - FIRST_DAY - 1 for ms in raised]


@given(st.lists(st.integers(1, 130), min_size=1, max_size=9))
@settings(max_examples=15, deadline=None)
def test_live_and_imported_purchases_raise_where_the_rule_says(gaps: list[int]) -> None:
    days = [0, *np.cumsum(gaps).tolist()]
    days = [day for day in days if day < LAST_DAY - 130]

    expected = named_by_the_rule(days)

    assert raised_live(days, is_import=False) == expected
    # Of an import, the silence that is still running.
    assert raised_live(days, is_import=True) == [day for day in expected if day >= days[-1]]
