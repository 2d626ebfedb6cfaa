"""Two worlds for one suite: Kafka in memory and Kafka itself."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.kafka.changelog import KafkaStateReader, StateReader
from shared.kafka.engine import Engine
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.processor import Processor
from shared.kafka.publisher import BatchPublisher, Message, Publisher
from shared.kafka.topics_admin import ensure_topics
from shared.kafka.worker import Worker, WorkerSettings
from shared.topics import Topic
from tests.factories.kafka_processors import WATCH_TOPICS
from tests.fakes.kafka import FakeKafka

PARTITIONS = 2


class Read(NamedTuple):
    """A record as a topic has it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class World(Protocol):
    """What the suite needs of Kafka."""

    publisher: BatchPublisher
    reader: StateReader
    prefix: str

    async def work(self, processor: Processor[Any, Any]) -> None:
        """Run a worker over everything the input topic has, until it is handled and committed."""
        ...

    async def read(self, topic: Topic) -> list[Read]:
        """Return every record of the topic."""
        ...

    async def close(self) -> None: ...


class FakeWorld:
    """A log in memory, and an engine driven over it as the worker drives its own."""

    def __init__(self) -> None:
        self.prefix = "fake-"
        self._kafka = FakeKafka(PARTITIONS)
        self.publisher: BatchPublisher = self._kafka
        self.reader: StateReader = self._kafka
        self._committed: dict[int, int] = {}

    async def work(self, processor: Processor[Any, Any]) -> None:
        metrics = WorkerMetrics(CollectorRegistry(), processor.name)
        engine = Engine(
            processor, self._kafka, self._kafka, metrics, SystemClock(), topic_prefix=self.prefix, max_poison_ratio=1.0
        )
        for partition in range(PARTITIONS):
            log = self._kafka.logs[processor.input_topic.full_name(self.prefix), partition]
            start = self._committed.get(partition, 0)
            if start < len(log):
                await engine.handle(partition, log[start:], lambda: True, len(log))
                self._committed[partition] = len(log)

    async def read(self, topic: Topic) -> list[Read]:
        name = topic.full_name(self.prefix)
        return [
            Read(partition, record.offset, record.key, record.value)
            for partition in range(PARTITIONS)
            for record in self._kafka.logs[name, partition]
        ]

    async def close(self) -> None:
        return


class RealWorld:
    """A real broker, and real workers that join a group."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self._bootstrap = bootstrap
        self._publisher = Publisher(bootstrap)
        self._reader = KafkaStateReader(bootstrap)
        self.publisher: BatchPublisher = self._publisher
        self.reader: StateReader = self._reader

    async def start(self) -> None:
        await ensure_topics(self._bootstrap, self.prefix, PARTITIONS, 1, WATCH_TOPICS)
        await self._publisher.start()

    async def work(self, processor: Processor[Any, Any]) -> None:
        settings = WorkerSettings(self._bootstrap, self.prefix, session_timeout_s=6, max_poison_ratio=1.0)
        worker = Worker(processor, settings, CollectorRegistry(), SystemClock())
        running = asyncio.create_task(worker.run())
        name = processor.input_topic.full_name(self.prefix)
        ends = {place: await self.reader.end_offset(name, place) for place in range(PARTITIONS)}
        async with asyncio.timeout(40):
            while any(worker.handled(place) < end for place, end in ends.items()) and not running.done():
                await asyncio.sleep(0.05)
            worker.stop()
            await running

    async def read(self, topic: Topic) -> list[Read]:
        return await read_topic(self._bootstrap, topic.full_name(self.prefix), range(PARTITIONS))

    async def close(self) -> None:
        await self._publisher.stop()
        await self._reader.stop()


async def read_topic(bootstrap: str, name: str, partitions: Sequence[int]) -> list[Read]:
    """Return every record of a topic, by a consumer that shares nothing with the engine."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(name, partition) for partition in partitions]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    await consumer.seek_to_beginning(*places)
    records: list[Read] = []
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        for place, fetched in (await consumer.getmany(timeout_ms=200)).items():
            records += [Read(place.partition, one.offset, one.key, one.value) for one in fetched]
    await consumer.stop()
    return sorted(records)


def messages(records: Sequence[Any]) -> list[Message]:
    """Return what to publish for input records made by the factories."""
    return [(record.key, record.value, record.headers, None) for record in records]
