"""Risk over time over HTTP: one customer's days, and what another threshold would have done."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.customer.store import current_id
from services.api.identity.store import joined_to
from services.api.openapi import answers, json_response
from services.api.risk import store
from services.api.risk.schemas import RiskHistory, ThresholdPreview
from shared.clock import Clock
from shared.postgres.pool import reading
from shared.problem import ProblemError

LONGEST_HISTORY_DAYS = 400


def risk_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1", default_response_class=Response)

    @router.get(
        "/customers/{customer_id:any_text}/risk-history",
        tags=["customers"],
        summary="A customer's risk by day",
        description="A day has the greatest risk of all ids that are this customer today.",
        responses=answers(RiskHistory, "Recorded days, oldest first; 400 days are kept", 404),
    )
    async def risk_history(
        _: Annotated[Principal, Depends(guard.needs("customers:read"))],
        customer_id: str,
        since: date | None = None,
        until: date | None = None,
    ) -> Response:
        async with reading(pool) as connection:
            current = await current_id(connection, customer_id)
            if current is None:
                raise ProblemError(404, f"no customer {customer_id[:128]}")
            ids = [current, *await joined_to(connection, current)]
            items = await store.history(connection, ids, since, until)
        return json_response(RiskHistory(customer_id=current, items=items))

    @router.get(
        "/alerts/threshold-preview",
        tags=["alerts"],
        summary="How many alerts another threshold would have raised",
        responses=answers(ThresholdPreview, "An estimate from recorded risk"),
    )
    async def threshold_preview(
        _: Annotated[Principal, Depends(guard.needs("alerts:read"))],
        threshold: Annotated[float, Query(ge=0, le=1)],
        days: Annotated[int, Query(ge=1, le=LONGEST_HISTORY_DAYS)] = 30,
        until: Annotated[date | None, Query(description="The last day looked at; today (UTC) when left out.")] = None,
    ) -> Response:
        async with reading(pool) as connection:
            return json_response(await store.preview(connection, threshold, days, until or clock.now().date()))

    return router
