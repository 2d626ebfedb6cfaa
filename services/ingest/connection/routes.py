"""/v1/channels/{connection}: what providers call. Verified, parsed, published, then acknowledged."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.channel import CHANNELS, ChannelRequest, PayloadError, SignatureError
from services.ingest.connection.model import Connection
from services.ingest.event.body import BodyError, read_body
from services.ingest.event.decide import Accepted, stamp
from services.ingest.event.send import EventSender
from services.ingest.metrics import IngestMetrics
from services.ingest.problem import problem
from services.ingest.trace import request_traceparent, trace_id
from shared.clock import Clock
from shared.contracts.event import EventBase
from shared.errors import Reject, Unavailable
from shared.ids import CustomerId
from shared.logs import correlation_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """How providers see this service: a fixed base URL, or forwarded headers believed from trusted proxies alone."""

    base_url: str
    trusted_proxies: frozenset[str]

    def url_of(self, request: Request) -> str:
        """Return the URL the provider called, which some of them sign."""
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if self.base_url:
            return self.base_url.rstrip("/") + target
        scheme, host = request.url.scheme, request.url.netloc
        if request.client is not None and request.client.host in self.trusted_proxies:
            scheme = request.headers.get("x-forwarded-proto", scheme).partition(",")[0].strip()
            host = request.headers.get("x-forwarded-host", host).partition(",")[0].strip()
        return f"{scheme}://{host}{target}"


class ChannelDoor:
    """Takes deliveries of the configured connections."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        sender: EventSender,
        address: PublicAddress,
        known_handles: Mapping[str, CustomerId],
        metrics: IngestMetrics,
        clock: Clock,
    ) -> None:
        self._connections = connections
        self._sender = sender
        self._address = address
        self._known = known_handles
        self._metrics = metrics
        self._clock = clock

    async def deliver(self, request: Request) -> Response:
        traceparent = request_traceparent(request.headers)
        correlation_id.set(trace_id(traceparent))
        connection = self._connections.get(request.path_params["connection"])
        if connection is None:
            return problem(404, "no connection has this id")
        try:
            body = await read_body(request)
        except BodyError as error:
            return problem(error.status, error.detail)
        channel = CHANNELS[connection.provider]
        seen = ChannelRequest(
            method=request.method,
            url=self._address.url_of(request),
            headers=request.headers.items(),
            query=request.query_params.multi_items(),
            body=body,
            received_at=self._clock.now(),
        )
        try:
            if (answer := channel.challenge(seen, connection.credentials)) is not None:
                self._count(connection, "challenge")
                return Response(answer.body, status_code=answer.status, media_type=answer.media_type)
            channel.verify(seen, connection.credentials)
            events = channel.parse(seen, connection.credentials)
        except SignatureError as error:
            return self._refuse(connection, 401, "signature", error.reason)
        except PayloadError as error:
            return self._refuse(connection, 400, "payload", error.reason)
        return await self._publish(connection, events, seen, traceparent)

    async def _publish(
        self, connection: Connection, events: list[EventBase], seen: ChannelRequest, traceparent: str
    ) -> Response:
        self._metrics.connection_seen.labels(connection=connection.id).set(seen.received_at.timestamp())
        if not events:
            self._count(connection, "ignored")
            return Response(status_code=200)
        try:
            accepted = self._stamped(events, seen)
            await self._sender.send(accepted, traceparent)
        except Reject as reject:
            return self._refuse(connection, 422, "event", f"{reject.pointer}: {reject.reason}")
        except Unavailable as error:
            self._count(connection, "unavailable")
            return problem(503, str(error), {"Retry-After": str(math.ceil(error.retry_after_s))})
        self._count(connection, "accepted")
        return Response(status_code=200)

    def _stamped(self, events: list[EventBase], seen: ChannelRequest) -> list[Accepted]:
        return [stamp(event, seen.received_at, self._known) for event in events]

    def _refuse(self, connection: Connection, status: int, kind: str, reason: str) -> Response:
        self._count(connection, kind)
        log.warning(
            "delivery refused",
            extra={"action": "delivery_refused", "connection": connection.id, "kind": kind, "reason": reason},
        )
        # The log says why; a forger learns nothing.
        return problem(status, "the signature does not verify" if status == 401 else reason)

    def _count(self, connection: Connection, outcome: str) -> None:
        self._metrics.connection_events.labels(connection=connection.id, outcome=outcome).inc()


def channel_routes(door: ChannelDoor) -> list[Route]:
    return [Route("/v1/channels/{connection}", door.deliver, methods=["GET", "POST"])]
