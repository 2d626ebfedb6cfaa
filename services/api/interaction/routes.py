"""Agents' corrections of sentiment, and its reasons, over HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.interaction import store
from services.api.interaction.explain import Explainer
from services.api.interaction.key import event_key
from services.api.interaction.schemas import ExplainBody, Explanation, LabelBody, LabelView
from services.api.openapi import answers, json_response, read_body, takes
from shared.clock import Clock
from shared.errors import PulselineError
from shared.logs import correlation_id
from shared.postgres.pool import transaction
from shared.problem import ProblemError

log = logging.getLogger(__name__)

_decoder = msgspec.json.Decoder(LabelBody)
_explain_decoder = msgspec.json.Decoder(ExplainBody)


def interaction_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/labels", tags=["labels"], default_response_class=Response)

    @router.get(
        "/export",
        summary="All corrected texts as NDJSON, streamed, for training",
        responses=answers(None, "One line a text", media_type="application/x-ndjson"),
    )
    async def export(principal: Annotated[Principal, Depends(guard.needs("export:read"))]) -> Response:
        async with transaction(pool) as connection:
            await audit(connection, principal, "labels.export", "label", ["*"], request_id=correlation_id.get())
        return StreamingResponse(_lines(pool), media_type="application/x-ndjson")

    @router.put(
        "/{source:any_text}/{event_id:any_text}",
        summary="Say what a text's sentiment really is",
        description="A slash inside a source or an event id is sent as %2F.",
        responses=answers(LabelView, "The correction as it is kept", 404, 413, 415),
        openapi_extra=takes(LabelBody, example={"label": "negative", "aspects": ["logistics"], "is_complaint": True}),
    )
    async def put_label(
        request: Request,
        source: str,
        event_id: str,
        principal: Annotated[Principal, Depends(guard.needs("labels:write"))],
    ) -> Response:
        body: LabelBody = await read_body(request, _decoder)
        key = event_key(source, event_id)
        async with transaction(pool) as connection:
            customer_id = await store.customer_of(connection, key)
            if customer_id is None:
                raise ProblemError(404, "no such event")
            label = await store.put_label(
                connection, key, customer_id, source, event_id, body, principal.name, clock.now()
            )
            await audit(
                connection,
                principal,
                "label.put",
                "event",
                [f"{source}/{event_id}"],
                request_id=correlation_id.get(),
                detail=body,
            )
        return json_response(label)

    return router


def explanation_routes(guard: Guard, explainer: Explainer) -> APIRouter:
    router = APIRouter(prefix="/v1/sentiment", tags=["labels"], default_response_class=Response)

    @router.post(
        "/explain",
        summary="Why the model judges a text as it does",
        responses=answers(Explanation, "The judgement and its strongest reasons", 413, 415),
        openapi_extra=takes(ExplainBody, example={"text": "Three weeks and still no refund"}),
    )
    async def explain(request: Request, _: Annotated[Principal, Depends(guard.needs("customers:read"))]) -> Response:
        body: ExplainBody = await read_body(request, _explain_decoder)
        try:
            return json_response(await asyncio.to_thread(explainer.explain, body.text, body.top))
        except PulselineError as error:
            log.error("cannot explain", extra={"action": "sentiment.explain_failed", "reason": str(error)})
            raise ProblemError(503, "the sentiment model cannot be read; the log says why") from error

    return router


async def _lines(pool: Any) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    async with transaction(pool) as connection:
        async for text in store.labelled_texts(connection):
            yield encoder.encode(text) + b"\n"
