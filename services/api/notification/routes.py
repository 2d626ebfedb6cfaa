"""Notification endpoints over HTTP: make, change, test, see what was delivered, send again."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.api.alert.schemas import AlertEventRow
from services.api.auth.guard import Guard
from services.api.auth.idempotency import IdempotencyKey, once
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.notification import store
from services.api.notification.address import AddressGuard
from services.api.notification.model import EndpointKind, QuietHours, secret_owner
from services.api.notification.sample import sample_event
from services.api.notification.schemas import (
    DeliveryPage,
    EndpointChangeBody,
    EndpointList,
    EndpointView,
    NewEndpointBody,
    NewEndpointView,
    RequeueBody,
    RequeueResult,
    TestResult,
)
from services.api.notification.send import Sender
from services.api.notification.sign import is_signing_secret, new_signing_secret
from services.api.openapi import answers, json_response, read_body, takes
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from services.api.vault import Vault
from shared.clock import Clock
from shared.connection.seal import SealError
from shared.errors import Reject
from shared.ids import new_request_id
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_CURSOR = "deliveries-by-event"
_new_decoder = msgspec.json.Decoder(NewEndpointBody)
_change_decoder = msgspec.json.Decoder(EndpointChangeBody)
_requeue_decoder = msgspec.json.Decoder(RequeueBody)


def notification_routes(
    pool: Any, guard: Guard, addresses: AddressGuard, vault: Vault, sender: Sender, clock: Clock
) -> APIRouter:
    router = APIRouter(prefix="/v1/webhooks", tags=["notifications"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("notifications:read"))]
    writer = Annotated[Principal, Depends(guard.needs("notifications:write"))]

    async def note(connection: Any, principal: Principal, action: str, endpoint_id: str, detail: object = None) -> None:
        await audit(
            connection,
            principal,
            f"endpoint.{action}",
            "endpoint",
            [endpoint_id],
            request_id=correlation_id.get(),
            detail=detail,
        )

    async def check(kind: EndpointKind, url: str, secret: str | None) -> None:
        if kind == "email":
            recipient = url.removeprefix("mailto:")
            if url == recipient or recipient.count("@") != 1 or any(c <= " " or c in ",;<>" for c in recipient):
                raise ProblemError(422, "an e-mail endpoint is mailto: and one address", pointer="/url")
            return
        try:
            await addresses.admit(url)
        except Reject as reject:
            raise ProblemError(422, reject.reason, pointer="/url") from reject
        if kind == "webhook" and secret is not None and not is_signing_secret(secret):
            raise ProblemError(422, "a webhook's secret is whsec_ and 24 to 64 bytes in base64", pointer="/secret")

    def sealed(secret: str, endpoint_id: str) -> bytes:
        try:
            return vault.seal(secret.encode(), secret_owner(endpoint_id))
        except SealError as error:
            raise ProblemError(409, str(error), pointer="/secret") from error

    @router.get("", summary="List notification endpoints", responses=answers(EndpointList, "All, newest first"))
    async def list_endpoints(_: reader) -> Response:
        async with reading(pool) as connection:
            return json_response(EndpointList(items=await store.list_all(connection)))

    @router.post(
        "",
        summary="Add a notification endpoint",
        description="Addresses that are not on the public internet are refused, now and at every delivery. A secret is "
        "sealed before it is stored, so one with a secret, as every webhook is, needs the secrets key.",
        responses=answers(NewEndpointView, "The endpoint; its secret is shown this once", 409, 413, 415, status=201),
        openapi_extra=takes(
            NewEndpointBody,
            example={
                "name": "ticket system",
                "kind": "webhook",
                "url": "https://crm.example.com/hooks/pulseline",
                "severities": ["critical", "high"],
            },
        ),
    )
    async def add(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: NewEndpointBody = await read_body(request, _new_decoder)
        await check(body.kind, body.url, body.secret)
        _check_quiet(body.quiet_hours)
        secret = new_signing_secret() if body.secret is None and body.kind == "webhook" else body.secret
        async with transaction(pool) as connection:

            async def act() -> Response:
                endpoint_id = f"ep_{new_request_id()[:20]}"
                asked = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "secret"}
                new = store.NewEndpoint(
                    **asked,
                    id=endpoint_id,
                    sealed_secret=None if secret is None else sealed(secret, endpoint_id),
                    created_by=principal.name,
                )
                await store.insert(connection, new)
                await note(connection, principal, "create", endpoint_id, {"name": body.name, "kind": body.kind})
                view = await _known(connection, endpoint_id)
                return json_response(NewEndpointView(**msgspec.structs.asdict(view), secret=secret), 201)

            return await once(connection, request, principal, act, sealing=None if secret is None else vault)

    @router.get(
        "/{endpoint_id}", summary="One notification endpoint", responses=answers(EndpointView, "The endpoint", 404)
    )
    async def one(_: reader, endpoint_id: str) -> Response:
        async with reading(pool) as connection:
            return json_response(await _known(connection, endpoint_id))

    @router.patch(
        "/{endpoint_id}",
        summary="Change a notification endpoint, or bring a disabled one back",
        responses=answers(EndpointView, "The endpoint afterwards", 404, 409, 413, 415),
        openapi_extra=takes(EndpointChangeBody, example={"digest_minutes": 15}),
    )
    async def change(request: Request, endpoint_id: str, principal: writer) -> Response:
        body: EndpointChangeBody = await read_body(request, _change_decoder)
        values = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}
        _check_quiet(values.get("quiet_hours"))
        async with transaction(pool) as connection:
            view = await _known(connection, endpoint_id)
            if "url" in values or "secret" in values:
                await check(view.kind, values.get("url", view.url), values.get("secret"))
            stored = values.copy()
            if (secret := stored.pop("secret", None)) is not None:
                stored["sealed_secret"] = sealed(secret, endpoint_id)
            await store.change(connection, endpoint_id, stored)
            await note(connection, principal, "change", endpoint_id, {"changed": sorted(values)})
            return json_response(await _known(connection, endpoint_id))

    @router.delete(
        "/{endpoint_id}",
        summary="Remove a notification endpoint and what it was still to be told",
        status_code=204,
        responses=answers(None, "Removed", 404, status=204),
    )
    async def remove(endpoint_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            if not await store.delete(connection, endpoint_id):
                raise _unknown(endpoint_id)
            await note(connection, principal, "delete", endpoint_id)
        return Response(status_code=204)

    @router.post(
        "/{endpoint_id}/test",
        summary="Send a made-up alert now and say how it was taken",
        responses=answers(TestResult, "How the receiver took it", 404),
    )
    async def test(endpoint_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            endpoint = await store.load(connection, endpoint_id)
            if endpoint is None:
                raise _unknown(endpoint_id)
            await note(connection, principal, "test", endpoint_id)
        row: AlertEventRow = sample_event(clock.now())
        outcome = await sender.send(endpoint, [row], f"msg_test_{new_request_id()}")
        return json_response(TestResult(is_delivered=outcome.is_delivered, status=outcome.status, error=outcome.error))

    @router.get(
        "/{endpoint_id}/deliveries",
        summary="What an endpoint was told, and how it took it",
        responses=answers(DeliveryPage, "A page, newest first", 404),
    )
    async def deliveries(
        _: reader,
        endpoint_id: str,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    ) -> Response:
        before = decode_cursor(cursor, _CURSOR, Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)])
        async with reading(pool) as connection:
            await _known(connection, endpoint_id)
            rows = await store.deliveries(connection, endpoint_id, before[0] if before else None, limit + 1)
        page = rows[:limit]
        next_cursor = encode_cursor(_CURSOR, page[-1].event_id) if len(rows) > limit else None
        return json_response(DeliveryPage(items=page, next_cursor=next_cursor))

    @router.post(
        "/{endpoint_id}/replay",
        summary="Send again what failed since an instant",
        responses=answers(RequeueResult, "How many were queued", 404, 413, 415),
        openapi_extra=takes(RequeueBody, example={"since": "2026-01-01T00:00:00Z"}),
    )
    async def replay(request: Request, endpoint_id: str, principal: writer) -> Response:
        body: RequeueBody = await read_body(request, _requeue_decoder)
        async with transaction(pool) as connection:
            await _known(connection, endpoint_id)
            n_queued = await store.requeue(connection, endpoint_id, body.since, clock.now())
            await note(connection, principal, "replay", endpoint_id, {"n_queued": n_queued})
        return json_response(RequeueResult(n_queued=n_queued))

    return router


def _check_quiet(quiet: QuietHours | None) -> None:
    if quiet is None:
        return
    try:
        ZoneInfo(quiet.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise ProblemError(422, "no such time zone", pointer="/quiet_hours/time_zone") from error
    if quiet.start == quiet.end:
        raise ProblemError(422, "quiet hours that end when they start are none", pointer="/quiet_hours/end")


async def _known(connection: Any, endpoint_id: str) -> EndpointView:
    view = await store.get(connection, endpoint_id)
    if view is None:
        raise _unknown(endpoint_id)
    return view


def _unknown(endpoint_id: str) -> ProblemError:
    return ProblemError(404, f"no notification endpoint {endpoint_id[:128]}")
