"""Batches that are filled while outputs are decided: sent when they are published, and whole again after a failure."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OutOfOrderSequenceNumber
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import RecordMetadata

from shared.errors import Unavailable
from shared.kafka.publisher import Acked, OutRecord, Publisher, RecordTooLargeError
from shared.kafka.rows import Message

_PLACE = ("notes", 0)
_ODD: list[Message] = [
    (b"a", b"1", [("content-type", b"application/json"), ("empty", None)], None),  # type: ignore[list-item]  # Kafka has such
    (b"a", None, (), 1_700_000_000_000),
    (None, b"tick", [("kind", b"clock")], None),
]


class _Broker:
    """What arrives, batch by batch, and the fate of each batch: "ack", "fail", "silence". After the last one: "ack"."""

    def __init__(self, *fates: str) -> None:
        self._fates = list(fates)
        self.is_ever_silent = "silence" in fates
        self.arrived: list[list[Message]] = []
        self.n_producers = 0

    def receive(self, content: bytes) -> int:
        """Return the offset of a batch's first record. Raises what the producer would be told."""
        batch: Any = MemoryRecords(content).next_batch()
        first = sum(map(len, self.arrived))
        self.arrived.append([(one.key, one.value, one.headers, one.timestamp) for one in batch])
        fate = self._fates.pop(0) if self._fates else "ack"
        if fate == "fail":
            raise OutOfOrderSequenceNumber
        if fate == "silence":
            raise TimeoutError
        return first


class _Producer:
    """As much of aiokafka's producer as the publisher uses."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker
        self._message_accumulator = self
        self._unsettled: list[asyncio.Future[RecordMetadata]] = []

    async def send_batch(self, builder: Any, topic: str, *, partition: int) -> "asyncio.Future[RecordMetadata]":
        ack: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        try:
            first = self._broker.receive(bytes(builder._build()))
        except OutOfOrderSequenceNumber as error:
            ack.set_exception(error)
        except TimeoutError:
            self._unsettled.append(ack)
        else:
            ack.set_result(RecordMetadata(topic, partition, TopicPartition(topic, partition), first, 0, 0, 0))
        # Its connection has other turns of the loop.
        await asyncio.sleep(0)
        return ack

    def fail_all(self, error: BaseException) -> None:
        for ack in self._unsettled:
            ack.set_exception(error)

    async def stop(self) -> None:
        return


class _ScriptedPublisher(Publisher):
    def __init__(self, broker: _Broker) -> None:
        # Waiting for an ack that does not come shall be short; one that comes is given all the time of a busy machine.
        super().__init__("none", delivery_timeout_s=0.2 if broker.is_ever_silent else 10.0)
        self._broker = broker

    async def _new_producer(self) -> Any:
        self._broker.n_producers += 1
        return _Producer(self._broker)


@pytest.fixture
async def publisher_of() -> AsyncIterator[Callable[[_Broker], Publisher]]:
    publishers: list[Publisher] = []

    def make(broker: _Broker) -> Publisher:
        publishers.append(_ScriptedPublisher(broker))
        return publishers[-1]

    yield make
    for publisher in publishers:
        await publisher.stop()


def _content(batches: list[list[Message]]) -> list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]:
    return [(key, value, list(headers)) for batch in batches for key, value, headers, _ in batch]


def _large(n_records: int) -> list[Message]:
    """Records of which two and no third one fit in a batch."""
    return [(b"%d" % number, bytes(400_000), [("n", b"%d" % number)], None) for number in range(n_records)]


async def test_nothing_leaves_before_it_is_published(publisher_of: Callable[[_Broker], Publisher]) -> None:
    broker = _Broker()
    publisher = publisher_of(broker)
    filling = publisher.filling(_PLACE)
    for one in _ODD:
        filling.extend([one])
    publisher.filling(_PLACE).extend([(b"given up", b"0", (), None)])

    await publisher.publish("notes", [OutRecord(0, b"k", b"other")])
    acked = await publisher.publish_batches({_PLACE: filling})

    assert _content(broker.arrived) == [(b"k", b"other", []), *_content([_ODD])]
    assert acked == {_PLACE: [Acked(1, 3)]}
    assert broker.arrived[1][1][3] == 1_700_000_000_000


async def test_pieces_larger_than_a_batch_leave_in_several_in_order(
    publisher_of: Callable[[_Broker], Publisher],
) -> None:
    broker = _Broker()
    publisher = publisher_of(broker)
    filling, records = publisher.filling(_PLACE), _large(5)
    filling.extend(records[:3])
    filling.extend(records[3:])

    acked = await publisher.publish_batches({_PLACE: filling})

    assert _content(broker.arrived) == _content([records])
    assert acked == {_PLACE: [Acked(0, 2), Acked(2, 2), Acked(4, 1)]}


@pytest.mark.parametrize(
    "fates",
    [("fail",), ("ack", "fail"), ("ack", "ack", "fail"), ("silence",), ("ack", "silence"), ("fail", "silence")],
)
async def test_after_a_failure_all_is_sent_once_more_in_order(
    publisher_of: Callable[[_Broker], Publisher], fates: tuple[str, ...]
) -> None:
    broker = _Broker(*fates)
    publisher = publisher_of(broker)
    filling, records = publisher.filling(_PLACE), [*_ODD, *_large(5)]
    filling.extend(records)

    while True:
        n_before = len(broker.arrived)
        try:
            acked = await publisher.publish_batches({_PLACE: filling})
        except Unavailable:
            continue
        break

    assert sum(stretch.n_records for stretch in acked[_PLACE]) == len(records)
    # What an attempt before had not sent yet may come first, as its records were always left to the lane.
    assert _content(broker.arrived[n_before:])[-len(records) :] == _content([records])
    assert broker.n_producers > 1


async def test_what_others_had_in_the_same_batch_is_not_sent_again(
    publisher_of: Callable[[_Broker], Publisher],
) -> None:
    broker = _Broker("fail")
    publisher = publisher_of(broker)
    filling = publisher.filling(_PLACE)
    filling.extend(_ODD)

    outcomes = await asyncio.gather(
        publisher.publish_batches({_PLACE: filling}),
        publisher.publish("notes", [OutRecord(0, b"k", b"other")]),
        return_exceptions=True,
    )
    await publisher.publish_batches({_PLACE: filling})

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert _content(broker.arrived[:1]) == [*_content([_ODD]), (b"k", b"other", [])]
    assert _content(broker.arrived[1:]) == _content([_ODD])


async def test_records_are_told_to_be_too_large_when_they_come_and_none_with_them_is_taken(
    publisher_of: Callable[[_Broker], Publisher],
) -> None:
    broker = _Broker()
    publisher = publisher_of(broker)
    filling = publisher.filling(_PLACE)
    filling.extend(_ODD)

    with pytest.raises(RecordTooLargeError, match="notes/0 with key b'huge'"):
        filling.extend([(b"k", b"fine", (), None), (b"huge", bytes(1_000_001), (), None)])
    await publisher.publish_batches({_PLACE: filling})

    assert _content(broker.arrived) == _content([_ODD])


async def test_a_filling_that_nothing_was_added_to_sends_nothing(publisher_of: Callable[[_Broker], Publisher]) -> None:
    broker = _Broker()
    publisher = publisher_of(broker)
    filling = publisher.filling(_PLACE)
    filling.extend([])

    assert await publisher.publish_batches({_PLACE: filling}) == {_PLACE: []}
    assert not broker.arrived
