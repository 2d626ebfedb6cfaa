"""What a segment asks of a customer."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.alert import Tier

RiskState = Literal["unscored", "active", "at_risk", "lost"]
# A century; whoever needs longer means never.
LONGEST_DAYS = 36_500
Days = Annotated[int, Meta(ge=1, le=LONGEST_DAYS)]


class CustomerFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Each member left out asks nothing, several must all hold; what is unknown of a customer satisfies no question.

    `silent_for_days`: nothing of any kind for so long; `no_purchase_for_days`: bought before, but not for so long.
    """

    tiers: Annotated[list[Tier], Meta(min_length=1, max_length=10)] | None = None
    risk_states: Annotated[list[RiskState], Meta(min_length=1, max_length=10)] | None = None
    min_p_churn: Annotated[float, Meta(ge=0, le=1)] | None = None
    min_expected_loss: Annotated[float, Meta(ge=0)] | None = None
    min_purchases: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    silent_for_days: Days | None = None
    no_purchase_for_days: Days | None = None
