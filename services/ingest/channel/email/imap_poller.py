"""The IMAP door: a mailbox's new mails become events. Position is (UIDVALIDITY, last UID), never the \\Seen flag.

An edge around a blocking client in a thread. A mail counts as taken when `accept` returned and the position was saved;
a crash between the two delivers it again, and its Message-ID makes that harmless.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from services.ingest.channel.draft import at_most_present
from services.ingest.channel.email.smtp import Smtp
from services.ingest.channel.ports import ChannelRequest, Credentials, PayloadError
from shared.clock import Clock
from shared.contracts.event import EventBase
from shared.errors import Unavailable

log = logging.getLogger(__name__)

Accept = Callable[[Sequence[EventBase]], Awaitable[None]]
_BATCH = 20
_IDLE_SLICE_S = 2.0  # how long stopping may have to wait
# The last three are the library's, of answers it does not understand: one odd server ends nobody's polling.
_FAILURES = (IMAPClientError, OSError, EOFError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where to read. `idle_s` bounds the wait for a push; without IDLE, `poll_s` is the pause."""

    host: str
    username: str
    password: str
    folder: str = "INBOX"
    port: int = 993
    tls: ssl.SSLContext | None = None
    is_plain: bool = False
    idle_s: float = 600.0
    poll_s: float = 60.0
    timeout_s: float = 30.0
    size_bytes: int = 25_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """The last mail taken; UIDs mean nothing under another `validity`."""

    validity: int
    uid: int


class PositionStore(Protocol):
    """Keeps the position across restarts; one writer per mailbox."""

    async def load(self) -> Position | None: ...

    async def save(self, position: Position) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    uid: int
    raw: bytes


class ImapPoller:
    """Reads one mailbox from its position on; a first run starts at the mailbox's end unless `from_start`."""

    def __init__(
        self,
        mailbox: Mailbox,
        accept: Accept,
        store: PositionStore,
        credentials: Credentials,
        clock: Clock,
        *,
        from_start: bool = False,
    ) -> None:
        self._mailbox = mailbox
        self._accept = accept
        self._store = store
        self._credentials = credentials
        self._clock = clock
        self._from_start = from_start

    async def poll_once(self) -> int:
        """Take every new mail; return how many. Raises `Unavailable` when the mailbox or the broker does not answer."""
        position = await self._store.load()
        try:
            fetched = await asyncio.to_thread(self._fetch, position)
        except _FAILURES as error:
            raise Unavailable("mailbox", str(error)) from error
        start, mails = fetched
        for mail in mails:
            await self._take(mail)
            await self._store.save(Position(start.validity, mail.uid))
        if not mails and position != start:
            await self._store.save(start)
        return len(mails)

    async def run(self, stop: asyncio.Event, retry_s: float = 30.0) -> None:
        """Poll, then wait for a push (or `idle_s`), until `stop` is set; failures are logged and tried again."""
        while not stop.is_set():
            try:
                if await self.poll_once() == 0:
                    position = await self._store.load()
                    if not await asyncio.to_thread(self._is_pushed, stop, position):
                        await _sleep_or_stop(stop, self._mailbox.poll_s)
            except (Unavailable, *_FAILURES) as error:
                log.warning("mailbox unavailable", extra={"action": "mailbox_unavailable", "reason": str(error)})
                await _sleep_or_stop(stop, retry_s)
            except Exception:
                # A bug, of ours or of the library: it is told, and ends neither this mailbox nor the others.
                log.exception("mailbox failed", extra={"action": "mailbox_failed"})
                await _sleep_or_stop(stop, retry_s)

    async def _take(self, mail: Fetched) -> None:
        now = self._clock.now()
        request = ChannelRequest(body=mail.raw, received_at=now)
        try:
            events = await asyncio.to_thread(Smtp().parse, request, self._credentials)
        except PayloadError as error:
            log.warning("mail refused", extra={"action": "mail_refused", "uid": mail.uid, "reason": error.reason})
            return
        await self._accept([at_most_present(event, now) for event in events])

    def _fetch(self, position: Position | None) -> tuple[Position, list[Fetched]]:
        with self._session() as (client, validity, next_uid):
            if position is None and not self._from_start:
                return Position(validity, next_uid - 1), []
            last, newer = _newer(client, position, validity)
            found = newer[:_BATCH]
            mails = [mail for uid in found if (mail := self._fetch_one(client, uid)) is not None]
            return Position(validity, max([last, *found])), mails

    def _fetch_one(self, client: Any, uid: int) -> Fetched | None:
        """Return one mail without touching its flags; one that is too large is passed over and logged."""
        size = client.fetch([uid], ["RFC822.SIZE"]).get(uid, {}).get(b"RFC822.SIZE", 0)
        if size > self._mailbox.size_bytes:
            log.warning("mail too large", extra={"action": "mail_too_large", "uid": uid, "size_bytes": size})
            return None
        raw = client.fetch([uid], ["BODY.PEEK[]"]).get(uid, {}).get(b"BODY[]")
        return Fetched(uid, raw) if isinstance(raw, bytes) else None

    def _is_pushed(self, stop: asyncio.Event, position: Position | None) -> bool:
        """Wait with IDLE until something happens, `idle_s` passed or `stop` is set; False where IDLE is unknown."""
        with self._session() as (client, validity, _):
            if not client.has_capability("IDLE"):
                return False
            if _newer(client, position, validity)[1]:
                # It came after the last look and before this session: nobody will push it any more.
                return True
            client.idle()
            for _ in range(max(1, round(self._mailbox.idle_s / _IDLE_SLICE_S))):
                if stop.is_set() or client.idle_check(timeout=_IDLE_SLICE_S):
                    break
            client.idle_done()
            return True

    @contextmanager
    def _session(self) -> Iterator[tuple[Any, int, int]]:
        box = self._mailbox
        client = IMAPClient(
            box.host, port=box.port, ssl=not box.is_plain, ssl_context=box.tls, timeout=box.timeout_s, use_uid=True
        )
        try:
            client.login(box.username, box.password)
            state = client.select_folder(box.folder, readonly=True)
            yield client, int(state[b"UIDVALIDITY"]), int(state.get(b"UIDNEXT", 1))
        finally:
            client.shutdown()


def _newer(client: Any, position: Position | None, validity: int) -> tuple[int, list[int]]:
    """Return the last UID that was taken from this mailbox, 0 for none, and those after it."""
    last = position.uid if position is not None and position.validity == validity else 0
    return last, sorted(uid for uid in client.search(["UID", f"{last + 1}:*"]) if uid > last)


async def _sleep_or_stop(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
