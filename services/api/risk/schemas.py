"""The JSON of risk over time over HTTP."""

from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.enriched import Probability


class RiskDay(Struct, frozen=True, kw_only=True):
    """The greatest probability of leaving that was computed on a UTC day, and by which generation of the model."""

    day: date
    p_leave: Probability
    generation: int


class RiskHistory(Struct, frozen=True, kw_only=True):
    """Oldest first; a day without a new computation is left out: the probability is then as it was before."""

    customer_id: str
    items: list[RiskDay]


class ThresholdPreview(Struct, frozen=True, kw_only=True):
    """What a silence threshold would have done in the `days` days before `until`, as far as recorded risk can tell.

    `n_customers_above`: customers whose risk reached the threshold on any of the days. `n_alerts_estimated`: times a
    customer's recorded risk went from below the threshold to it or above; who was above it before the days began is
    not counted again. It is an estimate: cooldowns, tiers' own thresholds and alerts raised by signals are left out.
    `n_alerts_raised`: alerts that really were raised, by whatever rules were in force.
    """

    threshold: Probability
    days: Annotated[int, Meta(ge=1)]
    until: date
    n_customers_above: int
    n_alerts_estimated: int
    n_alerts_raised: int
