"""Presence over HTTP: whoever has an alert open says so every few seconds and hears who else has."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.api.alert import store as alerts
from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.openapi import answers, json_response
from services.api.presence import store
from services.api.presence.schemas import PresenceView
from shared.clock import Clock
from shared.postgres.pool import reading
from shared.problem import ProblemError

_ASK_AGAIN_S = 4.0
# Three questions missed: a slow network makes nobody come and go.
_EXPIRES_S = 3 * _ASK_AGAIN_S


def presence_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/alerts", tags=["alerts"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("alerts:read"))]

    @router.put(
        "/{alert_id}/presence",
        summary="Say that you have an alert open, and hear who else has",
        description="A person is one key. Ask again while the alert is looked at; none of it is kept or audited.",
        responses=answers(PresenceView, "The others", 404),
    )
    async def arrive(principal: reader, alert_id: str) -> Response:
        now = clock.now()
        async with reading(pool) as connection:
            alert = await alerts.get(connection, alert_id)
            if alert is None or (alert.is_held_out and not principal.may("holdout:read")):
                raise ProblemError(404, f"no alert {alert_id[:128]}")
            others = await store.arrive(
                connection,
                alert_id,
                principal.key_id,
                principal.name,
                now=now,
                oldest=now - timedelta(seconds=_EXPIRES_S),
            )
        return json_response(PresenceView(items=others, ask_again_in_s=_ASK_AGAIN_S, expires_in_s=_EXPIRES_S))

    @router.delete(
        "/{alert_id}/presence",
        summary="Say that you have closed an alert",
        status_code=204,
        responses=answers(None, "Nobody waits for you to expire", status=204),
    )
    async def leave(principal: reader, alert_id: str) -> Response:
        async with reading(pool) as connection:
            await store.leave(connection, alert_id, principal.key_id)
        return Response(status_code=204)

    return router
