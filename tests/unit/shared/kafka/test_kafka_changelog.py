import pytest

from shared.errors import Unavailable
from shared.kafka.changelog import KafkaStateReader, load
from shared.kafka.processor import Control
from shared.kafka.rows import Row, control_row, encode_row, partition_row, tombstone
from tests.fakes.kafka import FakeKafka

_TOPIC = "state"


def _write(kafka: FakeKafka, *rows: Row) -> None:
    for key, value, headers in rows:
        kafka.append((_TOPIC, 0), key.encode(), value, headers)


async def test_the_newest_row_of_a_key_is_its_state() -> None:
    kafka = FakeKafka()
    _write(kafka, Row("a", encode_row(1, None, b"1")), Row("a", encode_row(5, 900, b"2")), partition_row(5, 70))

    loaded = await load(kafka, _TOPIC, 0)

    assert loaded.rows == {"a": encode_row(5, 900, b"2")}
    assert (loaded.fence, loaded.watermark_ms, loaded.next_offset, loaded.heal) == (5, 70, 3, [])


async def test_a_tombstone_erases_the_key() -> None:
    kafka = FakeKafka()
    _write(kafka, Row("a", encode_row(1, None, b"1")), tombstone("a", 2))

    loaded = await load(kafka, _TOPIC, 0)

    assert loaded.rows == {}


async def test_an_empty_topic_is_a_partition_never_written() -> None:
    loaded = await load(FakeKafka(), _TOPIC, 0)

    assert (loaded.rows, loaded.fence, loaded.watermark_ms, loaded.next_offset) == ({}, -1, 0, 0)


async def test_rows_that_a_dead_worker_wrote_late_lose_and_are_written_again() -> None:
    kafka = FakeKafka()
    newest, late = Row("a", encode_row(9, None, b"9")), Row("a", encode_row(4, None, b"4"))
    _write(kafka, newest, partition_row(9, 90), late, partition_row(4, 40))

    loaded = await load(kafka, _TOPIC, 0)

    assert loaded.rows == {"a": newest.value}
    assert loaded.fence == 9
    assert newest in loaded.heal
    assert len(loaded.heal) == 2


async def test_a_tombstone_is_not_undone_by_a_dead_workers_row() -> None:
    kafka = FakeKafka()
    _write(kafka, tombstone("a", 9), Row("a", encode_row(4, None, b"4")))

    loaded = await load(kafka, _TOPIC, 0)

    assert loaded.rows == {}
    assert loaded.heal == [tombstone("a", 9)]


async def test_controls_are_loaded_apart_from_customers() -> None:
    kafka = FakeKafka()
    _write(kafka, control_row(Control("rules", 2, 5, {}), 3), Row("a", encode_row(1, None, b"1")))

    loaded = await load(kafka, _TOPIC, 0)

    assert list(loaded.rows) == ["a"]
    assert [row.version for row in loaded.controls] == [2]


async def test_loading_can_be_given_up() -> None:
    kafka = FakeKafka()
    _write(kafka, tombstone("a", 1))

    def give_up(*_: int) -> None:
        raise Unavailable("test")

    with pytest.raises(Unavailable):
        await load(kafka, _TOPIC, 0, give_up)


async def test_a_reader_without_a_broker_is_unavailable() -> None:
    reader = KafkaStateReader("127.0.0.1:1")

    with pytest.raises(Unavailable):
        await reader.end_offset(_TOPIC, 0)

    await reader.stop()
