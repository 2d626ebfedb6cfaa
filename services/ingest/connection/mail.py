"""Mail connections: an SMTP listener or a polled mailbox for each connection of provider `smtp` that asks for one.

Settings of such a connection: `listen_port` (and `listen_host`, `tls_certificate`, `tls_key`) for the listener;
`imap_host`, `imap_username` (and `imap_port`, `imap_folder`) with the credential `imap_password` for the mailbox.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from services.ingest.channel.email.imap_poller import ImapPoller, Mailbox, Position
from services.ingest.channel.email.smtp_listener import Accept, SmtpListener
from services.ingest.channel.ports import setting
from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.decide import decide
from services.ingest.connection.figures import Figures
from services.ingest.event.send import EventSender
from services.ingest.identity.resolve import KnownHandles
from services.ingest.metrics import IngestMetrics
from services.ingest.trace import request_traceparent
from shared.background import endless
from shared.clock import Clock
from shared.connection.document import Connection, ConnectionsError
from shared.connection.provider import port_of
from shared.contracts.event import EventBase

log = logging.getLogger(__name__)

# No server numbers its mailboxes so: UIDs of another validity count from the beginning.
_NO_VALIDITY = -1


class PositionFile:
    """A mailbox's position in a small file of the service's state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Position | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            # The machine stopped while it was written. No mail is missed, and what was taken before is known by its id.
            extra = {"action": "mail_position_unreadable", "path": str(self._path), "error": str(error)}
            log.warning("reading the mailbox from its beginning", extra=extra)
            return Position(_NO_VALIDITY, 0)

    async def save(self, position: Position) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(position))
        temporary.replace(self._path)


@dataclass(frozen=True, slots=True)
class _RunningPoller:
    connection: Connection
    stop: asyncio.Event
    task: asyncio.Task[None]


class MailDoors:
    """Runs the listeners of the file's connections, and the pollers of all that are in force."""

    def __init__(
        self,
        book: ConnectionBook,
        sender: EventSender,
        known_handles: KnownHandles,
        figures: Figures,
        metrics: IngestMetrics,
        clock: Clock,
        state_dir: Path,
    ) -> None:
        self._book = book
        self._sender = sender
        self._known = known_handles
        self._figures = figures
        self._metrics = metrics
        self._clock = clock
        self._state_dir = state_dir
        self._pollers: dict[str, _RunningPoller] = {}
        self._refused: dict[str, Connection] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[dict[str, int]]:
        """Run every door inside the block; yields the listeners' ports by connection.

        Raises `ConnectionsError` for a listener that has no port. A mailbox whose settings cannot be used is refused
        alone: told in the log and among the connection's figures, and taken up when they are changed.
        """
        listeners: list[SmtpListener] = []
        ports: dict[str, int] = {}
        try:
            for connection in self._book.known.values():
                if connection.provider == "smtp" and not connection.settings.keys() & {"listen_port", "imap_host"}:
                    extra = {"action": "mail_without_door", "connection": connection.id}
                    log.warning("no mail comes in: neither listen_port nor imap_host is set", extra=extra)
                if connection.provider == "smtp" and "listen_port" in connection.settings:
                    port, listener = _port(connection, "listen_port"), self._listener(connection)
                    host = str(connection.settings.get("listen_host", "127.0.0.1"))
                    ports[connection.id] = await listener.start(host, port)
                    listeners.append(listener)
            watch = asyncio.create_task(endless("mailboxes", self._keep_polling()))
            try:
                yield ports
            finally:
                watch.cancel()
                await asyncio.gather(watch, *self._end(set(self._pollers)), return_exceptions=True)
        finally:
            for listener in listeners:
                await listener.stop()

    async def _keep_polling(self) -> None:
        while True:
            self._book.changed.clear()
            wanted = {
                one.id: one
                for one in self._book.known.values()
                if one.provider == "smtp" and "imap_host" in one.settings
            }
            gone = {known for known, running in self._pollers.items() if wanted.get(known) != running.connection}
            # An ended poller has let go of its position file before another one takes it up.
            await asyncio.gather(*self._end(gone))
            for connection in wanted.values():
                if connection.id not in self._pollers:
                    self._begin(connection)
            await self._book.changed.wait()

    def _begin(self, connection: Connection) -> None:
        try:
            poller = self._poller(connection)
        except ConnectionsError as error:
            if self._refused.get(connection.id) != connection:
                self._refused[connection.id] = connection
                self._figures.rejected(connection.id, str(error), str(error), self._clock.now())
                extra = {"action": "mailbox_refused", "connection": connection.id, "reason": str(error)}
                log.error("a mailbox's settings cannot be used", extra=extra)
            return
        stop = asyncio.Event()
        self._pollers[connection.id] = _RunningPoller(connection, stop, asyncio.create_task(poller.run(stop)))

    def _end(self, connection_ids: set[str]) -> list[asyncio.Task[None]]:
        ended = [self._pollers.pop(connection_id) for connection_id in connection_ids]
        for poller in ended:
            poller.stop.set()
        return [poller.task for poller in ended]

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
            # During a rotation the first is in force.
            password=setting(credentials, "imap_password") or "",
            folder=str(settings.get("imap_folder", "INBOX")),
            port=_port(connection, "imap_port") if "imap_port" in settings else 993,
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
            self._figures.received(connection.id, now)
            self._metrics.ignored(connection.id, delivery.left_out)

        return accept


def _port(connection: Connection, name: str) -> int:
    """Return a setting that is a port. Raises `ConnectionsError`."""
    port = port_of(connection.settings[name])
    if port is None:
        raise ConnectionsError(f"{connection.id}: {name} is a port, 1 to 65535, not {connection.settings[name]!r:.80}")
    return port
