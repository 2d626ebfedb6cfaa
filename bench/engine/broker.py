"""The broker, topics and input of a comparison, and clocks that belong to nobody: the broker's own append times."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers.work import EVENTS, PARTITIONS, customer_of, make_event
from shared.embedded.kafka import EmbeddedKafka
from shared.kafka.publisher import OutRecord, Publisher, partition_for

SOURCE = "w1-events"
_FIRST_MS = 1_700_000_000_000


@contextmanager
def broker() -> Iterator[str]:
    """Start a broker with an empty data folder; yield its address."""
    with TemporaryDirectory(prefix="pulseline-bench-") as folder, EmbeddedKafka(Path(folder)) as kafka:
        yield kafka.bootstrap


async def create_topics(bootstrap: str, *names: str) -> None:
    """Create topics whose records carry the time the broker wrote them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    settings = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=settings) for name in names])
    await asyncio.sleep(0.5)
    await admin.close()


async def fill(bootstrap: str) -> None:
    """Write the input of work W1."""
    publisher = Publisher(bootstrap, delivery_timeout_s=60)
    await publisher.start()
    for start in range(0, EVENTS, 20_000):
        records = []
        for number in range(start, start + 20_000):
            customer = customer_of(number)
            place = partition_for(customer, PARTITIONS)
            records.append(OutRecord(place, customer.encode(), make_event(number, _FIRST_MS + number)))
        await publisher.publish(SOURCE, records)
    await publisher.stop()


@dataclass(frozen=True)
class Stretch:
    """How many records a topic got, in how many seconds of the broker's clock, and the rate of their second half."""

    records: int
    seconds: float
    later_per_second: float

    @property
    def per_second(self) -> float:
        return self.records / self.seconds if self.seconds > 0 else 0.0


async def count_outputs(bootstrap: str, name: str, wanted: int, within_s: float) -> int:
    """Wait until the topic has `wanted` records, or the time is over, or nothing comes; return how many it has."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
    deadline = time.monotonic() + within_s
    total = 0
    while time.monotonic() < deadline:
        total = sum((await consumer.end_offsets(places)).values())
        if total >= wanted:
            break
        await asyncio.sleep(0.1)
    await consumer.stop()
    return total


async def output_stretch(bootstrap: str, name: str) -> Stretch:
    """Return the records after the first batch, and the time from that batch's append to the last one's."""
    # Not the default, "latest": with it a seek that comes too late reads nothing and says nothing.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=1 << 22
    )
    await consumer.start()
    places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, 0)
    times: list[int] = []
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        for fetched in (await consumer.getmany(timeout_ms=500)).values():
            times += [record.timestamp for record in fetched]
    await consumer.stop()
    times.sort()
    first, middle, last = times[0], times[len(times) // 2], times[-1]
    later_s = (last - middle) / 1000
    later = sum(at > middle for at in times) / later_s if later_s else 0.0
    return Stretch(sum(at > first for at in times), (last - first) / 1000, later)
