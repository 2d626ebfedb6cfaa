"""The reader without a group, when its broker goes away."""

import pytest

from shared.embedded.kafka import EmbeddedKafka
from shared.errors import Unavailable
from shared.kafka.consumer import PartitionReader
from shared.kafka.topics_admin import ensure_topics
from shared.topics import INTERACTIONS


async def test_a_reader_whose_broker_is_gone_can_be_stopped_by_who_goes_on(fresh_kafka: EmbeddedKafka) -> None:
    await ensure_topics(fresh_kafka.bootstrap, prefix="gone-", partitions=2, replication=1)
    topic = INTERACTIONS.full_name("gone-")
    reader = PartitionReader(fresh_kafka.bootstrap, "test-reader")
    await reader.start()
    reader.read_from({(topic, 0): 0, (topic, 1): 0})
    await reader.poll(0.5, 100)

    fresh_kafka.kill()
    with pytest.raises(Unavailable):
        while True:
            await reader.partitions(topic)

    await reader.stop()
