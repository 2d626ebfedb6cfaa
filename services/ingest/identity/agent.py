"""Follows the `identities` topic from its beginning, so that every ingest process knows whom handles belong to.

A process that is behind is never wrong for good: an event that went to the handle's own id is passed on from there.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec

from services.ingest.identity.table import HandleTable
from services.ingest.metrics import IngestMetrics
from shared.contracts.identity import HandleOwner
from shared.errors import Unavailable
from shared.kafka.consumer import Partition, PartitionReader, Record
from shared.topics import IDENTITIES

log = logging.getLogger(__name__)

_POLL_S = 0.5
_MAX_RECORDS = 10_000
_RETRY_S = 1.0

_decoder = msgspec.json.Decoder(HandleOwner)


class HandleFollower:
    """Keeps `table` equal to the topic; `check` says until when it is not."""

    def __init__(self, table: HandleTable, bootstrap: str, topic_prefix: str, metrics: IngestMetrics) -> None:
        self._table = table
        self._bootstrap = bootstrap
        self._topic = IDENTITIES.full_name(topic_prefix)
        self._metrics = metrics
        self._positions: dict[Partition, int] = {}
        self._is_known = asyncio.Event()

    async def check(self) -> str | None:
        """Return why events may take a detour at first: the topic was never read to its end; None once it was."""
        return None if self._is_known.is_set() else "handles are not read yet"

    async def known(self) -> None:
        """Return once the topic was read to its end."""
        await self._is_known.wait()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._session()
            except Unavailable as error:
                log.warning("handles wait for Kafka", extra={"action": "handles_wait", "reason": str(error)})
            await asyncio.sleep(_RETRY_S)

    async def _session(self) -> None:
        reader = PartitionReader(self._bootstrap, "pulseline-ingest-identities", max_wait_ms=100)
        await reader.start()
        try:
            ends = await self._start(reader)
            is_quiet = False
            while True:
                batches = await reader.poll(_POLL_S, _MAX_RECORDS)
                for batch in batches.values():
                    self._take(batch)
                    # A million handles at the start take seconds: requests come in between.
                    await asyncio.sleep(0)
                # Compaction may have removed the very last records, so two quiet polls will do as well.
                is_complete = all(self._positions[partition] >= end for partition, end in ends.items())
                if not self._is_known.is_set() and (is_complete or (is_quiet and not batches)):
                    self._is_known.set()
                    log.info("handles are known", extra={"action": "handles_known", "n_handles": len(self._table)})
                is_quiet = not batches
                self._metrics.handles.set(len(self._table))
        finally:
            await reader.stop()

    async def _start(self, reader: PartitionReader) -> Mapping[Partition, int]:
        """Read on from where the table stands; returns the offsets at which it is complete as of now."""
        numbers = await reader.partitions(self._topic)
        if not numbers:
            raise Unavailable("kafka", f"no topic {self._topic} yet")
        ends: dict[Partition, int] = {}
        for number in numbers:
            partition = (self._topic, number)
            bounds = await reader.bounds(partition)
            known = self._positions.get(partition, 0)
            self._positions[partition] = known if bounds.begin <= known <= bounds.end else bounds.begin
            ends[partition] = bounds.end
        reader.read_from(self._positions)
        return ends

    def _take(self, records: Sequence[Record]) -> None:
        table = self._table
        for record in records:
            handle = (record.key or b"").decode("utf-8", "replace")
            if record.value is None:
                table.remove(handle)
                continue
            try:
                table.put(handle, _decoder.decode(record.value).customer_id)
            except msgspec.DecodeError as error:
                log.error("a handle's owner cannot be read", extra={"action": "handle_unread", "reason": str(error)})
        last = records[-1]
        self._positions[last.topic, last.partition] = last.offset + 1
