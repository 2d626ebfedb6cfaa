"""POST /v1/events: one event, an array, NDJSON, or CloudEvents; 202 once the broker has every accepted one."""

import math
from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.access.door import Door
from services.ingest.event.body import BodyError, OpenBodies
from services.ingest.event.cloudevents import BATCH, STRUCTURED, from_binary, from_structured, is_binary
from services.ingest.event.decide import MAX_EVENTS, Rejected, Verdict, decide
from services.ingest.event.send import EventSender
from services.ingest.event.split import split_json, split_ndjson
from services.ingest.identity.resolve import KnownHandles
from services.ingest.metrics import IngestMetrics
from services.ingest.trace import request_traceparent, trace_id
from shared.clock import Clock
from shared.errors import Reject, Unavailable
from shared.logs import correlation_id
from shared.postgres.api_keys import ApiKeyRow
from shared.problem import problem

_NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})


def event_routes(
    sender: EventSender,
    door: Door,
    bodies: OpenBodies,
    known_handles: KnownHandles,
    metrics: IngestMetrics,
    clock: Clock,
) -> list[Route]:
    """Return the route; `known_handles` is the live map of handles to customers."""

    async def post_events(request: Request) -> Response:
        traceparent = request_traceparent(request.headers)
        correlation_id.set(trace_id(traceparent))
        admission = await door.admit(request)
        if isinstance(admission, Response):
            return admission
        try:
            async with bodies.read(request) as body:
                return await take(request, body, admission, traceparent)
        except BodyError as error:
            return error.answer()

    async def take(request: Request, body: bytes, key: ApiKeyRow, traceparent: str) -> Response:
        try:
            raw_events, convert = split_request(request.headers, body)
        except Reject as reject:
            return _none_valid([Rejected(0, reject.pointer, reject.reason)])
        if len(raw_events) > MAX_EVENTS:
            return problem(413, f"a request has at most {MAX_EVENTS} events")
        if (limited := door.limit(key, len(raw_events))) is not None:
            return limited
        verdict = _decide(raw_events, convert, clock, known_handles)
        if not verdict.accepted and verdict.rejected:
            door.count_rejected("events", len(verdict.rejected))
            return _none_valid(verdict.rejected)
        try:
            await sender.send(verdict.accepted, traceparent)
        except Unavailable as error:
            return problem(503, str(error), {"Retry-After": str(math.ceil(error.retry_after_s))})
        door.count_rejected("events", len(verdict.rejected))
        return Response(
            msgspec.json.encode({"accepted": len(verdict.accepted), "rejected": verdict.rejected}),
            status_code=202,
            media_type="application/json",
            headers={"X-Correlation-Id": trace_id(traceparent)},
        )

    return [Route("/v1/events", metrics.counting("events", post_events, clock), methods=["POST"])]


Convert = Callable[[bytes], bytes]


def split_request(headers: Mapping[str, str], body: bytes) -> tuple[list[bytes], Convert | None]:
    """Return the raw events of a body and, for CloudEvents, what turns each into our event's JSON.

    Raises `Reject` when the body holds nothing that could be split.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == BATCH:
        return split_json(body), from_structured
    if content_type == STRUCTURED:
        return [body], from_structured
    if is_binary(headers):
        return [body], lambda raw: from_binary(headers, raw)
    if content_type in _NDJSON:
        return split_ndjson(body), None
    return split_json(body), None


def _decide(raw_events: list[bytes], convert: Convert | None, clock: Clock, known: KnownHandles) -> Verdict:
    if convert is None:
        return decide(raw_events, clock.now(), known)
    converted: list[bytes] = []
    indices: list[int] = []
    refused: list[Rejected] = []
    for index, raw in enumerate(raw_events):
        try:
            converted.append(convert(raw))
            indices.append(index)
        except Reject as reject:
            refused.append(Rejected(index, reject.pointer, reject.reason))
    verdict = decide(converted, clock.now(), known)
    refused += [Rejected(indices[one.index], one.pointer, one.reason) for one in verdict.rejected]
    verdict.rejected = sorted(refused, key=lambda one: one.index)
    return verdict


def _none_valid(rejected: list[Rejected]) -> Response:
    return problem(422, "no event of the request is valid", accepted=0, rejected=rejected)
