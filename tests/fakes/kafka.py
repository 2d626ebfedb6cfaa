"""Kafka without a broker: a log in memory with the ports the engine needs, and crashes written into the test."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from shared.kafka.processor import Headers
from shared.kafka.publisher import MAX_RECORD_BYTES, Acked, Filling, Message, Place, RecordTooLargeError, record_size


class FakeRecord(NamedTuple):
    """A record as aiokafka's consumer gives it, as far as the engine looks."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0


class CrashError(BaseException):
    """The process ends here: kill -9, written into the test's input."""


class FakeKafka:
    """Logs by (topic, partition). `before_write` may raise before a batch lands; `writable` cuts it short."""

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self.logs: defaultdict[Place, list[FakeRecord]] = defaultdict(list)
        self.before_write: Callable[[Place, Sequence[Message]], int | None] = lambda _place, _messages: None
        self.reads = 0
        # Where a topic's records begin, for those that retention has shortened.
        self.first_offsets: dict[Place, int] = {}

    def append(self, place: Place, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        self.logs[place].append(FakeRecord(len(self.logs[place]), key, value, headers))

    def filling(self, _place: Place) -> Filling:
        return list[Message]()

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message] | Filling]) -> dict[Place, list[Acked]]:
        """Write the batches; a number from `before_write` is how many land before the process dies."""
        acked: dict[Place, list[Acked]] = {}
        for place, messages in batches.items():
            assert isinstance(messages, Sequence)
            for key, value, headers, _ in messages:
                if record_size(key, value, headers) > MAX_RECORD_BYTES:
                    raise RecordTooLargeError(f"a record of {place} with key {key!r}")
            landing = self.before_write(place, messages)
            first = len(self.logs[place])
            for key, value, headers, _ in messages if landing is None else messages[:landing]:
                self.append(place, key, value, headers)
            if landing is not None:
                raise CrashError
            acked[place] = [Acked(first, len(messages))]
        return acked

    async def partition_count(self, topic: str) -> int:
        return self.partitions

    async def end_offset(self, topic: str, partition: int) -> int:
        return len(self.logs[topic, partition])

    async def first_offset(self, topic: str, partition: int, start: int) -> int:
        return max(start, self.first_offsets.get((topic, partition), 0))

    async def read(self, topic: str, partition: int) -> AsyncIterator[Sequence[FakeRecord]]:
        self.reads += 1
        log = list(self.logs[topic, partition])
        for start in range(0, len(log), 100):
            yield log[start : start + 100]
