"""Key figures over HTTP: whether acting on alerts helped, and how many customers were kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.api.address import Instant
from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.kpi import buyers, store
from services.api.kpi import retention as kept
from services.api.kpi.decide import compare, n_more, slices
from services.api.kpi.model import By, Purchases
from services.api.kpi.schemas import Outcome, Retention
from services.api.openapi import answers, json_response
from shared.clock import Clock
from shared.problem import ProblemError

LONGEST = timedelta(days=400)
_YEAR = timedelta(days=365)
# Of the pool's ten connections: lists and streams never wait for figures.
_AT_ONCE = 2
# Over millions of orders an answer takes seconds and does not change much in a quarter of an hour.
_WORTH_KEEPING_S = 1.0
_KEPT_S = 900.0
# No shop has purchases that Pulseline keeps by month before.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def kpi_routes(pool: Any, guard: Guard, clock: Clock, time_zone: str) -> APIRouter:
    router = APIRouter(prefix="/v1/kpis", tags=["kpis"], default_response_class=Response)
    gate = asyncio.Semaphore(_AT_ONCE)

    @router.get(
        "/outcome",
        summary="Whether acting on alerts helped",
        description="Customers whose first alert of the time was to be acted on against those whose alert was held "
        "out, by whether they bought within the horizon. Never before against after.",
        responses=answers(Outcome, "The comparison, and how many customers it still needs"),
    )
    async def outcome(
        _: Annotated[Principal, Depends(guard.needs("holdout:read"))],
        since: Annotated[Instant | None, Query(alias="from", description="Left out: a year ago.")] = None,
        until: Annotated[Instant | None, Query(alias="to", description="Left out: now.")] = None,
        horizon_days: Annotated[int, Query(ge=7, le=365, description="Days after the alert to buy again in.")] = 90,
        worth_seeing: Annotated[
            float, Query(ge=0.01, le=0.5, description="The least difference of shares that would matter to you.")
        ] = 0.05,
    ) -> Response:
        now = clock.now()
        end = until or now
        start = since or end - _YEAR
        if not timedelta(0) < end - start <= LONGEST:
            raise ProblemError(422, f"from comes before to, by no more than {LONGEST.days} days", pointer="/from")
        async with store.counting(pool, gate) as connection:
            cells = await store.outcome_cells(connection, start, end, timedelta(days=horizon_days), now)
            n_alerts = await store.n_alerts(connection, start, end)
        whole = compare(cells)
        return json_response(
            Outcome(
                since=start,
                until=end,
                horizon_days=horizon_days,
                worth_seeing=worth_seeing,
                whole=whole,
                n_more=n_more(whole, worth_seeing),
                n_later_alerts=max(0, n_alerts - sum(cell.n for cell in cells)),
                by_month=slices(cells, "month"),
                by_tier=slices(cells, "tier"),
                by_cause=slices(cells, "cause"),
            )
        )

    answered: dict[tuple[By, int, int, str], tuple[float, Retention]] = {}

    @router.get(
        "/retention",
        summary="How many customers were kept",
        description="By what they bought: who of a period's buyers bought in the next one, cohorts by first purchase, "
        "and the time to the second purchase. The present period is told as such and has no share. An answer that took "
        "more than a second is given again for a quarter of an hour; `as_of` says when it was counted.",
        responses=answers(Retention, "Periods, cohorts and the time to the second purchase"),
    )
    async def retention(
        _: Annotated[Principal, Depends(guard.needs("customers:read"))],
        by: By = "month",
        periods: Annotated[int, Query(ge=1, le=24, description="Complete periods to tell of.")] = 12,
        horizon_days: Annotated[int, Query(ge=7, le=365, description="Days for a second purchase.")] = 90,
        as_of: Annotated[Instant | None, Query(description="Later purchases are left out. Left out: now.")] = None,
        zone: Annotated[
            str, Query(alias="time_zone", max_length=64, description="IANA name; left out: the setting.")
        ] = time_zone,
    ) -> Response:
        try:
            days_of = ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ProblemError(422, "no such time zone", pointer="/time_zone") from error
        if as_of is not None and not _EARLIEST <= as_of <= clock.now():
            raise ProblemError(422, "as_of is after 1990 and not to come", pointer="/as_of")
        asked = (by, periods, horizon_days, zone)
        began = clock.monotonic()
        if as_of is None and asked in answered and began - answered[asked][0] < _KEPT_S:
            return json_response(answered[asked][1])
        seen = as_of or clock.now()
        shown = kept.span(by, periods, seen, days_of)
        async with store.counting(pool, gate) as connection:
            if as_of is None and await buyers.catch_up(connection, zone, seen):
                found = await buyers.purchases(connection, shown.days, kept.MONTHS[by], shown.today, horizon_days)
            else:
                found = await store.buying_habits(
                    connection, shown.starts, seen, shown.today, zone, horizon_days, kept.SHOWN
                )
        # A large shop has tens of thousands of waits.
        answer = await asyncio.to_thread(_retention, found, shown, seen, by, horizon_days)
        if as_of is None and clock.monotonic() - began > _WORTH_KEEPING_S:
            for known in [known for known, (at, _) in answered.items() if began - at >= _KEPT_S]:
                del answered[known]
            answered[asked] = (clock.monotonic(), answer)
        return json_response(answer)

    return router


def _retention(found: Purchases, shown: kept.Span, as_of: datetime, by: By, horizon_days: int) -> Retention:
    cohorts = kept.cohorts(found.bought, shown.days)
    return Retention(
        as_of=as_of,
        by=by,
        time_zone=shown.zone.key,
        horizon_days=horizon_days,
        history_since=found.since,
        periods=kept.period_figures(found.bought, shown.days),
        cohorts=cohorts,
        by_age=kept.by_age(cohorts),
        repeat=kept.repeat(found.waits, horizon_days),
        second_purchase=kept.second_purchase(found.waits),
    )
