import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.embedded.kafka import EmbeddedKafka
from shared.errors import Stop, Unavailable
from shared.kafka.publisher import OutRecord, Publisher
from tests.conftest import RunningKafka
from tests.contract.kafka.worlds import read_topic

pytestmark = pytest.mark.integration


async def _create(bootstrap: str, name: str, **settings: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    await admin.close()


async def test_a_batch_the_broker_refuses_does_not_wedge_what_comes_after(
    kafka: RunningKafka, topic_prefix: str
) -> None:
    name = f"{topic_prefix}narrow"
    await _create(kafka.bootstrap, name, **{"max.message.bytes": "2000"})
    publisher = Publisher(kafka.bootstrap)
    await publisher.start()
    await publisher.publish(name, [OutRecord(0, b"k", b"before")])

    with pytest.raises(Stop):
        await publisher.publish(name, [OutRecord(0, b"k", bytes(10_000))])
    await publisher.publish(name, [OutRecord(0, b"k", b"after")])

    await publisher.stop()
    assert [one.value for one in await read_topic(kafka.bootstrap, name, [0])] == [b"before", b"after"]


async def test_a_broker_that_dies_is_unavailable_and_serves_again_when_it_is_back(fresh_kafka: EmbeddedKafka) -> None:
    await _create(fresh_kafka.bootstrap, "t")
    publisher = Publisher(fresh_kafka.bootstrap, delivery_timeout_s=2)
    await publisher.start()
    await publisher.publish("t", [OutRecord(0, b"k", b"1")])

    await asyncio.to_thread(fresh_kafka.kill)
    with pytest.raises(Unavailable):
        await publisher.publish("t", [OutRecord(0, b"k", b"2")])
    was_connected = publisher.is_connected
    await asyncio.to_thread(fresh_kafka.start)
    async with asyncio.timeout(30):
        while not await _is_published(publisher):
            await asyncio.sleep(0.2)

    assert not was_connected
    assert publisher.is_connected
    await publisher.stop()
    assert {one.value for one in await read_topic(fresh_kafka.bootstrap, "t", [0])} >= {b"1", b"3"}


async def test_filled_batches_survive_the_broker_and_arrive_whole_and_in_order(fresh_kafka: EmbeddedKafka) -> None:
    await _create(fresh_kafka.bootstrap, "t")
    publisher = Publisher(fresh_kafka.bootstrap, delivery_timeout_s=2)
    await publisher.start()
    await publisher.publish("t", [OutRecord(0, b"k", b"first")])
    filling = publisher.filling(("t", 0))
    values = [b"%03d" % number + bytes(50_000) for number in range(100)]
    for value in values:
        filling.extend([(b"k", value, [("h", b"1")], None)])

    await asyncio.to_thread(fresh_kafka.kill)
    with pytest.raises(Unavailable):
        await publisher.publish_batches({("t", 0): filling})
    await asyncio.to_thread(fresh_kafka.start)
    acked = None
    async with asyncio.timeout(30):
        while acked is None:
            try:
                acked = (await publisher.publish_batches({("t", 0): filling}))["t", 0]
            except Unavailable:
                await asyncio.sleep(0.2)

    await publisher.stop()
    arrived = await read_topic(fresh_kafka.bootstrap, "t", [0])
    assert sum(stretch.n_records for stretch in acked) == 100
    assert [one.value for one in arrived[acked[0].first_offset :]] == values


async def _is_published(publisher: Publisher) -> bool:
    try:
        await publisher.publish("t", [OutRecord(0, b"k", b"3")])
    except Unavailable:
        return False
    return True
