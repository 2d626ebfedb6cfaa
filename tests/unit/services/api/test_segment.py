"""What filters let through, before anybody is asked."""

import pytest

from services.api.segment.decide import lets_through
from services.api.segment.model import CustomerFilter, RiskState

RANKED: tuple[RiskState, ...] = ("active", "at_risk")


@pytest.mark.parametrize(
    ("asked", "is_possible"),
    [
        ([None], True),
        ([["lost"]], False),
        ([["lost", "at_risk"]], True),
        ([["active"], ["at_risk"]], False),
        ([["active", "lost"], None, ["active"]], True),
    ],
)
def test_filters_let_a_state_through_that_all_of_them_allow(
    asked: list[list[RiskState] | None], is_possible: bool
) -> None:
    assert lets_through([CustomerFilter(risk_states=states) for states in asked], RANKED) is is_possible
