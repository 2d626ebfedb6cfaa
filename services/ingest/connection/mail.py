"""Mail connections: an SMTP listener or a polled mailbox for each connection of provider `smtp` that asks for one.

Settings of such a connection: `listen_port` (and `listen_host`, `tls_certificate`, `tls_key`) for the listener;
`imap_host`, `imap_username` (and `imap_port`, `imap_folder`) with the credential `imap_password` for the mailbox.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from services.ingest.channel.email.imap_poller import ImapPoller, Mailbox, Position
from services.ingest.channel.email.smtp_listener import Accept, SmtpListener
from services.ingest.connection.decide import decide
from services.ingest.connection.model import Connection
from services.ingest.event.send import EventSender
from services.ingest.metrics import IngestMetrics
from services.ingest.trace import request_traceparent
from shared.clock import Clock
from shared.contracts.event import EventBase
from shared.ids import CustomerId


class PositionFile:
    """A mailbox's position in a small file of the service's state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Position | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None

    async def save(self, position: Position) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(position))
        temporary.replace(self._path)


class MailDoors:
    """Runs the listeners and pollers of the configured connections."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        sender: EventSender,
        known_handles: Mapping[str, CustomerId],
        metrics: IngestMetrics,
        clock: Clock,
        state_dir: Path,
    ) -> None:
        self._connections = [connection for connection in connections.values() if connection.provider == "smtp"]
        self._sender = sender
        self._known = known_handles
        self._metrics = metrics
        self._clock = clock
        self._state_dir = state_dir

    @asynccontextmanager
    async def open(self) -> AsyncIterator[dict[str, int]]:
        """Run every door inside the block; yields the listeners' ports by connection."""
        stop = asyncio.Event()
        listeners: dict[str, SmtpListener] = {}
        ports: dict[str, int] = {}
        pollers: list[asyncio.Task[None]] = []
        try:
            for connection in self._connections:
                settings = connection.settings
                if "listen_port" in settings:
                    listener = self._listener(connection)
                    host = str(settings.get("listen_host", "127.0.0.1"))
                    ports[connection.id] = await listener.start(host, int(settings["listen_port"]))
                    listeners[connection.id] = listener
                if "imap_host" in settings:
                    pollers.append(asyncio.create_task(self._poller(connection).run(stop)))
            yield ports
        finally:
            stop.set()
            for listener in listeners.values():
                await listener.stop()
            await asyncio.gather(*pollers)

    def _listener(self, connection: Connection) -> SmtpListener:
        settings, tls = connection.settings, None
        if "tls_certificate" in settings:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(str(settings["tls_certificate"]), str(settings.get("tls_key") or "") or None)
        return SmtpListener(self._accept(connection), {**settings, **connection.credentials}, self._clock, tls=tls)

    def _poller(self, connection: Connection) -> ImapPoller:
        settings, credentials = connection.settings, connection.credentials
        mailbox = Mailbox(
            host=str(settings["imap_host"]),
            username=str(settings.get("imap_username", "")),
            password=str(credentials.get("imap_password", "")),
            folder=str(settings.get("imap_folder", "INBOX")),
            port=int(settings.get("imap_port", 993)),
            tls=ssl.create_default_context(),
        )
        store = PositionFile(self._state_dir / "ingest" / f"mailbox-{connection.id}.json")
        return ImapPoller(mailbox, self._accept(connection), store, {**settings, **credentials}, self._clock)

    def _accept(self, connection: Connection) -> Accept:
        async def accept(events: Sequence[EventBase]) -> None:
            now = self._clock.now()
            delivery = decide(events, connection.id, now, self._known)
            await self._sender.send(delivery.accepted, request_traceparent({}))
            self._metrics.connection_events.labels(connection=connection.id, outcome="accepted").inc(
                len(delivery.accepted)
            )
            self._metrics.connection_seen.labels(connection=connection.id).set(now.timestamp())
            for reason, n in delivery.left_out.items():
                self._metrics.connection_ignored.labels(connection=connection.id, reason=reason).inc(n)

        return accept
