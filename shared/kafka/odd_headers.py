"""Records whose headers have names that are no UTF-8. Kafka takes and keeps them; aiokafka cannot read past them.

Such a record would end the worker, and each that follows it, at the same offset. The name is read as Java's clients
would read it, with a stand-in for what it cannot be; key, value and the header's content are as they were sent.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint
from aiokafka.structs import TopicPartition

from shared.kafka.processor import Headers

_APPENDED: Final = 1


class ReadRecord(NamedTuple):
    """A record as aiokafka's own decoder gives it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class KeptResponses:
    """A fetcher's client that keeps what came last for each partition until it is asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._contents: dict[TopicPartition, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Return the response, as the client's own method."""
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for number, *_, content in partitions:
                    self._contents[TopicPartition(topic, number)] = content
        return response

    def take(self, place: TopicPartition) -> bytes:
        """Return the bytes of the partition's batches, and forget them."""
        return self._contents.pop(place, b"")


def records_in(content: bytes, base_offset: int) -> Iterator[ReadRecord]:
    """Yield the records of the batch that begins at `base_offset`, whatever their headers are called."""
    batches = _MemoryRecordsPy(content)
    while (next_slice := batches._next_slice) is not None:
        if int.from_bytes(next_slice[:8], "big", signed=True) == base_offset:
            yield from _records_of(_DefaultRecordBatchPy(next_slice))
            return
        batches._cache_next()


def _records_of(batch: Any) -> Iterator[ReadRecord]:
    batch._maybe_uncompress()
    buffer, at = batch._buffer, batch._pos
    is_appended = batch.timestamp_type == _APPENDED

    def number() -> int:
        nonlocal at
        result: int
        result, at = decode_varint(buffer, at)
        return result

    def content(length: int) -> bytes | None:
        nonlocal at
        if length < 0:
            return None
        at += length
        return bytes(buffer[at - length : at])

    for _ in range(batch._num_records):
        number()  # its length
        at += 1  # its attributes: there are none yet
        timestamp = batch.first_timestamp + number()
        offset = batch.base_offset + number()
        key, value = content(number()), content(number())
        headers = [((content(number()) or b"").decode(errors="replace"), content(number())) for _ in range(number())]
        time_ms = batch.max_timestamp if is_appended else timestamp
        yield ReadRecord(offset, time_ms, batch.timestamp_type, key, value, cast("Headers", headers))
