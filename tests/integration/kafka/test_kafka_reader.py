"""The reader without a group, when its broker goes away and when a record is odd."""

from pathlib import Path

import pytest

from shared.embedded.kafka import EmbeddedKafka
from shared.errors import Unavailable
from shared.kafka.consumer import PartitionReader, Record
from shared.kafka.topics_admin import ensure_topics
from shared.topics import INTERACTIONS
from tests.conftest import RunningKafka
from tests.factories.odd_headers import batch_with_odd_header, produce_as_it_is


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


async def test_a_header_whose_name_is_no_text_does_not_hold_the_reader(kafka: RunningKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, prefix=topic_prefix, partitions=1, replication=1, topics=[INTERACTIONS])
    topic = INTERACTIONS.full_name(topic_prefix)
    await produce_as_it_is(kafka.bootstrap, topic, batch_with_odd_header(0, 4, 1), 4)
    reader = PartitionReader(kafka.bootstrap, "test-reader")
    await reader.start()
    reader.read_from({(topic, 0): 0})

    records: list[Record] = []
    while len(records) < 4:
        records += (await reader.poll(1.0, 3)).get((topic, 0), [])

    assert [record.value for record in records] == [b"value %d" % number for number in range(4)]
    assert list(records[1].headers) == [("schema", b"1"), ("bad\ufffdname", b"content"), ("none", None)]
    await reader.stop()


async def test_a_batch_that_a_disk_has_damaged_is_refused_and_nothing_of_it_is_given_out(
    fresh_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    bootstrap = fresh_kafka.bootstrap
    await ensure_topics(bootstrap, prefix="damaged-", partitions=2, replication=1, topics=[INTERACTIONS])
    topic = INTERACTIONS.full_name("damaged-")
    for partition, is_compressed in enumerate((False, True)):
        for _ in range(2):
            batch = batch_with_odd_header(0, 4, None, is_compressed=is_compressed)
            await produce_as_it_is(bootstrap, topic, batch, 4, partition=partition)
        _damage(tmp_path / "kafka", f"{topic}-{partition}")

    for partition in (0, 1):
        reader = PartitionReader(bootstrap, "test-reader")
        await reader.start()
        reader.read_from({(topic, partition): 0})
        records: list[Record] = []
        with pytest.raises(Unavailable, match="Invalid CRC"):
            while len(records) < 5:
                records += (await reader.poll(1.0, 4)).get((topic, partition), [])
        assert [record.offset for record in records] == [0, 1, 2, 3]
        await reader.stop()


def _damage(data_dir: Path, partition: str) -> None:
    """Turn over one bit in the midst of the records that were written last."""
    (segment,) = data_dir.glob(f"*/data/{partition}/*.log")
    content = bytearray(segment.read_bytes())
    content[-40] ^= 1
    with segment.open("r+b") as file:
        file.write(content)
