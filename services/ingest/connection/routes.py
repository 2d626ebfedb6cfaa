"""/v1/channels/{connection}: what providers call. Verified, read, published, then acknowledged."""

import logging
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.channel import CHANNELS, ChannelParse, ChannelRequest, PayloadError, SignatureError
from services.ingest.channel.phone.amazon_connect import AmazonConnect
from services.ingest.channel.ports import Credentials
from services.ingest.connection.amazon import AmazonSns
from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.decide import Delivery, decide
from services.ingest.connection.figures import Figures
from services.ingest.connection.replays import ReplayGuard
from services.ingest.event.body import BodyError, OpenBodies
from services.ingest.event.send import EventSender
from services.ingest.identity.resolve import KnownHandles
from services.ingest.metrics import IngestMetrics
from services.ingest.trace import request_traceparent, trace_id
from shared.clock import Clock
from shared.connection.document import Connection, Secret
from shared.connection.seal import TEST_HEADER, SecretsKey
from shared.errors import Unavailable
from shared.logs import correlation_id
from shared.problem import problem
from shared.proxies import TrustedProxies

log = logging.getLogger(__name__)

# Mailgun's own window, the longest of those whose signature leaves the body out.
_REPLAY_WINDOW_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """How providers see this service: a fixed base URL, or forwarded headers believed from trusted proxies alone."""

    base_url: str
    trusted_proxies: TrustedProxies

    def url_of(self, request: Request) -> str:
        """Return the URL the provider called, which some of them sign."""
        # The path as it came: decoding and encoding it again would change what was signed.
        raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        target = raw_path.partition(b"?")[0].decode("latin-1")
        if query := request.scope["query_string"]:
            target += "?" + query.decode("utf-8", "replace")
        if self.base_url:
            return self.base_url.rstrip("/") + target
        if request.client is not None and request.client.host in self.trusted_proxies:
            called = request.url
            scheme = request.headers.get("x-forwarded-proto", called.scheme).partition(",")[0].strip()
            host = request.headers.get("x-forwarded-host", called.netloc).partition(",")[0].strip()
            return f"{scheme}://{host}{target}"
        scheme, host = request.scope["scheme"], request.headers.get("host") or request.url.netloc
        return f"{scheme}://{host}{target}"


class ChannelDoor:
    """Takes deliveries of the configured connections."""

    def __init__(
        self,
        book: ConnectionBook,
        key: SecretsKey | None,
        figures: Figures,
        amazon: AmazonSns,
        sender: EventSender,
        bodies: OpenBodies,
        address: PublicAddress,
        known_handles: KnownHandles,
        metrics: IngestMetrics,
        clock: Clock,
    ) -> None:
        self._book = book
        self._key = key
        self._figures = figures
        self._amazon = amazon
        self._sender = sender
        self._bodies = bodies
        self._address = address
        self._known = known_handles
        self._metrics = metrics
        self._clock = clock
        self._replays = ReplayGuard(_REPLAY_WINDOW_S)

    async def deliver(self, request: Request) -> Response:
        traceparent = request_traceparent(request.headers)
        correlation_id.set(trace_id(traceparent))
        try:
            connection = await self._book.find(request.path_params["connection"])
        except Unavailable as error:
            return try_again(error)
        if connection is None:
            return problem(404, "no connection has this id")
        if connection.provider == "smtp":
            return problem(404, "this connection takes mail, by SMTP or from a mailbox; nothing comes in here")
        try:
            async with self.read(request) as seen:
                if (mark := request.headers.get(TEST_HEADER)) is not None:
                    return self._rehearse(connection, seen, mark)
                return await self.take(connection, seen, traceparent)
        except BodyError as error:
            if error.status == 503:
                self._count(connection, "unavailable")
                return error.answer()
            return self._refuse(connection, error.status, "body", error.detail)

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[ChannelRequest]:
        """Yield the request as its sender made it; its body is open until the block ends. Raises `BodyError`."""
        async with self._bodies.read(request) as body:
            yield ChannelRequest(
                method=request.method,
                url=self._address.url_of(request),
                headers=request.headers.items(),
                body=body,
                received_at=self._clock.now(),
            )

    async def take(self, connection: Connection, seen: ChannelRequest, traceparent: str) -> Response:
        """Return the answer to a delivery; 200 once the broker has what it held."""
        try:
            return await self._take(connection, seen, traceparent)
        except Unavailable as error:
            self._count(connection, "unavailable")
            return try_again(error)

    async def _take(self, connection: Connection, seen: ChannelRequest, traceparent: str) -> Response:
        channel = CHANNELS[connection.provider]
        settings = await self._known_to_verify(connection, seen)
        now_s = self._clock.monotonic()
        try:
            if (answer := channel.challenge(seen, settings)) is not None:
                self._count(connection, "challenge")
                return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)
            channel.verify(seen, settings)
            replay_key = channel.replay_key(seen)
            if replay_key is not None and not self._replays.allows(connection.id, replay_key, seen.body, now_s):
                return self._refuse(connection, 401, "signature", "the signature was used for another body")
            parsed = channel.read(seen, settings)
        except SignatureError as error:
            return self._refuse(connection, 401, "signature", error.reason)
        except PayloadError as error:
            return self._refuse(connection, 400, "payload", ": ".join(filter(None, (error.pointer, error.reason))))
        if isinstance(channel, AmazonConnect) and (address := channel.confirmation_address(seen)) is not None:
            await self._amazon.confirm(address)
            self._count(connection, "challenge")
            return Response(status_code=200)
        delivery = decide(parsed.events, connection.id, seen.received_at, self._known)
        await self._publish(connection, delivery, parsed.ignored, traceparent)
        if replay_key is not None:
            self._replays.remember(connection.id, replay_key, seen.body, now_s)
        if parsed.refused:
            return self._told_in_part(connection, delivery, parsed.refused)
        return Response(status_code=200)

    def _told_in_part(self, connection: Connection, delivery: Delivery, refused: list[PayloadError]) -> Response:
        """Answer 200, or the good elements of the list would come again, and say which ones were not understood."""
        first = refused[0]
        self._note_refusal(connection, "payload", f"{first.pointer}: {first.reason}", len(refused))
        told = [{"pointer": error.pointer, "reason": error.reason} for error in refused]
        answer = {"accepted": len(delivery.accepted), "rejected": told}
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def _known_to_verify(self, connection: Connection, seen: ChannelRequest) -> Credentials:
        """Return what verifying needs: the connection's credentials, and for Amazon the certificate of the message.

        Raises `Unavailable` when Amazon does not answer.
        """
        channel, settings = CHANNELS[connection.provider], settings_of(connection)
        if not isinstance(channel, AmazonConnect):
            return settings
        address = channel.certificate_address(seen, settings)
        if address is None or address in connection.settings.get("signing_certificates", ()):
            return settings
        pem = await self._amazon.certificate(address)
        return settings if pem is None else {**settings, "signing_certificates": {address: pem}}

    def _rehearse(self, connection: Connection, seen: ChannelRequest, mark: str) -> Response:
        """Answer a test of the API's: what would become of the delivery, told openly; nothing is kept or counted."""
        if self._key is None or not self._key.is_marked(mark, connection.id, seen.body):
            detail = f"{TEST_HEADER} does not verify: the API and ingest need the same secrets key"
            return problem(401, detail)
        channel, settings = CHANNELS[connection.provider], settings_of(connection)
        try:
            channel.verify(seen, settings)
            parsed: ChannelParse = channel.read(seen, settings)
        except SignatureError as error:
            return problem(401, error.reason)
        except PayloadError as error:
            return problem(400, error.reason)
        delivery = decide(parsed.events, connection.id, seen.received_at, self._known)
        left_out = parsed.ignored + delivery.left_out
        if parsed.refused:
            left_out["refused"] = len(parsed.refused)
        told = {"n_events": len(delivery.accepted), "left_out": dict(left_out)}
        return Response(msgspec.json.encode(told), media_type="application/json")

    async def _publish(
        self, connection: Connection, delivery: Delivery, ignored: Counter[str], traceparent: str
    ) -> None:
        await self._sender.send(delivery.accepted, traceparent)
        self._figures.received(connection.id, self._clock.now())
        self._count(connection, "accepted", len(delivery.accepted))
        self._metrics.ignored(connection.id, ignored + delivery.left_out)

    def _refuse(self, connection: Connection, status: int, kind: str, reason: str) -> Response:
        self._note_refusal(connection, kind, reason)
        # The log says why; a forger learns nothing.
        return problem(status, "the signature does not verify" if status == 401 else reason)

    def _note_refusal(self, connection: Connection, kind: str, reason: str, n: int = 1) -> None:
        self._count(connection, kind, n)
        counted = reason if kind == "signature" else _REFUSALS[kind]
        self._figures.rejected(connection.id, counted, reason, self._clock.now())
        log.warning(
            "delivery refused",
            extra={"action": "delivery_refused", "connection": connection.id, "kind": kind, "reason": reason},
        )

    def _count(self, connection: Connection, outcome: str, n: int = 1) -> None:
        self._metrics.connection_events.labels(connection=connection.id, outcome=outcome).inc(n)


# What a refusal counts as where its reason may tell a position in the body.
_REFUSALS = {"payload": "the body cannot be understood", "body": "the body cannot be read"}


def settings_of(connection: Connection) -> dict[str, Secret]:
    """Return what an adapter is given of a connection."""
    return {**connection.settings, **connection.credentials}


def try_again(error: Unavailable) -> Response:
    """Return the answer that makes the sender keep what it has and come back."""
    return problem(503, str(error), {"Retry-After": str(math.ceil(error.retry_after_s))})


def channel_routes(door: ChannelDoor, metrics: IngestMetrics, clock: Clock) -> list[Route]:
    deliver = metrics.counting("channels", door.deliver, clock)
    return [Route("/v1/channels/{connection}", deliver, methods=["GET", "POST", "OPTIONS"])]
