"""Scheduled refits on a real Kafka: two processes, one killed at once; every partition gets the same generation."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.codec import encode
from shared.contracts.control import ClockTicked, ModelPublished
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin
from shared.contracts.event import Customer, OrderPlaced
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.kafka.ticker import publish_control
from shared.kafka.topics_admin import ensure_topics
from shared.topics import ENRICHED
from tests.conftest import RunningKafka
from tests.factories.purchase_log import FIRST_DAY, purchase_log
from tests.service_process import ServiceProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

PARTITIONS = 3
N_DAYS = 400


def imported(now: datetime) -> list[tuple[str, bytes]]:
    """Return a year of orders that ends yesterday, as an import brings them."""
    # While history still comes in a first fit waits, three minutes from the next whole five minutes on: it came before.
    received_at = now - timedelta(minutes=10)
    shift = now - timedelta(days=1) - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(days=FIRST_DAY + N_DAYS)
    events = []
    for owner, purchases, _ in purchase_log(200, N_DAYS):
        for day, cents in purchases:
            at = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) + shift
            order = OrderPlaced(
                id=f"{owner}-{day}",
                source="test",
                occurred_at=at,
                received_at=received_at,
                customer=Customer(id=owner),
                order_id=f"{owner}-{day}",
                amount=f"{(cents or 0) / 100:.2f}",
            )
            events.append(
                (owner, encode(EnrichedEvent(event=order, engagement=Engagement(as_of=at), origin=Origin(0, 0))))
            )
    return events


async def generations(bootstrap: str, topic: str) -> list[list[bytes]]:
    """Return the generations in each partition, repeated ones too, once every partition has one."""
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    found: dict[int, list[bytes]] = {place.partition: [] for place in places}
    await consumer.start()
    try:
        consumer.assign(places)
        async with asyncio.timeout(120):
            while not all(found.values()):
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    controls = [record.value for record in records if record.key is None]
                    found[place.partition] += [value for value in controls if b'"model.published"' in value]
    finally:
        await consumer.stop()
    return [found[place.partition] for place in places]


async def test_every_partition_gets_one_generation_though_the_leader_is_killed(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    await ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1)
    publisher = Publisher(kafka.bootstrap)
    await publisher.start()
    topic = ENRICHED.full_name(topic_prefix)
    records = [OutRecord(partition_for(key, PARTITIONS), key.encode(), value) for key, value in imported(now)]
    await publisher.publish(topic, records)
    for _ in range(2):
        await publish_control(publisher, topic, ClockTicked(at=now))
    settings = {
        "PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "PULSELINE_TOPIC_PREFIX": topic_prefix,
        "PULSELINE_CHURN_ALERTS_REFIT_LOOK_EVERY_S": "0.5",
    }

    first, second = (ServiceProcess("churn_alerts", settings, tmp_path / name) for name in ("one", "two"))
    for process in (first, second):
        process.log.parent.mkdir()
    with first.start(), second.start(until_ready=False):
        first.kill()
        found = await generations(kafka.bootstrap, topic)

    await publisher.stop()
    assert len({value for values in found for value in values}) == 1
    record = msgspec.json.decode(found[0][0], type=ModelPublished)
    assert (record.name, record.version) == ("churn", 1)
    assert record.in_force_at < now and record.model["n_repeat_customers"] > 100
