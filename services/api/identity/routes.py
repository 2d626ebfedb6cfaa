"""Identity over HTTP: links made and ended by a person, conflicts decided, every link's history."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.idempotency import IdempotencyKey, once
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.identity import store
from services.api.identity.decide import STATUS_OF, commands_of
from services.api.identity.model import Conflict, ConflictStatus
from services.api.identity.schemas import (
    CommandView,
    ConflictPage,
    ConflictView,
    DecideBody,
    LinkBody,
    LinkHistory,
    UnlinkBody,
)
from services.api.identity.send import IdentitySender
from services.api.openapi import answers, json_response, read_body, takes
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from shared.clock import Clock
from shared.contracts.identity import LinkClaimed, LinkDissolved
from shared.handles import canonical
from shared.ids import new_request_id
from shared.links import is_minted, minted_id
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_CURSOR = "conflicts"
_ETAG_PATTERN = r'^\s*(\*|(W/)?"?[0-9]{1,9}"?)\s*$'
_ETAG = {"ETag": "The conflict's version; send it back as If-Match."}
_decide_decoder = msgspec.json.Decoder(DecideBody)
_link_decoder = msgspec.json.Decoder(LinkBody)
_unlink_decoder = msgspec.json.Decoder(UnlinkBody)


def identity_routes(pool: Any, guard: Guard, sender: IdentitySender, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/identity", tags=["identity"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("customers:read"))]
    writer = Annotated[Principal, Depends(guard.needs("identity:write"))]

    @router.get(
        "/conflicts", summary="Handles that two known customers claim", responses=answers(ConflictPage, "A page")
    )
    async def list_conflicts(
        _: reader,
        status: ConflictStatus | None = None,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    ) -> Response:
        before: Any = decode_cursor(cursor, _CURSOR, datetime, str)
        async with reading(pool) as connection:
            items = await store.conflicts(connection, status=status, before=before, limit=limit + 1)
        page = items[:limit]
        more = len(items) > limit
        next_cursor = encode_cursor(_CURSOR, page[-1].at, page[-1].id) if more else None
        return json_response(ConflictPage(items=page, next_cursor=next_cursor))

    @router.get(
        "/conflicts/{conflict_id}",
        summary="One conflict",
        responses=answers(ConflictView, "The conflict", 404, headers=_ETAG),
    )
    async def one(_: reader, conflict_id: str) -> Response:
        async with reading(pool) as connection:
            found = await store.conflict(connection, conflict_id)
        if found is None:
            raise ProblemError(404, f"no conflict {conflict_id[:128]}")
        return _conflict_response(found)

    @router.post(
        "/conflicts/{conflict_id}/decide",
        summary="Decide a conflict: merge the two customers, keep them apart, or move the handle",
        description="A decision is final here; link and unlink mend it.",
        responses=answers(ConflictView, "The conflict as decided", 404, 409, 413, 415, headers=_ETAG),
        openapi_extra=takes(
            DecideBody, example={"decision": "merge", "into_id": "c-17", "note": "same address, same card"}
        ),
    )
    async def decide(
        request: Request,
        principal: writer,
        conflict_id: str,
        if_match: Annotated[
            str | None, Header(description="The ETag of the version you saw.", pattern=_ETAG_PATTERN)
        ] = None,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - read in `once`
    ) -> Response:
        body: DecideBody = await read_body(request, _decide_decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                found = await store.conflict(connection, conflict_id, for_update=True)
                if found is None:
                    raise ProblemError(404, f"no conflict {conflict_id[:128]}")
                if found.status != "open" or not _is_current(if_match, found.version):
                    raise ProblemError(
                        409,
                        f"the conflict is {found.status}, version {found.version}",
                        headers={"ETag": f'"{found.version}"'},
                        present=msgspec.to_builtins(found),
                    )
                now = clock.now()
                # The same conflict decided again after a lost answer gives the same commands.
                name = f"{found.id}/{found.version}"
                conflict = Conflict(*(getattr(found, field) for field in Conflict._fields))
                commands = commands_of(
                    conflict, body.decision, body.into_id, body.note, by=principal.name, at=now, name=name
                )
                decided = await store.decide_conflict(
                    connection, found.id, STATUS_OF[body.decision], principal.name, now, body.note
                )
                await _audit(connection, principal, "identity.decide", [found.owner_id, found.claimant_id], body)
                await sender.send(commands)
                return _conflict_response(decided)

            return await once(connection, request, principal, act)

    @router.post(
        "/links",
        summary="Say that a handle, or another customer, is this customer",
        responses=answers(CommandView, "Under way", 404, 409, 413, 415, status=202),
        openapi_extra=takes(
            LinkBody, example={"into_id": "c-17", "handle": "tel:+8613800138000", "reason": "told on the phone"}
        ),
    )
    async def link(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: LinkBody = await read_body(request, _link_decoder)
        if (body.handle is None) == (body.linked_id is None):
            raise ProblemError(422, "name a handle or a linked_id, one of the two", pointer="/handle")
        handle = None if body.handle is None else canonical(body.handle)
        linked_id = body.linked_id or minted_id(handle or "")
        async with transaction(pool) as connection:

            async def act() -> Response:
                await _check_linkable(connection, linked_id, body.into_id)
                claim = LinkClaimed(
                    id=new_request_id(),
                    at=clock.now(),
                    linked_id=linked_id,
                    into_id=body.into_id,
                    handle=handle,
                    is_decided=True,
                    by=principal.name,
                    reason=body.reason,
                )
                await _audit(connection, principal, "identity.link", [linked_id, body.into_id], body)
                await sender.send([claim])
                return json_response(CommandView(linked_id=linked_id, into_id=body.into_id), status=202)

            return await once(connection, request, principal, act)

    @router.post(
        "/links/end",
        summary="End a link: both customers get their own histories back",
        description="No event links the two again; a person may.",
        responses=answers(CommandView, "Under way", 404, 413, 415, status=202),
        openapi_extra=takes(UnlinkBody, example={"linked_id": "c-18", "reason": "two people at one address"}),
    )
    async def unlink(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: UnlinkBody = await read_body(request, _unlink_decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                found = await store.link(connection, body.linked_id)
                if found is None:
                    raise ProblemError(404, f"{body.linked_id} is not linked")
                command = LinkDissolved(
                    id=new_request_id(),
                    at=clock.now(),
                    linked_id=found.linked_id,
                    from_id=found.into_id,
                    by=principal.name,
                    reason=body.reason,
                )
                await _audit(connection, principal, "identity.unlink", [found.linked_id, found.into_id], body)
                await sender.send([command])
                return json_response(CommandView(linked_id=found.linked_id, into_id=found.into_id), status=202)

            return await once(connection, request, principal, act)

    @router.get(
        "/customers/{customer_id:any_text}/history",
        summary="Every link made to or from a customer: when, by whom, why",
        responses=answers(LinkHistory, "Newest first"),
    )
    async def history(_: reader, customer_id: str) -> Response:
        async with reading(pool) as connection:
            return json_response(LinkHistory(items=await store.link_history(connection, customer_id)))

    return router


async def _check_linkable(connection: Any, linked_id: str, into_id: str) -> None:
    """Raise `ProblemError` 404 for strangers, 409 for what is one already or belongs to another known customer."""
    roots = await store.roots(connection, [linked_id, into_id])
    if roots.get(linked_id, linked_id) == roots.get(into_id, into_id):
        raise ProblemError(409, f"{linked_id} and {into_id} are one customer already")
    if not await store.is_known(connection, into_id):
        raise ProblemError(404, f"no customer {into_id}")
    if not is_minted(linked_id) and not await store.is_known(connection, linked_id):
        raise ProblemError(404, f"no customer {linked_id}")
    present = await store.link(connection, linked_id)
    if present is not None:
        raise ProblemError(
            409, f"{linked_id} belongs to {present.into_id}; end that link first", present=msgspec.to_builtins(present)
        )


async def _audit(connection: Any, principal: Principal, action: str, ids: list[str], body: object) -> None:
    detail = msgspec.to_builtins(body)
    await audit(connection, principal, action, "customer", ids, request_id=correlation_id.get(), detail=detail)


def _conflict_response(conflict: ConflictView) -> Response:
    return json_response(conflict, headers={"ETag": f'"{conflict.version}"'})


def _is_current(if_match: str | None, version: int) -> bool:
    if if_match is None or if_match.strip() == "*":
        return True
    return int(if_match.strip().removeprefix("W/").strip('"')) == version
