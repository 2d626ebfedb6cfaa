"""Segment's own addresses, for its server libraries: /v1/track, /v1/identify, /v1/batch and the other calls.

The write key is the user of basic authentication, or `writeKey` in the body. It is the write key of a connection of
provider `segment`, whose figures then count, or an API key with role integrator.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.access.door import Door, basic_user
from services.ingest.channel import CHANNELS, ChannelRequest, PayloadError, SignatureError
from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.decide import decide
from services.ingest.connection.routes import ChannelDoor, settings_of, try_again
from services.ingest.event.body import BodyError
from services.ingest.event.send import EventSender
from services.ingest.identity.resolve import KnownHandles
from services.ingest.metrics import IngestMetrics
from services.ingest.trace import request_traceparent, trace_id
from shared.clock import Clock
from shared.connection.document import Connection
from shared.errors import Unavailable
from shared.logs import correlation_id
from shared.problem import problem

CALLS = ("track", "identify", "page", "screen", "group", "alias", "batch")


class _Keyed(msgspec.Struct):
    writeKey: str | None = None  # noqa: N815 - Segment's name


class SegmentDoor:
    def __init__(
        self,
        book: ConnectionBook,
        channels: ChannelDoor,
        door: Door,
        sender: EventSender,
        known_handles: KnownHandles,
    ) -> None:
        self._book = book
        self._channels = channels
        self._door = door
        self._sender = sender
        self._known = known_handles

    async def call(self, request: Request) -> Response:
        """Take one call or a batch; 200 once the broker has it."""
        traceparent = request_traceparent(request.headers)
        correlation_id.set(trace_id(traceparent))
        try:
            async with self._channels.read(request) as seen:
                return await self._take(seen, traceparent)
        except BodyError as error:
            return error.answer()

    async def _take(self, seen: ChannelRequest, traceparent: str) -> Response:
        connection = self._connection_of(seen)
        if connection is not None:
            answer = await self._channels.take(connection, seen, traceparent)
            return _done() if answer.status_code == 200 else answer
        return await self._take_with_api_key(seen, traceparent)

    async def _take_with_api_key(self, seen: ChannelRequest, traceparent: str) -> Response:
        admission = await self._door.admit_key(basic_user(seen.header("authorization") or "") or _write_key(seen.body))
        if isinstance(admission, Response):
            return admission
        try:
            parsed = CHANNELS["segment"].read(seen, {})
        except PayloadError as error:
            return problem(400, error.reason, pointer=error.pointer)
        if (limited := self._door.limit(admission, max(1, len(parsed.events)))) is not None:
            return limited
        delivery = decide(parsed.events, None, seen.received_at, self._known)
        try:
            await self._sender.send(delivery.accepted, traceparent)
        except Unavailable as error:
            return try_again(error)
        return _done()

    def _connection_of(self, seen: ChannelRequest) -> Connection | None:
        """Return the Segment connection whose write key the call carries."""
        for connection in self._book.known.values():
            if connection.provider != "segment":
                continue
            try:
                CHANNELS["segment"].verify(seen, settings_of(connection))
            except SignatureError:
                continue
            return connection
        return None


def segment_routes(door: SegmentDoor, metrics: IngestMetrics, clock: Clock) -> list[Route]:
    call = metrics.counting("segment", door.call, clock)
    return [Route(f"/v1/{name}", call, methods=["POST"]) for name in CALLS]


def _write_key(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Keyed).writeKey
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _done() -> Response:
    return Response(b'{"success":true}', media_type="application/json")
