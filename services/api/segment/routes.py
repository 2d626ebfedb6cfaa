"""Segments over HTTP: filters of customers kept under a name, one's own or everybody's."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.idempotency import IdempotencyKey, once
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.openapi import answers, json_response, read_body, takes
from services.api.segment import store
from services.api.segment.decide import may_change, may_keep, may_see
from services.api.segment.model import CustomerFilter
from services.api.segment.schemas import SegmentBody, SegmentList, SegmentView
from shared.clock import Clock
from shared.ids import new_request_id
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

MOST_OF_AN_OWNER = 200
SegmentId = Annotated[
    str | None, Query(alias="segment", max_length=64, description="Only who is in this segment, of /v1/segments.")
]
_decoder = msgspec.json.Decoder(SegmentBody)
_EXAMPLE = {
    "name": "Gold, silent for two months",
    "filter": {"tiers": ["gold", "platinum"], "silent_for_days": 60, "min_expected_loss": 100},
    "is_shared": True,
}


async def named_filter(connection: Any, principal: Principal, segment_id: str) -> CustomerFilter:
    """Return what a segment asks. Raises `ProblemError` 422 when the caller sees no such segment."""
    segment = await store.get(connection, segment_id)
    if segment is None or not may_see(principal.name, segment.owner, is_shared=segment.is_shared):
        raise ProblemError(422, "no such segment", pointer="/segment")
    return segment.filter


def segment_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/segments", tags=["customers"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("customers:read"))]
    writer = Annotated[Principal, Depends(guard.needs("segments:write"))]
    body_docs = takes(SegmentBody, example=_EXAMPLE)

    async def note(connection: Any, principal: Principal, action: str, segment_id: str, detail: object = None) -> None:
        request_id = correlation_id.get()
        await audit(
            connection, principal, f"segment.{action}", "segment", [segment_id], request_id=request_id, detail=detail
        )

    @router.get("", summary="List segments", responses=answers(SegmentList, "One's own and the shared ones, by name"))
    async def list_segments(principal: reader) -> Response:
        async with reading(pool) as connection:
            return json_response(SegmentList(items=await store.visible(connection, principal.name)))

    @router.post(
        "",
        summary="Keep a filter of customers under a name",
        description="Sharing it with everybody needs the scope segments:share.",
        responses=answers(SegmentView, "As it is kept", 409, 413, 415, status=201),
        openapi_extra=body_docs,
        status_code=201,
    )
    async def add(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: SegmentBody = await read_body(request, _decoder)
        _check_sharing(principal, is_shared=body.is_shared)
        async with transaction(pool) as connection:

            async def act() -> Response:
                segment_id = f"sg_{new_request_id()[:20]}"
                await _claim_name(connection, principal.name, body.name, segment_id)
                segment = await store.insert(connection, segment_id, body, principal.name, clock.now())
                await note(connection, principal, "create", segment_id, body)
                return json_response(segment, 201)

            return await once(connection, request, principal, act)

    @router.get("/{segment_id}", summary="One segment", responses=answers(SegmentView, "As it is kept", 404))
    async def one(principal: reader, segment_id: str) -> Response:
        async with reading(pool) as connection:
            return json_response(await _seen(connection, principal, segment_id))

    @router.put(
        "/{segment_id}",
        summary="Replace a segment",
        description="One's own, or with segments:share any shared one; its owner stays.",
        responses=answers(SegmentView, "As it is kept now", 404, 409, 413, 415),
        openapi_extra=body_docs,
    )
    async def put(request: Request, segment_id: str, principal: writer) -> Response:
        body: SegmentBody = await read_body(request, _decoder)
        _check_sharing(principal, is_shared=body.is_shared)
        async with transaction(pool) as connection:
            segment = await _changeable(connection, principal, segment_id)
            await _claim_name(connection, segment.owner, body.name, segment_id)
            changed = await store.replace(connection, segment_id, body, clock.now())
            if changed is None:
                raise _unknown(segment_id)
            await note(connection, principal, "change", segment_id, body)
            return json_response(changed)

    @router.delete(
        "/{segment_id}",
        summary="Remove a segment",
        responses=answers(None, "Removed", 404, status=204),
        status_code=204,
    )
    async def remove(segment_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            await _changeable(connection, principal, segment_id)
            await store.delete(connection, segment_id)
            await note(connection, principal, "delete", segment_id)
        return Response(status_code=204)

    return router


def _check_sharing(principal: Principal, *, is_shared: bool) -> None:
    if not may_keep(is_shared=is_shared, may_share=principal.may("segments:share")):
        raise ProblemError(403, "sharing a segment needs the scope segments:share", pointer="/is_shared")


async def _seen(connection: Any, principal: Principal, segment_id: str) -> SegmentView:
    segment = await store.get(connection, segment_id)
    if segment is None or not may_see(principal.name, segment.owner, is_shared=segment.is_shared):
        raise _unknown(segment_id)
    return segment


async def _changeable(connection: Any, principal: Principal, segment_id: str) -> SegmentView:
    segment = await _seen(connection, principal, segment_id)
    if not may_change(principal.name, segment.owner, may_share=principal.may("segments:share")):
        raise ProblemError(403, f"this segment is {segment.owner}'s; changing it needs the scope segments:share")
    return segment


async def _claim_name(connection: Any, owner: str, name: str, segment_id: str) -> None:
    await store.lock_owner(connection, owner)
    names = await store.names_of(connection, owner)
    if names.get(name, segment_id) != segment_id:
        raise ProblemError(409, f"{owner} has a segment of this name already", present={"id": names[name]})
    if segment_id not in names.values() and len(names) >= MOST_OF_AN_OWNER:
        raise ProblemError(409, f"nobody keeps more than {MOST_OF_AN_OWNER} segments")


def _unknown(segment_id: str) -> ProblemError:
    return ProblemError(404, f"no segment {segment_id[:128]}")
