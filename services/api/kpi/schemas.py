"""The JSON of key figures over HTTP."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from services.api.kpi.model import (
    Age,
    By,
    Cohort,
    Comparison,
    PeriodFigures,
    Repeat,
    SecondPurchase,
    ServiceFigures,
    ServicePeriod,
    ServicePeriodFigures,
    ServiceSlice,
    Slice,
)


class Outcome(Struct, frozen=True, kw_only=True):
    """Whether customers whose alert was to be acted on bought again more often than those held out from action.

    A customer counts once, with the first alert of the time; `n_later_alerts` are the others. `n_more`: customers that
    are still needed to see a difference of `worth_seeing` with 80 % power, those who wait for their horizon included.
    Months are those of `time_zone`.
    """

    since: datetime
    until: datetime
    time_zone: str
    horizon_days: Annotated[int, Meta(ge=1)]
    worth_seeing: float
    whole: Comparison
    n_more: int | None
    n_later_alerts: int
    by_month: list[Slice]
    by_tier: list[Slice]
    by_cause: list[Slice]


class Retention(Struct, frozen=True, kw_only=True):
    """How many customers were kept, by what they bought. Shares are null for fewer than 30 customers.

    `history_since` is the day of the first purchase known: who bought before it was imported counts as new on his next
    purchase. `by_age` is over all cohorts whose period is over.
    """

    as_of: datetime
    by: By
    time_zone: str
    horizon_days: Annotated[int, Meta(ge=1)]
    history_since: date | None
    periods: list[PeriodFigures]
    cohorts: list[Cohort]
    by_age: list[Age]
    repeat: Repeat
    second_purchase: SecondPurchase


class Service(Struct, frozen=True, kw_only=True):
    """How customers were served, of what began from `since` to `until`. Medians and shares are null for fewer than 30.

    `by_agent` is null for who may not assign alerts.
    """

    as_of: datetime
    since: datetime
    until: datetime
    by: ServicePeriod
    time_zone: str
    whole: ServiceFigures
    by_period: list[ServicePeriodFigures]
    by_channel: list[ServiceSlice]
    by_aspect: list[ServiceSlice]
    by_agent: list[ServiceSlice] | None
