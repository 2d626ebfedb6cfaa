"""Records as the decoder made them are those that the library would have wrapped."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from shared.kafka.odd_headers import KeptResponses
from shared.kafka.plain_records import PlainResults
from tests.factories.odd_headers import batch_with_odd_header

# What comes before is the broker's to change: offset, length, leader's epoch, format.
_CHECKSUM_AT = 17


def _content(first: int) -> bytes:
    """Return two batches of ten records, fetched from an offset on; as a broker, leave out a batch before it."""
    content = bytearray()
    for start in (10,) if first >= 10 else (0, 10):
        builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, 0, 1 << 20)
        for number in range(10):
            builder.append(number, 1_000 + number, b"key", b"value %d" % (start + number), [])
        batch = builder.build()
        batch[0:8] = start.to_bytes(8, "big")
        content += batch
    return bytes(content)


def _fetched(content: bytes, first: int = 0) -> Any:
    place = TopicPartition("t", 0)
    return PartitionRecords(place, MemoryRecords(content), [], first, None, None, True, READ_UNCOMMITTED)


def _plain(content: bytes, first: int = 0) -> Any:
    fetched = _fetched(content, first)
    assignment = Assignment({fetched._tp})
    assignment.state_value(fetched._tp).seek(fetched.next_fetch_offset)
    contents = [content]
    results = PlainResults(lambda _: contents.pop())
    results[fetched._tp] = FetchResult(fetched._tp, assignment=assignment, partition_records=fetched, backoff=0)
    # What the fetcher asks of it before it hands out its records.
    assert type(results[fetched._tp]) is FetchResult
    return results[fetched._tp]


@pytest.mark.parametrize("first", [0, 3, 10, 15])
async def test_records_are_those_of_the_librarys_own_iterator(first: int) -> None:
    content = _content(first)
    original = list(_fetched(content, first))
    result = _plain(content, first)

    records = result.getall(None)

    assert [(one.offset, one.key, one.value, one.timestamp) for one in records] == [
        (one.offset, one.key, one.value, one.timestamp) for one in original
    ]
    assert not result.has_more()
    assert result._assignment.state_value(result._topic_partition).position == 20


async def test_records_come_in_pieces_and_the_position_moves_with_them() -> None:
    result = _plain(_content(3), 3)
    position = result._assignment.state_value(result._topic_partition)

    pieces = []
    while result.has_more():
        pieces.append(([one.offset for one in result.getall(7)], position.position))

    assert pieces == [(list(range(3, 10)), 10), (list(range(10, 17)), 17), ([17, 18, 19], 20)]


async def test_the_position_is_past_records_that_compaction_removed() -> None:
    content = bytearray(batch_with_odd_header(0, 5, None))
    # The last offset of the batch, which compaction keeps, and with it another checksum.
    content[23:27] = (8).to_bytes(4, "big")
    content[17:21] = calc_crc32c(bytes(content[21:])).to_bytes(4, "big")
    result = _plain(bytes(content), 2)

    assert [one.offset for one in result.getall(None)] == [2, 3, 4]
    assert result._assignment.state_value(result._topic_partition).position == 9


async def test_what_was_fetched_is_let_go_with_its_last_record() -> None:
    content = batch_with_odd_header(0, 5, None)
    references = sys.getrefcount(content)
    result = _plain(content)

    result.getall(None)

    assert sys.getrefcount(content) == references


async def test_what_was_fetched_before_a_seek_is_not_given_out() -> None:
    result = _plain(_content(0))
    result._assignment.state_value(result._topic_partition).seek(5)

    assert result.getall(10) == []
    assert not result.has_more()


@pytest.mark.parametrize("is_compressed", [False, True])
async def test_a_batch_that_was_damaged_on_its_way_is_refused(is_compressed: bool) -> None:
    sound, other = (batch_with_odd_header(first, 10, None, is_compressed=is_compressed) for first in (0, 10))

    for at in range(_CHECKSUM_AT, len(other)):
        damaged = bytearray(other)
        damaged[at] ^= 1 << at % 8
        result = _plain(sound + damaged)

        with pytest.raises(CorruptRecordException):
            result.getall(None)


@pytest.mark.parametrize("first", [0, 12, 15])
@pytest.mark.parametrize("is_compressed", [False, True])
async def test_a_header_whose_name_is_no_text_does_not_hold_the_records(first: int, is_compressed: bool) -> None:
    content = b"".join(
        batch_with_odd_header(start, 10, odd_at=3 if start == 10 else None, is_compressed=is_compressed)
        for start in range(first - first % 10, 30, 10)
    )
    result = _plain(content, first)

    records = result.getall(7) + result.getall(None)

    assert [one.offset for one in records] == list(range(first, 30))
    assert [one.value for one in records] == [b"value %d" % one.offset for one in records]
    assert {one.key for one in records} == {b"key"}
    assert [one.timestamp for one in records] == [1_000 + one.offset for one in records]
    odd = next((one for one in records if one.offset == 13), None)
    assert odd is None or list(odd.headers) == [("schema", b"1"), ("bad\ufffdname", b"content"), ("none", None)]
    assert result._assignment.state_value(result._topic_partition).position == 30


async def test_the_last_response_of_a_partition_is_kept_until_it_is_taken() -> None:
    class Client:
        cluster = "cluster"

        async def send(self, _node: int, _request: Any) -> Any:
            content = contents.pop(0)
            return SimpleNamespace(topics=[("t", [(0, 0, 5, 5, None, content), (1, 0, 5, 5, None, b"other")])])

    contents = [b"first", b"second"]
    client = KeptResponses(Client())

    await client.send(0, FetchRequest(100, 1, 1, 0, []))
    await client.send(0, FetchRequest(100, 1, 1, 0, []))

    assert client.cluster == "cluster"
    assert [client.take(TopicPartition("t", number)) for number in (0, 0, 1)] == [b"second", b"", b"other"]
