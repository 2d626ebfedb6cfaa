"""Alerts over HTTP: lists, one alert and its history, the live stream, and what people do to alerts."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from services.api.address import Instant, zone_of
from services.api.alert import store
from services.api.alert.decide import CommandError, ConflictError, decide, fold
from services.api.alert.model import Alert, Status
from services.api.alert.schemas import (
    ACTION_BODIES,
    NOBODY_KNOWN,
    ActionBody,
    AlertEventPage,
    AlertEventRow,
    AlertPage,
    AlertView,
    BulkBody,
    BulkItem,
    BulkResult,
    CausesOverTime,
    alert_view,
)
from services.api.alert.stream import AlertFeed, AlertStream, Filter, Place
from services.api.auth.guard import Guard
from services.api.auth.idempotency import once
from services.api.auth.rights import Principal, Scope
from services.api.auth.store import audit
from services.api.openapi import answers, json_response, read_body, takes
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from shared.clock import Clock
from shared.contracts.alert import Cause, Severity, Tier
from shared.contracts.codec import decode_json
from shared.errors import Reject
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_CURSOR = "alerts"
_LARGEST_ID = 10**18
_LONGEST_POLL_S = 30.0
_YEAR = timedelta(days=365)
_ETAG_PATTERN = r'^\s*(\*|(W/)?"?[0-9]{1,9}"?)\s*$'
_ETAG = {"ETag": "The alert's version; send it back as If-Match."}
# Giving work to somebody else takes more than working it.
_ACTION_SCOPES: dict[str, Scope] = {"assign": "alerts:assign", "reopen": "alerts:assign"}
_DECODERS: dict[str, msgspec.json.Decoder[ActionBody]] = {
    action: msgspec.json.Decoder(body) for action, body in ACTION_BODIES.items()
}
_bulk_decoder = msgspec.json.Decoder(BulkBody)
_EXAMPLES: dict[str, dict[str, str]] = {
    "acknowledge": {"note": "on it"},
    "assign": {"assignee": "Mei", "note": "knows the customer"},
    "snooze": {"until": "2026-12-01T09:00:00+08:00", "note": "asked to be called next week"},
    "escalate": {"note": "wants to speak to somebody in charge"},
    "contact": {"channel": "phone", "note": "apologised, parcel is on its way"},
    "resolve": {"resolution": "saved", "note": "ordered again"},
    "reopen": {"note": "complained again"},
    "comment": {"text": "has two open tickets as well"},
}

Statuses = Annotated[list[Status] | None, Query(alias="status", max_length=10)]
Severities = Annotated[list[Severity] | None, Query(alias="severity", max_length=10)]
Causes = Annotated[list[Cause] | None, Query(alias="cause", max_length=20)]
Tiers = Annotated[list[Tier] | None, Query(alias="tier", max_length=10)]
Text = Annotated[str | None, Query(min_length=1, max_length=128)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


def alert_routes(
    pool: Any, guard: Guard, feed: AlertFeed, clock: Clock, time_zone: str, *, heartbeat_s: float, stall_s: float
) -> APIRouter:
    router = APIRouter(prefix="/v1/alerts", tags=["alerts"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("alerts:read"))]

    @router.get(
        "", summary="List alerts, newest first", responses=answers(AlertPage, "A page; filters are combined with and")
    )
    async def list_alerts(
        principal: reader,
        status: Statuses = None,
        severity: Severities = None,
        cause: Causes = None,
        tier: Tiers = None,
        assignee: Text = None,
        customer_id: Text = None,
        since: Instant | None = None,
        until: Instant | None = None,
        historical: Annotated[
            bool | None, Query(description="Only alerts about imported history (true), only present ones (false).")
        ] = None,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Response:
        before: Any = decode_cursor(cursor, _CURSOR, datetime, str)
        # Read first: an alert that comes in between is then both on the page and on the stream, never on neither.
        position = await feed.newest_id()
        async with reading(pool) as connection:
            alerts = await store.search(
                connection,
                statuses=status,
                severities=severity,
                causes=cause,
                tiers=tier,
                assignee=assignee,
                customer_id=customer_id,
                since=since,
                until=until,
                is_historical=historical,
                sees_held_out=principal.may("holdout:read"),
                before=before,
                limit=limit + 1,
            )
        page = alerts[:limit]
        more = len(alerts) > limit
        return json_response(
            AlertPage(
                items=page,
                next_cursor=encode_cursor(_CURSOR, page[-1].raised_at, page[-1].alert_id) if more else None,
                last_event_id=position,
            )
        )

    async def wanted(
        principal: reader,
        severity: Severities = None,
        status: Statuses = None,
        cause: Causes = None,
        tier: Tiers = None,
        event_type: Annotated[list[str] | None, Query(alias="type", max_length=20)] = None,
        assignee: Text = None,
        customer_id: Text = None,
    ) -> Filter:
        def some(values: Any) -> frozenset[str] | None:
            return frozenset(values) if values else None

        return Filter(
            severities=some(severity),
            statuses=some(status),
            causes=some(cause),
            tiers=some(tier),
            types=some(event_type),
            assignee=assignee,
            customer_id=customer_id,
            sees_held_out=principal.may("holdout:read"),
        )

    @router.get(
        "/stream",
        summary="Follow alert events as server-sent events",
        description="Each event has a global id. After a break send the last one as Last-Event-ID (browsers do) or "
        "`last_event_id`: none is lost and none repeated, on any API process. Without it the stream starts now. "
        "Alerts about imported history are not streamed. `customer_id` is the customer that the id stands for, also "
        "where it is merged into another while the stream is open. Where the log does not reach as far as the id you "
        "send, as after a restore from a backup, the stream begins with an event `resync` whose id and `last_event_id` "
        "is the newest there is, and goes on from there: read lists of alerts anew. A stream ends when its key or "
        "session does.",
        responses=answers(None, "An endless stream of events", media_type="text/event-stream"),
    )
    async def stream(
        request: Request,
        _: reader,
        admitted: Annotated[Filter, Depends(wanted)],
        last_event_id: Annotated[int | None, Query(ge=0, le=_LARGEST_ID)] = None,
        last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID", pattern="^[0-9]{0,18}$")] = None,
    ) -> Response:
        cursor = int(last_event_id_header) if last_event_id_header else last_event_id
        if cursor is None:
            cursor = await feed.newest_id()
        return AlertStream(feed, cursor, admitted, guard.staying(request), heartbeat_s=heartbeat_s, stall_s=stall_s)

    @router.get(
        "/events",
        summary="Follow alert events by long poll",
        description="The same feed as /v1/alerts/stream: pass the `last_event_id` of the answer as the next `after`. "
        "An answer with a lower one than you sent says that the log does not reach as far (the stream's `resync`).",
        responses=answers(AlertEventPage, "Events after the given id, empty when none came in time"),
    )
    async def events(
        _: reader,
        admitted: Annotated[Filter, Depends(wanted)],
        after: Annotated[int | None, Query(ge=0, le=_LARGEST_ID)] = None,
        wait_s: Annotated[float, Query(ge=0, le=_LONGEST_POLL_S)] = 0.0,
    ) -> Response:
        loop = clock.monotonic
        give_up_at = loop() + wait_s
        place = Place(await feed.newest_id() if after is None else after, admitted)
        with feed.client(place):
            if not await feed.begin(place):
                give_up_at = loop()
            while True:
                entries, place.cursor = await feed.after(place.cursor, place.wanted)
                remaining = give_up_at - loop()
                if entries or remaining <= 0 or feed.is_closed:
                    break
                await feed.wait(place.cursor, remaining)
        return json_response({"items": [entry.row for entry in entries], "last_event_id": place.cursor})

    @router.get(
        "/causes",
        summary="Why customers were about to leave, by week or month",
        responses=answers(CausesOverTime, "Periods with alerts, oldest first"),
    )
    async def causes(
        _: reader,
        by: Literal["week", "month"] = "week",
        since: Annotated[Instant | None, Query(alias="from", description="Left out: a year ago.")] = None,
        until: Annotated[Instant | None, Query(alias="to", description="Left out: now.")] = None,
        zone: Annotated[
            str, Query(alias="time_zone", max_length=64, description="IANA name; left out: the setting.")
        ] = time_zone,
    ) -> Response:
        zone_of(zone)
        end = until or clock.now()
        async with reading(pool) as connection:
            items = await store.causes_over_time(connection, since or clock.now() - _YEAR, end, by, zone)
        return json_response(CausesOverTime(by=by, time_zone=zone, items=items))

    @router.get("/{alert_id}", summary="One alert", responses=answers(AlertView, "The alert", 404, headers=_ETAG))
    async def one(principal: reader, alert_id: str) -> Response:
        async with reading(pool) as connection:
            alert = await store.get(connection, alert_id)
            if alert is None or not _is_shown(alert, principal):
                raise _unknown(alert_id)
            return await _answer(connection, alert)

    @router.get(
        "/{alert_id}/events",
        summary="An alert's whole life",
        responses=answers(AlertEventPage, "Every event of the alert, oldest first", 404),
    )
    async def life(principal: reader, alert_id: str) -> Response:
        async with reading(pool) as connection:
            alert = await store.get(connection, alert_id)
            rows: list[AlertEventRow] = await store.history(connection, alert_id)
        if not rows or alert is None or not _is_shown(alert, principal):
            raise _unknown(alert_id)
        return json_response({"items": rows, "last_event_id": rows[-1].id})

    @router.post(
        "/bulk",
        summary="Do one thing to many alerts",
        description="Each alert is decided on its own: some may be done and others refused. All in one transaction.",
        responses=answers(BulkResult, "What became of each alert", 409, 413, 415),
        openapi_extra=takes(
            BulkBody, example={"action": "acknowledge", "alert_ids": ["al_1"], "parameters": {"note": "on it"}}
        ),
    )
    async def bulk(
        request: Request,
        principal: Annotated[Principal, Depends(guard.needs("alerts:write"))],
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,  # noqa: ARG001 - read in `once`
    ) -> Response:
        body: BulkBody = await read_body(request, _bulk_decoder)
        _check_scope(principal, body.action)
        parameters = {} if body.parameters is msgspec.UNSET else body.parameters
        try:
            parsed = decode_json(_DECODERS[body.action], msgspec.json.encode(parameters))
        except Reject as reject:
            raise ProblemError(422, reject.reason, pointer=f"/parameters{reject.pointer}") from reject
        command = parsed.command()

        async with transaction(pool) as connection:

            async def act() -> Response:
                alerts = await store.lock(connection, body.alert_ids)
                steps: list[store.Step] = []
                items: list[BulkItem] = []
                for alert_id in dict.fromkeys(body.alert_ids):
                    alert = alerts.get(alert_id)
                    if alert is None or not _is_shown(alert, principal):
                        items.append(BulkItem(alert_id=alert_id, status=404, detail="no such alert", version=None))
                        continue
                    try:
                        for event in decide(alert, command, principal.name, clock.now()):
                            alert = fold(alert, event)
                            steps.append((alert, event))
                    except (ConflictError, CommandError) as refusal:
                        status = 409 if isinstance(refusal, ConflictError) else 422
                        items.append(
                            BulkItem(alert_id=alert_id, status=status, detail=str(refusal), version=alert.version)
                        )
                    else:
                        items.append(BulkItem(alert_id=alert_id, status=200, detail=None, version=alert.version))
                done = [item.alert_id for item in items if item.status == 200]
                await store.append(connection, steps)
                await audit(
                    connection,
                    principal,
                    f"alert.{body.action}",
                    "alert",
                    done,
                    request_id=correlation_id.get(),
                    detail=parameters,
                )
                return json_response(BulkResult(items=items, n_done=len(done), n_refused=len(items) - len(done)))

            return await once(connection, request, principal, act)

    for action in ACTION_BODIES:
        router.add_api_route(
            f"/{{alert_id}}/{action}",
            _command_route(pool, guard, clock, action),
            methods=["POST"],
            name=action,
            summary=f"{action.capitalize()} an alert",
            description="Send the version you saw as If-Match; when somebody was faster you get 409 with the present "
            "state. An Idempotency-Key makes repeating harmless.",
            responses=answers(AlertView, "The alert afterwards", 404, 409, 413, 415, headers=_ETAG),
            openapi_extra=takes(
                ACTION_BODIES[action],
                is_required=action in ("assign", "snooze", "contact", "resolve", "comment"),
                example=_EXAMPLES[action],
            ),
            response_class=Response,
        )
    return router


def _command_route(pool: Any, guard: Guard, clock: Clock, action: str) -> Callable[..., Awaitable[Response]]:
    async def command_route(
        request: Request,
        alert_id: str,
        principal: Annotated[Principal, Depends(guard.needs("alerts:write"))],
        if_match: Annotated[
            str | None, Header(description="The ETag of the version you saw.", pattern=_ETAG_PATTERN)
        ] = None,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,  # noqa: ARG001 - read in `once`
    ) -> Response:
        _check_scope(principal, action)
        body = await read_body(request, _DECODERS[action], empty=b"{}")
        seen = _version(if_match)
        async with transaction(pool) as connection:

            async def act() -> Response:
                alert = (await store.lock(connection, [alert_id])).get(alert_id)
                if alert is None or not _is_shown(alert, principal):
                    raise _unknown(alert_id)
                if seen is not None and seen != alert.version:
                    raise _conflict(alert, f"you saw version {seen}, it is {alert.version} now")
                after, steps = alert, []
                try:
                    for event in decide(alert, body.command(), principal.name, clock.now()):
                        after = fold(after, event)
                        steps.append((after, event))
                except ConflictError as conflict:
                    raise _conflict(alert, str(conflict)) from conflict
                except CommandError as error:
                    raise ProblemError(422, error.reason, pointer=error.pointer) from error
                await store.append(connection, steps)
                await audit(
                    connection,
                    principal,
                    f"alert.{action}",
                    "alert",
                    [alert_id],
                    request_id=correlation_id.get(),
                    detail=body,
                )
                return await _answer(connection, after)

            return await once(connection, request, principal, act)

    return command_route


def _check_scope(principal: Principal, action: str) -> None:
    scope = _ACTION_SCOPES.get(action, "alerts:write")
    if not principal.may(scope):
        raise ProblemError(403, f"{action} needs the scope {scope}, which {principal.role} keys do not have here")


def _is_shown(alert: Alert, principal: Principal) -> bool:
    return not alert.is_held_out or principal.may("holdout:read")


async def _answer(connection: Any, alert: Alert) -> Response:
    known = await store.who_is(connection, [alert.customer_id])
    return json_response(
        alert_view(alert, known.get(alert.customer_id, NOBODY_KNOWN)), headers={"ETag": f'"{alert.version}"'}
    )


def _unknown(alert_id: str) -> ProblemError:
    return ProblemError(404, f"no alert {alert_id[:128]}")


def _conflict(alert: Alert, detail: str) -> ProblemError:
    return ProblemError(
        409, detail, headers={"ETag": f'"{alert.version}"'}, present=msgspec.to_builtins(alert_view(alert))
    )


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    return int(if_match.strip().removeprefix("W/").strip('"'))
