"""Key figures over HTTP: whether acting on alerts helped."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.api.address import Instant
from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.kpi import store
from services.api.kpi.decide import compare, n_more, slices
from services.api.kpi.schemas import Outcome
from services.api.openapi import answers, json_response
from shared.clock import Clock
from shared.problem import ProblemError

LONGEST = timedelta(days=400)
_YEAR = timedelta(days=365)
# Of the pool's ten connections: lists and streams never wait for figures.
_AT_ONCE = 2


def kpi_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
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

    return router
