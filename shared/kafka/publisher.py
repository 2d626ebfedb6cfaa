"""Records to Kafka: one idempotent producer, whole batches, explicit partitions, and calls that return when acked.

Why not `AIOKafkaProducer.send`: it costs 9 µs a record, whole batches 1.2 (docs/architecture/stream-engine.md).
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from time import time_ns
from typing import Any, Final, NamedTuple, Protocol, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import RecordMetadata

from shared.errors import Reject, Stop, Unavailable
from shared.kafka.processor import Headers
from shared.kafka.produce_request import JoinedRequests
from shared.kafka.record_batch import OutgoingBatch
from shared.kafka.rows import Message as Message

# The broker's default message.max.bytes is 1 MiB + 12; a batch that it refuses wedges an idempotent producer for ever
# (aiokafka issue 1017), so that sizes are checked here, before anything is appended.
MAX_BATCH_BYTES: Final = 1 << 20
MAX_RECORD_BYTES: Final = 1_000_000
# Records this much below the limit are not measured in full: their keys and headers fit.
_ROOM_FOR_HEADERS: Final = 65_536
_STOP_TIMEOUT_S: Final = 5.0
# The broker will say the same to every further attempt.
_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError, InvalidTopicError)


class OutRecord(NamedTuple):
    """One record for a known partition. `timestamp_ms` None is the time of appending."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None


class Acked(NamedTuple):
    """A stretch of records as the broker wrote it: consecutive offsets from `first_offset`."""

    first_offset: int
    n_records: int


Place = tuple[str, int]


class RecordTooLargeError(Reject):
    """A record no broker with default settings takes; names the record. Nothing of its call was published."""


class Filling(Protocol):
    """Records of one place that are gathered to be published together."""

    def extend(self, messages: Sequence[Message], /) -> None: ...


class BatchPublisher(Protocol):
    """What the engine needs of a publisher; tests/fakes has the one without a broker."""

    def filling(self, place: Place) -> Filling: ...

    async def publish_batches(
        self, batches: Mapping[Place, Sequence[Message] | Filling]
    ) -> dict[Place, list[Acked]]: ...

    async def partition_count(self, topic: str) -> int: ...


def partition_for(key: str, partitions: int) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8 bytes modulo the count, as librdkafka's `consistent`.

    The one definition for ingest, processors and tools.
    """
    return zlib.crc32(key.encode()) % partitions


class Publisher:
    """An idempotent producer (acks=all) that is thrown away and replaced after any failure.

    Calls that wait at the same time share batches, per partition. `delivery_timeout_s` bounds every call.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str = "pulseline",
        delivery_timeout_s: float = 10.0,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._delivery_timeout_s = delivery_timeout_s
        self._max_record_bytes = max_record_bytes
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._lanes: dict[Place, _Lane] = {}
        self._counts: dict[str, int] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._is_failing = False
        self._is_stopped = False

    @property
    def is_connected(self) -> bool:
        """Whether a producer is up and the last delivery succeeded."""
        return self._producer is not None and not self._is_failing

    async def start(self) -> None:
        """Connect. Raises Unavailable when no broker answers."""
        self._is_stopped = False
        await self.producer()

    async def stop(self) -> None:
        """Deliver what was accepted, within a few seconds, and disconnect."""
        self._is_stopped = True
        drains = [lane.drain for lane in self._lanes.values() if lane.drain is not None]
        if drains:
            await asyncio.wait(drains, timeout=_STOP_TIMEOUT_S)
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=_STOP_TIMEOUT_S)
        for lane in self._lanes.values():
            lane.cancel()
        self._lanes.clear()

    async def publish(self, topic: str, records: Sequence[OutRecord]) -> None:
        """Return when the broker has all the records.

        Raises RecordTooLargeError before anything is sent; Unavailable when an ack is missing in time, in which case
        some records may have arrived (the caller repeats the call, readers drop what they know).
        """
        batches: dict[Place, list[Message]] = {}
        for place, key, value, headers, timestamp_ms in records:
            batches.setdefault((topic, place), []).append((key, value, headers, timestamp_ms))
        await self.publish_batches(batches)

    def filling(self, place: Place) -> "Filled":
        """Return batches of a place to append to and publish later, in one call, which may be repeated if it fails."""
        return Filled(partial(self._refuse_oversize, place))

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message] | Filling]) -> dict[Place, list[Acked]]:
        """Return where each stretch of the records was written; order within a place is kept. Errors as `publish`."""
        for place, messages in batches.items():
            if isinstance(messages, Sequence):
                self._refuse_oversize(place, messages)
        pending: dict[Place, list[_Stretch]] = {}
        for place, messages in batches.items():
            if isinstance(messages, Filled):
                pending[place] = self._lane(place).take(messages)
            elif not isinstance(messages, Sequence):
                raise TypeError(f"a filling of another publisher: {messages!r}")
            elif messages:
                pending[place] = self._lane(place).add(messages)
        flights = {flight.acked for flights in pending.values() for flight, _ in flights}
        if flights:
            await self._all_acked(flights)
        return {
            place: [Acked(flight.acked.result().offset + at.start, len(at)) for flight, at in stretches]
            for place, stretches in pending.items()
        }

    async def partition_count(self, topic: str) -> int:
        """Return the topic's partition count (asked once). Raises Unavailable."""
        count = self._counts.get(topic)
        if count is None:
            producer = await self.producer()
            try:
                async with asyncio.timeout(self._delivery_timeout_s):
                    count = len(await producer.partitions_for(topic))
            except (KafkaError, TimeoutError) as error:
                raise Unavailable("kafka", f"no metadata of {topic}: {error!r}") from error
            self._counts[topic] = count
        return count

    async def check(self) -> str | None:
        """Return None when a broker answers, else why not: a readiness check."""
        try:
            producer = await self.producer()
            await producer.client.fetch_all_metadata()
        except (KafkaError, Unavailable) as error:
            return str(error)
        return None if self.is_connected else "the last delivery failed"

    async def producer(self) -> AIOKafkaProducer:
        """Return the present producer, started. Raises Unavailable."""
        if self._producer is not None:
            return self._producer
        async with self._starting:
            if self._producer is None:
                self._producer = await self._new_producer()
            return self._producer

    async def _new_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            # Batches are full already: with linger 5 small polls fall from 80k to 25k records/s.
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            # Above what one request can carry, or the batches of many partitions wait for each other.
            max_request_size=16 * MAX_BATCH_BYTES,
            request_timeout_ms=int(self._delivery_timeout_s * 1000),
            retry_backoff_ms=50,
            metadata_max_age_ms=60_000,
        )
        try:
            async with asyncio.timeout(self._delivery_timeout_s):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await _stop(producer)
            raise Unavailable("kafka", f"cannot connect to {self._bootstrap}: {error!r}") from error
        except BaseException:
            # Given up by the caller: nobody else knows the producer and its connections.
            await _stop(producer)
            raise
        sender: Any = cast("Any", producer)._sender
        sender.client = JoinedRequests(sender.client)
        return producer

    def replace(self, producer: Any, error: BaseException) -> None:
        """Throw away a producer that failed; what it still holds fails with `error` instead of arriving late."""
        self._is_failing = True
        if self._producer is None or producer is not self._producer:
            return
        self._producer = None
        # No public way: without it the batches in hand would be delivered after those of the new producer.
        accumulator: Any = producer._message_accumulator
        accumulator.fail_all(error)
        task = asyncio.get_running_loop().create_task(_stop(producer))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def succeeded(self) -> None:
        self._is_failing = False

    def _lane(self, place: Place) -> "_Lane":
        if self._is_stopped:
            raise Unavailable("kafka", "the publisher is stopped")
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane(self, place)
        return lane

    async def _all_acked(self, flights: set["asyncio.Future[RecordMetadata]"]) -> None:
        done, late = await asyncio.wait(flights, timeout=self._delivery_timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        errors = [error for flight in done if (error := flight.exception()) is not None]
        if not errors and not late:
            return
        cause = errors[0] if errors else TimeoutError(f"no ack within {self._delivery_timeout_s:g} s")
        if late and not errors and self._producer is not None:
            self.replace(self._producer, cause)
        if isinstance(cause, _REFUSALS):
            raise Stop(f"the broker refuses records for good: {cause!r}") from cause
        raise Unavailable("kafka", repr(cause)) from cause

    def _refuse_oversize(self, place: Place, messages: Sequence[Message]) -> None:
        limit = self._max_record_bytes
        longest = max(map(len, [value for _, value, _, _ in messages if value]), default=0)
        if longest + _ROOM_FOR_HEADERS <= limit:
            return
        for key, value, headers, _ in messages:
            size = record_size(key, value, headers)
            if size > limit:
                raise RecordTooLargeError(
                    f"record of {size} bytes for {place[0]}/{place[1]} with key {key!r}: the limit is {limit}"
                )


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return the bytes a record takes in a batch, rounded up by its few varints."""
    size = 40 + len(key or b"") + len(value or b"")
    # Kafka has headers without content, and a record's may be passed on.
    return size + sum(len(name.encode()) + len(content or b"") + 10 for name, content in headers)


class _Flight:
    """One batch on its way, and the future of its ack."""

    __slots__ = ("acked", "batch")

    def __init__(self) -> None:
        self.batch = OutgoingBatch(MAX_BATCH_BYTES)
        self.acked: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        # Every caller may have given up waiting.
        self.acked.add_done_callback(_mark_retrieved)

    def messages(self, at: range) -> list[Message]:
        """Return the records of a stretch, out of the batch's bytes; nothing of the batch changes, sent or not."""
        batch: Any = MemoryRecords(bytes(self.batch.sealed())).next_batch()
        return [
            (record.key, record.value, record.headers, record.timestamp) for record in islice(batch, at.start, at.stop)
        ]


# Records of a batch: from where to where.
_Stretch = tuple[_Flight, range]


def _append(flight: _Flight, messages: Sequence[Message], open_next: Callable[[], _Flight]) -> list[_Stretch]:
    """Append messages to a batch and those opened after it; return each batch used and the stretch that holds them."""
    now_ms = time_ns() // 1_000_000
    used: list[_Stretch] = []
    done = 0
    while True:
        start = flight.batch.n_records
        done = flight.batch.extend(messages, done, now_ms)
        if flight.batch.n_records > start:
            used.append((flight, range(start, flight.batch.n_records)))
        if done == len(messages):
            return used
        flight = open_next()


class Filled:
    """Records of one place in batches that nothing sends before `publish_batches`, however often it is then called.

    The records themselves are not kept: to be sent once more they are read from the batches.
    """

    def __init__(self, refuse_oversize: Callable[[Sequence[Message]], None]) -> None:
        self._refuse_oversize = refuse_oversize
        self.waiting: list[_Flight] = []
        # Where the records went when they were last sent.
        self.sent: list[_Stretch] = []

    def extend(self, messages: Sequence[Message], /) -> None:
        """Append records. Raises RecordTooLargeError, in which case none of these was appended."""
        self._refuse_oversize(messages)
        if messages:
            _append(self.waiting[-1] if self.waiting else self._open(), messages, self._open)

    def _open(self) -> _Flight:
        flight = _Flight()
        self.waiting.append(flight)
        return flight


class _Lane:
    """One partition of one topic: what came while a batch was on its way leaves together in the next."""

    def __init__(self, publisher: Publisher, place: Place) -> None:
        self._publisher = publisher
        self._topic, self._partition = place
        self._waiting: deque[_Flight] = deque()
        self.drain: asyncio.Task[None] | None = None

    def add(self, messages: Sequence[Message]) -> list[_Stretch]:
        """Append the messages to batches; return each batch used and the stretch of it that holds them."""
        used = _append(self._waiting[-1] if self._waiting else self._open(), messages, self._open)
        self._send_soon()
        return used

    def take(self, filled: Filled) -> list[_Stretch]:
        """Let filled batches leave, and all that left before once more, whatever became of it; return as `add`."""
        before, filled.sent = filled.sent, []
        for flight, at in before:
            filled.sent += self.add(flight.messages(at))
        if filled.waiting:
            self._waiting.extend(filled.waiting)
            filled.sent += [(flight, range(flight.batch.n_records)) for flight in filled.waiting]
            filled.waiting = []
            self._send_soon()
        return filled.sent

    def _send_soon(self) -> None:
        if self.drain is None:
            # Starts at the next turn of the loop: calls made in this turn share the batch.
            self.drain = asyncio.get_running_loop().create_task(self._drain())

    def cancel(self) -> None:
        if self.drain is not None:
            self.drain.cancel()
        error = Unavailable("kafka", "the publisher is stopped")
        while self._waiting:
            _fail(self._waiting.popleft(), error)

    def _open(self) -> _Flight:
        flight = _Flight()
        self._waiting.append(flight)
        return flight

    async def _drain(self) -> None:
        try:
            while self._waiting:
                try:
                    producer = await self._publisher.producer()
                except Unavailable as error:
                    while self._waiting:
                        _fail(self._waiting.popleft(), error)
                    return
                await self._send(self._waiting.popleft(), producer)
        finally:
            self.drain = None

    async def _send(self, flight: _Flight, producer: AIOKafkaProducer) -> None:
        # It has all that the producer asks of a builder.
        batch: Any = flight.batch
        batch.close()
        try:
            # Waits until the partition's batch before it has left, which is what lets the next one fill up.
            ack = await producer.send_batch(batch, self._topic, partition=self._partition)
        except (KafkaError, OSError, AssertionError) as error:
            self._publisher.replace(producer, error)
            _fail(flight, error)
            return
        ack.add_done_callback(partial(self._settle, flight, producer))

    def _settle(self, flight: _Flight, producer: AIOKafkaProducer, ack: "asyncio.Future[RecordMetadata]") -> None:
        error = asyncio.CancelledError() if ack.cancelled() else ack.exception()
        if error is None:
            self._publisher.succeeded()
            if not flight.acked.done():
                flight.acked.set_result(ack.result())
            return
        self._publisher.replace(producer, error)
        _fail(flight, error)


def _fail(flight: _Flight, error: BaseException) -> None:
    if not flight.acked.done():
        flight.acked.set_exception(error)


def _mark_retrieved(acked: "asyncio.Future[RecordMetadata]") -> None:
    if not acked.cancelled():
        acked.exception()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may be unable to reach anything."""
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError):
        return
    except KeyError:
        # Its sender puts back a batch that `replace` has taken from it.
        return
