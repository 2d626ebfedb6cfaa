"""Policies over HTTP: assignment rules, escalation policies, routing rules and calendars, kept and changed alike."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import Struct, structs
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.idempotency import IdempotencyKey, once
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.openapi import answers, json_response, read_body, takes
from services.api.policy import store
from services.api.policy.hours import check
from services.api.policy.model import AssignmentRule, Calendar, EscalationPolicy, PolicyKind
from services.api.policy.schemas import (
    AssignmentRuleList,
    AssignmentRuleView,
    CalendarList,
    CalendarView,
    EscalationPolicyList,
    EscalationPolicyView,
    Policy,
    RoutingRule,
    RoutingRuleList,
    RoutingRuleView,
)
from shared.clock import Clock
from shared.errors import Reject
from shared.ids import new_request_id
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError


class _Room(NamedTuple):
    """One kind of policy and the words for it."""

    kind: PolicyKind
    path: str
    noun: str
    prefix: str
    view: type[Struct]
    page: type[Struct]
    example: dict[str, Any]


_ROOMS = (
    _Room(
        "assignment",
        "/v1/assignment-rules",
        "an assignment rule",
        "ar_",
        AssignmentRuleView,
        AssignmentRuleList,
        {"name": "Gold customers", "assignees": ["li.na", "wang.wei"], "match": {"tiers": ["gold", "platinum"]}},
    ),
    _Room(
        "escalation",
        "/v1/escalation-policies",
        "an escalation policy",
        "es_",
        EscalationPolicyView,
        EscalationPolicyList,
        {
            "name": "Critical",
            "match": {"severities": ["critical"]},
            "acknowledge_within_minutes": 30,
            "steps": [{"after_minutes": 60, "unless": "acknowledged", "assign_to": "team.lead"}],
        },
    ),
    _Room(
        "routing",
        "/v1/routing-rules",
        "a routing rule",
        "rr_",
        RoutingRuleView,
        RoutingRuleList,
        {"name": "Billing to finance", "match": {"causes": ["billing"]}, "endpoint_ids": ["ep_1"]},
    ),
    _Room(
        "calendar",
        "/v1/calendars",
        "a calendar",
        "cal_",
        CalendarView,
        CalendarList,
        {
            "name": "Shanghai office",
            "time_zone": "Asia/Shanghai",
            "country": "CN",
            "hours": {"monday": [{"start": "09:00", "end": "18:00"}]},
            "working_days": ["2027-02-14"],
        },
    ),
)
MODELS: tuple[type[Any], ...] = (
    *store.TYPES.values(),
    *(model for room in _ROOMS for model in (room.view, room.page)),
)


def policy_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["policies"], default_response_class=Response)
    for room in _ROOMS:
        _add(router, room, pool, guard, clock)
    return router


def _add(router: APIRouter, room: _Room, pool: Any, guard: Guard, clock: Clock) -> None:
    reader = Annotated[Principal, Depends(guard.needs("policies:read"))]
    writer = Annotated[Principal, Depends(guard.needs("policies:write"))]
    body_type = store.TYPES[room.kind]
    decoder = msgspec.json.Decoder(body_type)
    body_docs = takes(body_type, example=room.example)

    async def note(connection: Any, principal: Principal, action: str, policy_id: str, detail: object = None) -> None:
        await audit(
            connection,
            principal,
            f"{room.kind}.{action}",
            "policy",
            [policy_id],
            request_id=correlation_id.get(),
            detail=detail,
        )

    async def list_policies(_: reader) -> Response:
        async with reading(pool) as connection:
            kept = await store.list_all(connection, room.kind)
        return json_response({"items": [_view(room, policy) for policy in kept]})

    async def add(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        policy: Policy = await read_body(request, decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                policy_id = f"{room.prefix}{new_request_id()[:20]}"
                await _check(connection, policy)
                await store.insert(connection, policy_id, room.kind, policy, principal.name, clock.now())
                await note(connection, principal, "create", policy_id, policy)
                return json_response(_view(room, await _known(connection, room, policy_id)), 201)

            return await once(connection, request, principal, act)

    async def one(_: reader, policy_id: str) -> Response:
        async with reading(pool) as connection:
            return json_response(_view(room, await _known(connection, room, policy_id)))

    async def put(request: Request, policy_id: str, principal: writer) -> Response:
        policy: Policy = await read_body(request, decoder)
        async with transaction(pool) as connection:
            await _known(connection, room, policy_id)
            await _check(connection, policy)
            await store.replace(connection, policy_id, room.kind, policy, clock.now())
            await note(connection, principal, "change", policy_id, policy)
            return json_response(_view(room, await _known(connection, room, policy_id)))

    async def remove(policy_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            if not await store.delete(connection, policy_id, room.kind):
                raise _unknown(room, policy_id)
            await note(connection, principal, "delete", policy_id)
        return Response(status_code=204)

    def route(
        path: str, method: str, endpoint: Callable[..., Awaitable[Response]], summary: str, **options: Any
    ) -> None:
        router.add_api_route(
            f"{room.path}{path}",
            endpoint,
            methods=[method],
            name=f"{endpoint.__name__} {room.kind}",
            summary=summary,
            response_class=Response,
            **options,
        )

    route("", "GET", list_policies, f"List: {room.noun} each", responses=answers(room.page, "All, in order"))
    route(
        "",
        "POST",
        add,
        f"Add {room.noun}",
        responses=answers(room.view, "As it is kept", 413, 415, status=201),
        openapi_extra=body_docs,
        status_code=201,
    )
    route("/{policy_id}", "GET", one, f"One: {room.noun}", responses=answers(room.view, "As it is kept", 404))
    route(
        "/{policy_id}",
        "PUT",
        put,
        f"Replace {room.noun}",
        responses=answers(room.view, "As it is kept now", 404, 413, 415),
        openapi_extra=body_docs,
    )
    route(
        "/{policy_id}",
        "DELETE",
        remove,
        f"Remove {room.noun}",
        responses=answers(None, "Removed", 404, status=204),
        status_code=204,
    )


async def _check(connection: Any, policy: Policy) -> None:
    match policy:
        case Calendar():
            try:
                check(policy)
            except Reject as reject:
                raise ProblemError(422, reject.reason, pointer=reject.pointer) from reject
        case RoutingRule(endpoint_ids=wanted):
            known = await store.known_endpoints(connection, wanted)
            for number, endpoint_id in enumerate(wanted):
                if endpoint_id not in known:
                    raise ProblemError(422, "no such notification endpoint", pointer=f"/endpoint_ids/{number}")
        case EscalationPolicy(calendar_id=str() as calendar_id):
            if await store.get(connection, calendar_id, "calendar") is None:
                raise ProblemError(422, "no such calendar", pointer="/calendar_id")
        case EscalationPolicy() | AssignmentRule():
            return


async def _known(connection: Any, room: _Room, policy_id: str) -> store.KeptPolicy:
    kept = await store.get(connection, policy_id, room.kind)
    if kept is None:
        raise _unknown(room, policy_id)
    return kept


def _unknown(room: _Room, policy_id: str) -> ProblemError:
    return ProblemError(404, f"{room.noun} {policy_id[:128]} is not known")


def _view(room: _Room, kept: store.KeptPolicy) -> Struct:
    known = {name: value for name, value in structs.asdict(kept).items() if name != "policy"}
    if room.kind != "assignment":
        del known["n_assigned"]
    return room.view(**structs.asdict(kept.policy), **known)
