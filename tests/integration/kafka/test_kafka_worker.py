import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.contracts.dead_letter import DeadLetter
from shared.errors import Stop
from shared.health import failing
from shared.kafka.topics_admin import ensure_topics
from shared.kafka.worker import Worker, WorkerSettings
from shared.topics import DEAD_LETTERS
from tests.conftest import RunningKafka
from tests.contract.kafka.worlds import PARTITIONS, RealWorld, messages, read_topic
from tests.factories.kafka_processors import NOTES, WATCH_TOPICS, WATCHED, Watch, note_of, sighting
from tests.factories.odd_headers import batch_with_odd_header, produce_as_it_is

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _running(
    bootstrap: str, prefix: str, registry: CollectorRegistry, tick_every_s: float | None = None
) -> AsyncIterator[Worker[Any, Any]]:
    await ensure_topics(bootstrap, prefix, PARTITIONS, 1, WATCH_TOPICS)
    settings = WorkerSettings(bootstrap, prefix, session_timeout_s=6, tick_every_s=tick_every_s)
    worker: Worker[Any, Any] = Worker(Watch(), settings, registry, SystemClock())
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while not worker.assigned and not running.done():
            await asyncio.sleep(0.05)
    yield worker
    worker.stop()
    await running


async def test_a_worker_is_ready_when_it_has_its_partitions(kafka: RunningKafka, topic_prefix: str) -> None:
    fresh: Worker[Any, Any] = Worker(
        Watch(), WorkerSettings("127.0.0.1:1", topic_prefix), CollectorRegistry(), SystemClock()
    )
    unready = await failing({"consumer group": fresh.checks()["consumer group"]})

    async with _running(kafka.bootstrap, topic_prefix, CollectorRegistry()) as worker:
        ready = await failing(worker.checks())

    assert unready == {"consumer group": "no assignment yet"}
    assert ready == {}


async def test_a_worker_stopped_while_kafka_is_away_ends_in_good_order(topic_prefix: str) -> None:
    registry = CollectorRegistry()
    worker: Worker[Any, Any] = Worker(Watch(), WorkerSettings("127.0.0.1:1", topic_prefix), registry, SystemClock())
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    worker.stop()

    await running


async def test_ticks_reach_every_partition_and_the_next_stage(kafka: RunningKafka, topic_prefix: str) -> None:
    async with _running(kafka.bootstrap, topic_prefix, CollectorRegistry(), tick_every_s=0.2):
        async with asyncio.timeout(30):
            passed_on: set[int] = set()
            while passed_on != set(range(PARTITIONS)):
                records = await read_topic(kafka.bootstrap, NOTES.full_name(topic_prefix), range(PARTITIONS))
                passed_on = {one.partition for one in records}

    assert {msgspec.json.decode(one.value or b"")["type"] for one in records} == {"clock.ticked"}
    assert {one.key for one in records} == {None}


async def test_a_worker_counts_what_it_does(kafka: RunningKafka, topic_prefix: str) -> None:
    registry = CollectorRegistry()
    async with _running(kafka.bootstrap, topic_prefix, registry) as worker:
        batch = messages([sighting(0, "a", 1_000), sighting(1, "b", 1_000, "reject")])
        await worker._publisher.publish_batches({(WATCHED.full_name(topic_prefix), 1): batch})
        async with asyncio.timeout(30):
            while worker.handled(1) < 2:
                await asyncio.sleep(0.05)

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"pulseline_worker_{name}", {"processor": "watch", **labels})

        assert value("records_total") == 2
        assert value("outputs_total") == 1
        assert value("dead_letters_total", kind="rejected") == 1
        assert value("state_rows", partition="1") == 1
        assert value("timers", partition="1") == 1
        assert value("assigned_partitions") == PARTITIONS


async def test_a_flood_of_poison_ends_the_worker_without_waiting_for_it(kafka: RunningKafka, topic_prefix: str) -> None:
    with pytest.raises(Stop, match="100 of the last 100 inputs"):
        async with _running(kafka.bootstrap, topic_prefix, CollectorRegistry()) as worker:
            flood = messages([sighting(at, f"c{at}", 1_000, "reject") for at in range(100)])
            await worker._publisher.publish_batches({(WATCHED.full_name(topic_prefix), 0): flood})
            async with asyncio.timeout(30):
                while "kafka" not in await failing(worker.checks()):
                    await asyncio.sleep(0.05)

    letters = await read_topic(kafka.bootstrap, DEAD_LETTERS.full_name(topic_prefix), range(PARTITIONS))
    assert not letters


async def test_inputs_that_were_committed_without_their_effect_are_read_again(
    kafka: RunningKafka, topic_prefix: str
) -> None:
    name = WATCHED.full_name(topic_prefix)
    world = RealWorld(kafka.bootstrap, topic_prefix)
    await world.start()
    await world.publisher.publish_batches({(name, 0): messages([sighting(at, "a", 1_000 + at) for at in range(10)])})
    await _commit(kafka.bootstrap, f"{topic_prefix}watch", name, 6)

    await world.work(Watch())

    assert [note_of(one.value or b"").id for one in await world.read(NOTES)] == [str(at) for at in range(10)]
    await world.close()


async def test_a_header_whose_name_is_no_text_stops_nothing(kafka: RunningKafka, topic_prefix: str) -> None:
    records = [sighting(at, "a", 1_000 + at, "reject" if at == 1 else "") for at in range(4)]
    batch = batch_with_odd_header(0, 4, 1, values=[record.value or b"" for record in records])
    world = RealWorld(kafka.bootstrap, topic_prefix)
    await world.start()
    await produce_as_it_is(kafka.bootstrap, WATCHED.full_name(topic_prefix), batch, 4)

    await world.work(Watch())

    assert [note_of(one.value or b"").id for one in await world.read(NOTES)] == ["0", "2", "3"]
    (letter,) = [msgspec.json.decode(one.value or b"", type=DeadLetter) for one in await world.read(DEAD_LETTERS)]
    assert letter.headers == [("schema", b"1"), ("bad\ufffdname", b"content"), ("none", b"")]
    await world.close()


async def _commit(bootstrap: str, group: str, name: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(name, 0)])
    await consumer.commit({TopicPartition(name, 0): offset})
    await consumer.stop()
