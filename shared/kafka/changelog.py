"""A partition's state read back from its compacted topic, to the very end, and healed where a dead worker overwrote it.

What the rows mean is in rows.py; writing them is the engine's, in its order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.kafka.consumer import stop_consumer
from shared.kafka.controls import StoredControl
from shared.kafka.plain_records import hand_out_plain_records
from shared.kafka.processor import Headers
from shared.kafka.rows import (
    PARTITION_KEY,
    RESERVED,
    PartitionRow,
    Row,
    decode_control_row,
    decode_partition_row,
    fence_of,
    reserved_fence,
    tombstone,
    tombstone_fence,
)

_IDLE_LIMIT_S: Final = 15.0
_FETCH_BYTES: Final = 4 << 20


class StateRecord(Protocol):
    """A record of a state topic as it is read. `value` None is a tombstone."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class StateReader(Protocol):
    """Reads one partition of a state topic; tests/fakes has the one without a broker."""

    async def end_offset(self, topic: str, partition: int) -> int:
        """Return the offset the next record of the partition will get."""
        ...

    async def first_offset(self, topic: str, partition: int, start: int) -> int:
        """Return the offset of the first record at or after `start`, the partition's end if there is none."""
        ...

    def read(self, topic: str, partition: int) -> AsyncIterator[Sequence[StateRecord]]:
        """Yield every record from the first one to the end as it is when called.

        Raises Unavailable, also when the partition is not empty and nothing could be read.
        """
        ...


class LoadedState(NamedTuple):
    """A partition's state as its topic has it.

    `rows` are customers' rows, encoded. `fence` is -1 and `watermark_ms` 0 for a partition that was never written.
    `heal` are rows to publish again: their newest version is not the last one in the topic, because a worker that had
    lost the partition without knowing it wrote after its successor.
    """

    rows: dict[str, bytes]
    fence: int
    watermark_ms: int
    controls: list[StoredControl]
    next_offset: int
    heal: list[Row]
    n_records: int


async def load(
    reader: StateReader, topic: str, partition: int, on_chunk: Callable[[int, int], None] = lambda *_: None
) -> LoadedState:
    """Return the state of a partition; `on_chunk` is called along the way and may raise to give up.

    It is told the offset reached and the one to be reached; compaction leaves gaps, so that both only tell progress.

    Raises Unavailable; nothing is usable then.
    """
    fold = _Fold()
    next_offset = end = await reader.end_offset(topic, partition)
    n_records = 0
    async for records in reader.read(topic, partition):
        fold.add(records)
        n_records += len(records)
        on_chunk(records[-1].offset + 1, end)
        next_offset = max(next_offset, records[-1].offset + 1)
    return fold.result(next_offset, n_records)


class _Fold:
    """The newest version of every key: the one with the highest fence, the later one among equals."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}
        self._erased_at: dict[str, int] = {}
        self._overwritten: set[str] = set()

    def add(self, records: Sequence[StateRecord]) -> None:
        rows, erased_at = self._rows, self._erased_at
        for record in records:
            if record.key is None:
                continue
            key, value = record.key.decode(), record.value
            if key in rows or key in erased_at:
                self._replace(key, value, record.headers)
            elif value is None:
                erased_at[key] = tombstone_fence(record.headers)
            else:
                rows[key] = value

    def _replace(self, key: str, value: bytes | None, headers: Headers) -> None:
        known = self._rows.get(key)
        before = self._erased_at[key] if known is None else _fence(key, known)
        fence = tombstone_fence(headers) if value is None else _fence(key, value)
        if fence < before:
            self._overwritten.add(key)
            return
        self._overwritten.discard(key)
        if value is None:
            self._rows.pop(key, None)
            self._erased_at[key] = fence
        else:
            self._rows[key] = value
            self._erased_at.pop(key, None)

    def result(self, next_offset: int, n_records: int) -> LoadedState:
        rows = self._rows
        heal = [
            Row(key, rows[key]) if key in rows else tombstone(key, self._erased_at[key]) for key in self._overwritten
        ]
        reserved = {key: rows.pop(key) for key in [key for key in rows if key.startswith(RESERVED)]}
        progress = reserved.pop(PARTITION_KEY, None)
        known = decode_partition_row(progress) if progress is not None else PartitionRow(-1, 0)
        stored = [decode_control_row(value) for value in reserved.values()]
        return LoadedState(rows, known.fence, known.watermark_ms, stored, next_offset, heal, n_records)


def _fence(key: str, value: bytes) -> int:
    return reserved_fence(key, value) if key.startswith(RESERVED) else fence_of(value)


class KafkaStateReader:
    """Reads state topics with a consumer of its own, outside every group; one partition at a time."""

    def __init__(self, bootstrap: str, client_id: str = "pulseline-state") -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None
        self._busy = asyncio.Lock()

    async def start(self) -> AIOKafkaConsumer:
        """Connect, once, and return the consumer. Raises Unavailable."""
        if self._consumer is not None:
            return self._consumer
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id=self._client_id,
            # With the default, "latest", a lost race between assignment and seek reads nothing and says nothing.
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=_FETCH_BYTES,
            # It reads up to an end it knows and waits for nothing; the fetch that it sends past that end holds up all
            # that is asked on its connection after it, another partition's load among them.
            fetch_max_wait_ms=1,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await stop_consumer(consumer)
            raise Unavailable("kafka", f"cannot connect to {self._bootstrap}: {error!r}") from error
        hand_out_plain_records(consumer)
        self._consumer = consumer
        return consumer

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)

    async def end_offset(self, topic: str, partition: int) -> int:
        place = TopicPartition(topic, partition)
        return (await self.end_offsets([place]))[place]

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last record of each partition. Raises Unavailable."""
        consumer = await self.start()
        try:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable("kafka", f"no end offsets: {error!r}") from error
        return ends

    async def read(self, topic: str, partition: int) -> AsyncIterator[Sequence[StateRecord]]:
        async with self._busy:
            consumer = await self.start()
            try:
                async for records in self._read(consumer, TopicPartition(topic, partition)):
                    yield records
            except (KafkaError, TimeoutError) as error:
                raise Unavailable("kafka", f"cannot read {topic}/{partition}: {error!r}") from error
            finally:
                consumer.unsubscribe()

    async def first_offset(self, topic: str, partition: int, start: int) -> int:
        place = TopicPartition(topic, partition)
        async with self._busy:
            consumer = await self.start()
            try:
                begin = (await consumer.beginning_offsets([place]))[place]
                end = int((await consumer.end_offsets([place]))[place])
                consumer.assign([place])
                consumer.seek(place, max(start, begin))
                while await consumer.position(place) < end:
                    async with asyncio.timeout(_IDLE_LIMIT_S):
                        fetched = await consumer.getmany(place, timeout_ms=1000, max_records=1)
                    if records := fetched.get(place):
                        return int(records[0].offset)
            except (KafkaError, TimeoutError) as error:
                raise Unavailable("kafka", f"cannot read {topic}/{partition}: {error!r}") from error
            else:
                return end
            finally:
                consumer.unsubscribe()

    async def _read(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> AsyncIterator[Sequence[StateRecord]]:
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        if begin == end:
            return
        # From here on it fetches.
        consumer.assign([place])
        consumer.seek(place, begin)
        n_read = 0
        position = begin
        while position < end:
            async with asyncio.timeout(_IDLE_LIMIT_S):
                fetched = await consumer.getmany(place, timeout_ms=1000)
            if records := fetched.get(place):
                n_read += len(records)
                yield records
            position = await consumer.position(place)
        if n_read == 0:
            raise Unavailable("kafka", f"{place.topic}/{place.partition} holds {begin}..{end} and nothing was read")
