"""The live feed of alert events: one reader of the log a process, any number of clients that are each just a cursor.

A client never has a queue. It has the id it has seen and asks for what comes after: from the ring of newest events that
all clients share, or from the table when it is further behind. So a slow client costs no memory, a reconnecting one
misses nothing, and every API process serves the same ids. Who has seen everything is parked, and handed the next frames
in the bytes that all with its filter share: for thousands of clients nothing is looked up, timed or joined one by one.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, structs
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.api.alert import store
from services.api.alert.schemas import AlertEventRow
from services.api.metrics import ApiMetrics
from shared.errors import Unavailable
from shared.postgres.pool import OUTAGE_ERRORS, as_unavailable, open_connection, reading

log = logging.getLogger(__name__)

_RING_SIZE = 4_096
# A client is handed at most so many events at once, some 500 KB: what one that stalls leaves in the send buffer.
_PIECE = 200
# Without a notification, as after a reconnect, nothing waits longer than this.
_POLL_S = 1.0
_RECONNECT_S = 0.5
_LONGEST_READ_S = 10.0
# Waiting this long between two broadcasts, several times what one costs, lets many events share one write.
_SPACING_S_PER_CLIENT = 50e-6
_LONGEST_SPACING_S = 0.1
# So many clients are woken before the process looks after its other requests.
_WOKEN_AT_ONCE = 200
_WAITS: tuple[type[BaseException], ...] = (*OUTAGE_ERRORS, Unavailable)


class Filter(Struct, frozen=True):
    """Which events a client wants; None is all. Values are those of the alert after the event.

    `customer_id` is as it was asked for, `customer_ids` what the feed knows this customer to go by.
    """

    severities: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    causes: frozenset[str] | None = None
    tiers: frozenset[str] | None = None
    types: frozenset[str] | None = None
    assignee: str | None = None
    customer_id: str | None = None
    customer_ids: frozenset[str] = frozenset()
    sees_held_out: bool = True

    def admits(self, about: "About") -> bool:
        return (
            (self.severities is None or about.severity in self.severities)
            and (self.statuses is None or about.status in self.statuses)
            and (self.causes is None or about.cause in self.causes)
            and (self.tiers is None or about.tier in self.tiers)
            and (self.types is None or about.type in self.types)
            and (self.assignee is None or about.assignee == self.assignee)
            and (self.customer_id is None or about.customer_id in self.customer_ids or about.owner in self.customer_ids)
            and (self.sees_held_out or not about.is_held_out)
        )


class _Attributes(Struct, frozen=True):
    severity: str
    status: str
    cause: str
    tier: str | None
    assignee: str | None
    is_held_out: bool = False


class About(NamedTuple):
    """What a filter looks at. `owner` is who the alert belonged to when the event was read, after merges."""

    type: str
    customer_id: str
    owner: str
    severity: str
    status: str
    cause: str
    tier: str | None
    assignee: str | None
    is_held_out: bool


class Entry(NamedTuple):
    id: int
    about: About
    row: AlertEventRow
    frame: bytes


_attributes = msgspec.json.Decoder(_Attributes)


def entry_of(row: AlertEventRow, owner: str) -> Entry:
    """Return an event with its server-sent-events frame; JSON has no line breaks, so one data line holds it."""
    known = _attributes.decode(row.alert)
    about = About(row.type, row.customer_id, owner, *structs.astuple(known))
    frame = b"id: %d\nevent: %s\ndata: %s\n\n" % (row.id, row.type.encode(), msgspec.json.encode(row))
    return Entry(row.id, about, row, frame)


class Place:
    """Where a client stands in the feed."""

    __slots__ = ("cursor", "customer_now", "restart", "waker", "wanted")

    def __init__(self, cursor: int, wanted: Filter) -> None:
        self.cursor = cursor
        self.wanted = wanted
        self.waker: asyncio.Future[bytes] | None = None
        # Who the customer asked for is today; None until `begin` or the follower has looked.
        self.customer_now: str | None = None
        self.restart = 0


class AlertFeed:
    """Follows the log of alert events and wakes the clients."""

    def __init__(self, pool: Any, database_url: str, metrics: ApiMetrics, *, max_clients: int) -> None:
        self._pool = pool
        self._database_url = database_url
        self._metrics = metrics
        self._max_clients = max_clients
        self._ring: deque[Entry] = deque(maxlen=_RING_SIZE)
        # The ring holds every live event with an id above this.
        self._floor: int | None = None
        self._newest = 0
        self._changed = asyncio.Event()
        self._frames: dict[tuple[int, Filter], tuple[bytes, int]] = {}
        self._parked: dict[Filter, set[Place]] = {}
        self._asked: dict[str, set[Place]] = {}
        self._n_restarts = 0
        self._n_clients = 0
        self._failure: str | None = "not started"
        self.is_closed = False

    async def check(self) -> str | None:
        return self._failure

    async def run(self) -> None:
        """Follow the log until cancelled, over a connection of its own that is renewed after an outage."""
        while True:
            try:
                await self._follow()
            except _WAITS as error:
                outage = error if isinstance(error, Unavailable) else as_unavailable(error)
                if outage is None:
                    raise
                self._failure = str(outage)
                log.warning("alert feed waits", extra={"action": "feed_waits", "reason": self._failure})
                await asyncio.sleep(_RECONNECT_S)

    def close(self) -> None:
        """End all streams, so that the process can stop; clients reconnect elsewhere with their last id."""
        self.is_closed = True
        self._changed.set()
        self._wake_all()

    async def newest_id(self) -> int:
        """Return the id a client that wants only what is to come starts after."""
        async with reading(self._pool) as connection:
            # An erasure may have taken the newest events away; ids never go back all the same.
            return max(self._newest, await store.last_event_id(connection))

    async def begin(self, place: Place) -> bool:
        """Learn what the place's customer goes by, and whether the log reaches as far as its cursor.

        Returns false when it does not, as after a restore from a backup: what comes next may have a lower id, so the
        place now stands at the newest event there is.
        """
        place.restart, place.customer_now, asked = self._n_restarts, None, place.wanted.customer_id
        if asked is None and place.cursor <= self._newest:
            return True
        async with reading(self._pool) as connection:
            if asked is not None:
                known = await store.known_as(connection, asked)
                # The follower may have looked in the meantime, and knows better.
                if place.customer_now is None:
                    self._rename(place, known)
            if place.cursor <= max(self._newest, await store.greatest_event_id(connection)):
                return True
            place.cursor = await store.last_event_id(connection)
        return False

    async def after(self, cursor: int, wanted: Filter) -> tuple[list[Entry], int]:
        """Return the wanted events after `cursor`, oldest first, and the id up to which they are complete."""
        if self._floor is not None and cursor >= self._floor:
            entries = [entry for entry in self._ring if entry.id > cursor][:_PIECE]
            complete_to = entries[-1].id if len(entries) == _PIECE else max(cursor, self._newest)
            return [entry for entry in entries if wanted.admits(entry.about)], complete_to
        # Whatever the follower has seen by now, the query below sees too.
        known = self._newest
        async with reading(self._pool) as connection:
            rows = await store.live_events_after(connection, cursor, _PIECE)
        entries = [entry_of(row, owner) for row, owner in rows]
        complete_to = max(cursor, entries[-1].id if entries else 0, known if len(rows) < _PIECE else 0)
        return [entry for entry in entries if wanted.admits(entry.about)], complete_to

    async def next_frames(self, place: Place) -> bytes:
        """Return the next wanted frames, at most a piece of them; empty when the place was nudged or all ends."""
        while not self.is_closed:
            if place.restart != self._n_restarts and not await self.begin(place):
                return resync_frame(place.cursor)
            if self._floor is not None and place.cursor >= self._newest:
                return await self._parked_at(place)
            key = (place.cursor, place.wanted)
            known = self._frames.get(key)
            if known is None:
                entries, complete_to = await self.after(place.cursor, place.wanted)
                known = (b"".join(entry.frame for entry in entries), complete_to)
                if self._floor is not None and key[0] >= self._floor:
                    self._frames[key] = known
            body, place.cursor = known
            if body:
                return body
            if place.cursor == key[0]:
                # The follower has not begun, or is behind this client.
                await self.wait(place.cursor, _POLL_S)
        return b""

    def nudge(self, place: Place) -> None:
        """Give a parked client its turn although there is nothing."""
        # Whoever was taken from the parked ones is about to get frames, which must not be lost.
        if place in self._parked.get(place.wanted, ()):
            self._leave(place)
            _wake(place, b"")

    async def _parked_at(self, place: Place) -> bytes:
        place.waker = asyncio.get_running_loop().create_future()
        self._parked.setdefault(place.wanted, set()).add(place)
        try:
            return await place.waker
        finally:
            self._leave(place)
            place.waker = None

    def _leave(self, place: Place) -> None:
        places = self._parked.get(place.wanted)
        if places is not None:
            places.discard(place)
            if not places:
                del self._parked[place.wanted]

    async def wait(self, cursor: int, timeout_s: float) -> bool:
        """Return true when there may be something after `cursor`, false when the time is over."""
        if self.is_closed or self._newest > cursor:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    @contextlib.contextmanager
    def client(self, place: Place) -> Iterator[None]:
        """Count a client in and out. Raises `Unavailable` when there are too many."""
        asked = place.wanted.customer_id
        if self._n_clients >= self._max_clients:
            raise Unavailable("stream", f"{self._max_clients} clients are connected already", retry_after_s=10)
        self._n_clients += 1
        self._metrics.stream_clients.set(self._n_clients)
        if asked is not None:
            self._asked.setdefault(asked, set()).add(place)
        try:
            yield
        finally:
            if asked is not None:
                self._asked[asked].discard(place)
                if not self._asked[asked]:
                    del self._asked[asked]
            self._n_clients -= 1
            self._metrics.stream_clients.set(self._n_clients)

    def dropped(self) -> None:
        self._metrics.stream_dropped.inc()

    async def _follow(self) -> None:
        connection = await open_connection(self._database_url)
        try:
            notified = asyncio.Event()
            await connection.add_listener(store.CHANNEL, lambda *_: notified.set())
            connection.add_termination_listener(lambda *_: notified.set())
            if self._floor is None or self._newest > await store.greatest_event_id(connection):
                self._start_at(await store.last_event_id(connection))
            while True:
                notified.clear()
                await self._read(connection)
                self._failure = None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(notified.wait(), _POLL_S)
        finally:
            with contextlib.suppress(*OUTAGE_ERRORS):
                await connection.close(timeout=1.0)

    async def _read(self, connection: Any) -> None:
        while True:
            # A server that is frozen, or behind a cut cable, keeps the connection open and never answers.
            async with asyncio.timeout(_LONGEST_READ_S):
                rows = await store.live_events_after(connection, self._newest, _PIECE)
                if rows:
                    await self._follow_merges(connection)
            if not rows:
                return
            started = asyncio.get_running_loop().time()
            await self._hand_out(self._append([entry_of(row, owner) for row, owner in rows]))
            spent = asyncio.get_running_loop().time() - started
            spacing = min(self._n_clients * _SPACING_S_PER_CLIENT, _LONGEST_SPACING_S)
            await asyncio.sleep(max(0.0, spacing - spent))
            if len(rows) < _PIECE:
                return

    def _start_at(self, newest: int) -> None:
        """Begin with what comes after `newest`; clients that have seen more are told."""
        if self._floor is not None:
            extra = {"action": "feed_restarts", "newest_known": self._newest, "newest": newest}
            log.warning("the alert log ends before what was read of it", extra=extra)
            self._n_restarts += 1
        self._ring.clear()
        self._frames.clear()
        self._floor = self._newest = newest
        self._wake_all()

    async def _follow_merges(self, connection: Any) -> None:
        """Look, after events were read and before they are handed out, who the customers asked for are by now."""
        if not self._asked:
            return
        now = await store.customers_now(connection, list(self._asked))
        for asked, customer_now in now.items():
            places = [place for place in self._asked.get(asked, ()) if place.customer_now != customer_now]
            if places:
                known = await store.known_as(connection, asked)
                for place in places:
                    self._rename(place, known)

    def _rename(self, place: Place, known: store.KnownAs) -> None:
        is_parked = place in self._parked.get(place.wanted, ())
        if is_parked:
            self._leave(place)
        place.customer_now = known.now
        place.wanted = structs.replace(place.wanted, customer_ids=known.ids)
        if is_parked:
            self._parked.setdefault(place.wanted, set()).add(place)

    def _wake_all(self) -> None:
        for places in self._parked.values():
            for place in places:
                _wake(place, b"")
        self._parked.clear()

    async def _hand_out(self, woken: Sequence[tuple[Place, bytes]]) -> None:
        for number, (place, body) in enumerate(woken, 1):
            _wake(place, body)
            if number % _WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _append(self, entries: Sequence[Entry]) -> list[tuple[Place, bytes]]:
        """Take events in and return the parked clients that get some, each with its frames."""
        n_pushed_out = len(self._ring) + len(entries) - _RING_SIZE
        if n_pushed_out > 0:
            self._floor = [*self._ring, *entries][n_pushed_out - 1].id
        before, self._newest = self._newest, entries[-1].id
        self._ring.extend(entries)
        self._frames.clear()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return self._taken_from_parked(entries, before)

    def _taken_from_parked(self, entries: Sequence[Entry], before: int) -> list[tuple[Place, bytes]]:
        woken: list[tuple[Place, bytes]] = []
        for wanted, places in list(self._parked.items()):
            admitted = [entry for entry in entries if wanted.admits(entry.about)]
            shared = b"".join(entry.frame for entry in admitted)
            for place in list(places):
                body = shared
                if place.cursor > before:
                    # It comes from a process that was ahead of this one.
                    body = b"".join(entry.frame for entry in admitted if entry.id > place.cursor)
                place.cursor = max(place.cursor, self._newest)
                if body:
                    places.discard(place)
                    woken.append((place, body))
            if not places:
                del self._parked[wanted]
        return woken


def resync_frame(newest: int) -> bytes:
    """Return what tells a client that the log goes on from `newest`, and what it holds may be of a future undone."""
    return b'id: %d\nevent: resync\ndata: {"last_event_id":%d}\n\n' % (newest, newest)


def _wake(place: Place, body: bytes) -> None:
    if place.waker is not None and not place.waker.done():
        place.waker.set_result(body)


class AlertStream(Response):
    """A server-sent-events answer that goes on from `cursor` until the client leaves, stalls, or the process stops.

    `staying` gives what is done when the client may see no more.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        feed: AlertFeed,
        cursor: int,
        wanted: Filter,
        staying: AbstractContextManager[asyncio.Future[None]],
        *,
        heartbeat_s: float,
        stall_s: float,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed
        self._place = Place(cursor, wanted)
        self._staying = staying
        self._first = b"retry: 1000\n: connected\n\n"
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        with self._feed.client(self._place), self._staying as ended:
            if not await self._feed.begin(self._place):
                self._first += resync_frame(self._place.cursor)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            sending = asyncio.create_task(self._send(send))
            leaving = asyncio.create_task(_disconnected(receive))
            try:
                await asyncio.wait({sending, leaving, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                await asyncio.gather(sending, leaving, return_exceptions=True)
            if ended.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        watch = _Watch(asyncio.current_task(), self._heartbeat_s, self._stall_s, lambda: self._feed.nudge(self._place))

        async def push(body: bytes, *, more: bool = True) -> None:
            watch.begin()
            await send({"type": "http.response.body", "body": body, "more_body": more})
            watch.end()

        try:
            await push(self._first)
            while not self._feed.is_closed:
                body = await self._feed.next_frames(self._place)
                if not self._feed.is_closed or body:
                    await push(body or b": heartbeat\n\n")
            await push(b"", more=False)
        except asyncio.CancelledError:
            if not watch.has_stalled:
                raise
            self._feed.dropped()
            log.info("stream client stalled", extra={"action": "stream_stalled"})
        except Unavailable as error:
            # The client reconnects with its last id and gets 503 until PostgreSQL is back.
            log.warning("stream ends", extra={"action": "stream_ends", "reason": str(error)})
            await push(b"", more=False)
        finally:
            watch.stop()


class _Watch:
    """Notices that a client has been told nothing for long, or takes nothing: one timer, looked at when it is due.

    A timeout of its own for each wait and each write would be most of what a broadcast to thousands costs.
    """

    def __init__(
        self, task: asyncio.Task[Any] | None, heartbeat_s: float, stall_s: float, nudge: Callable[[], None]
    ) -> None:
        self._task = task
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._nudge = nudge
        self._loop = asyncio.get_running_loop()
        self._silent_since = self._loop.time()
        self._sending_since: float | None = None
        self.has_stalled = False
        self._timer = self._loop.call_later(min(heartbeat_s, stall_s), self._look)

    def begin(self) -> None:
        self._sending_since = self._loop.time()

    def end(self) -> None:
        self._silent_since = self._loop.time()
        self._sending_since = None

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self._sending_since is not None:
            due = self._sending_since + self._stall_s
            if due <= now and self._task is not None:
                self.has_stalled = True
                self._task.cancel()
                return
        else:
            due = self._silent_since + self._heartbeat_s
            if due <= now:
                self._nudge()
                due = now + self._heartbeat_s
            # Soon enough to see a write stall that begins right now.
            due = min(due, now + self._stall_s)
        self._timer = self._loop.call_at(due, self._look)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
