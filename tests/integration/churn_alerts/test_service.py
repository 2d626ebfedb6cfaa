"""The churn service as its own process on a real Kafka: what it publishes is what the same log gives in memory."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from shared.contracts.control import ClockTicked
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.kafka.ticker import publish_control
from shared.kafka.topics_admin import ensure_topics
from shared.topics import CHURN_ALERTS, ENRICHED
from tests.conftest import RunningKafka
from tests.factories.churn_log import Log, at, complaint, regular, tick
from tests.service_process import ServiceProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

PARTITIONS = 3
END = at(250)


def recorded() -> Log:
    log = Log()
    entries = [entry for number in range(12) for entry in regular(f"c{number}", 6 + number, 7)]
    entries += [complaint(f"c{number}", at(30, number)) for number in range(4)]
    entries += [complaint("c1", at(31, minute)) for minute in range(4)]
    for entry in sorted(entries, key=lambda entry: entry[0].occurred_at):
        log.add(entry)
    log.add(tick(END))
    return log


async def published_alerts(bootstrap: str, topic: str, n: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    values: list[bytes] = []
    try:
        async with asyncio.timeout(100):
            while len(values) < n:
                batches = await consumer.getmany(timeout_ms=500)
                values += [record.value for records in batches.values() for record in records]
    finally:
        await consumer.stop()
    return values


async def test_service_publishes_what_the_log_gives_in_memory(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = recorded()
    expected = sorted(msgspec.json.encode(record) for record in log.decide().alerts)
    await ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1)
    publisher = Publisher(kafka.bootstrap)
    await publisher.start()
    topic = ENRICHED.full_name(topic_prefix)
    records = [(record.key, record.value) for record in log.records if record.key is not None and record.value]
    await publisher.publish(
        topic, [OutRecord(partition_for(key.decode(), PARTITIONS), key, value) for key, value in records]
    )
    await publish_control(publisher, topic, ClockTicked(at=END))
    await publish_control(publisher, topic, ClockTicked(at=END + timedelta(seconds=1)))
    settings = {"PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap, "PULSELINE_TOPIC_PREFIX": topic_prefix}

    with ServiceProcess("churn_alerts", settings, tmp_path).start():
        values = await published_alerts(kafka.bootstrap, CHURN_ALERTS.full_name(topic_prefix), len(expected))

    await publisher.stop()
    assert sorted(values) == expected
