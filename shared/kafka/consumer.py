"""A plain reader of partitions for consumers that keep their own offsets: no group, no commits, explicit positions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.kafka.plain_records import hand_out_plain_records

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read; `topic` is the full name, prefix included."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Offsets a partition holds: `begin` is the oldest, `end` one past the newest."""

    begin: int
    end: int


class PartitionReader:
    """Reads chosen partitions from chosen offsets.

    `max_wait_ms` bounds how long the broker may hold a fetch open. A fetch asked for while one partition's records were
    still being handled leaves that partition out, so this is also the longest such a partition can wait.
    """

    def __init__(self, bootstrap: str, client_id: str, *, max_wait_ms: int = 50, fetch_bytes: int = 2 << 20) -> None:
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            group_id=None,
            enable_auto_commit=False,
            # An offset that retention has passed continues at the oldest record; the caller compares and reports it.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=max_wait_ms,
            max_partition_fetch_bytes=fetch_bytes,
            request_timeout_ms=10_000,
            metadata_max_age_ms=30_000,
        )
        self._is_assigned = False

    async def start(self) -> None:
        """Connect. Raises `Unavailable` when no broker answers; make a new reader then."""
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable("kafka", str(error)) from error
        hand_out_plain_records(self._consumer)

    async def stop(self) -> None:
        await stop_consumer(self._consumer)

    async def partitions(self, topic: str) -> list[int]:
        """Return the topic's partition numbers, empty while it does not exist."""
        try:
            # The public topics() drops the partitions again; this is the request it makes.
            cluster = await self._consumer._client.fetch_all_metadata()
        except (KafkaError, OSError) as error:
            raise Unavailable("kafka", str(error)) from error
        return sorted(cluster.partitions_for_topic(topic) or ())

    async def bounds(self, partition: Partition) -> Bounds:
        """Return what the partition holds now. Raises `Unavailable`."""
        at = TopicPartition(*partition)
        try:
            begin = await self._consumer.beginning_offsets([at])
            end = await self._consumer.end_offsets([at])
        except (KafkaError, OSError) as error:
            raise Unavailable("kafka", str(error)) from error
        return Bounds(begin[at], end[at])

    def read_from(self, positions: Mapping[Partition, int]) -> None:
        """Read exactly these partitions from now on, each from its offset."""
        self._is_assigned = bool(positions)
        self._consumer.assign([TopicPartition(*partition) for partition in positions])
        for partition, offset in positions.items():
            self._consumer.seek(TopicPartition(*partition), offset)

    async def poll(self, max_wait_s: float, max_records: int) -> dict[Partition, list[Record]]:
        """Return what has arrived, in offset order for each partition; empty after `max_wait_s` with nothing new."""
        if not self._is_assigned:
            # aiokafka would wait for an assignment, whatever the time-out.
            await asyncio.sleep(max_wait_s)
            return {}
        try:
            batches = await self._consumer.getmany(timeout_ms=int(max_wait_s * 1000), max_records=max_records)
        except KafkaError as error:
            raise Unavailable("kafka", str(error)) from error
        return {
            (at.topic, at.partition): [
                Record(at.topic, at.partition, row.offset, row.key, row.value, row.headers, row.timestamp)
                for row in rows
            ]
            for at, rows in batches.items()
            if rows
        }

    def lag(self, partition: Partition, next_offset: int) -> int | None:
        """Return how many records are newer than `next_offset`, or None before the first fetch."""
        highwater = self._consumer.highwater(TopicPartition(*partition))
        return None if highwater is None else max(0, highwater - next_offset)


async def stop_consumer(consumer: Any) -> None:
    """Disconnect a consumer, also one whose broker is gone.

    aiokafka then waits for a fetch that it has cancelled itself: out comes what looks like our own cancellation, which
    ends the task that asked, and the connections stay open.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        await consumer._client.close()
