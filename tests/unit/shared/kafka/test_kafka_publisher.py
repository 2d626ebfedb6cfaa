import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from aiokafka import AIOKafkaProducer

from shared.errors import Unavailable
from shared.kafka.publisher import OutRecord, Publisher, RecordTooLargeError, _stop, partition_for, record_size


@pytest.mark.parametrize(
    ("key", "partition"),
    # Checked against librdkafka's `consistent` partitioner.
    [("customer-1", 1), ("c42", 0), ("王芳", 3), ("x", 3)],
)
def test_a_key_has_the_partition_librdkafka_gives_it(key: str, partition: int) -> None:
    assert partition_for(key, 4) == partition


async def test_a_record_no_broker_takes_is_refused_by_name_before_anything_is_sent() -> None:
    publisher = Publisher("127.0.0.1:1")
    records = [OutRecord(0, b"a", b"fine"), OutRecord(1, b"huge", bytes(1_000_001))]

    with pytest.raises(RecordTooLargeError, match=r"t/1 with key b'huge'"):
        await publisher.publish("t", records)


def test_the_size_of_a_record_counts_its_headers() -> None:
    assert record_size(b"k", b"v", [("name", b"1234")]) == record_size(b"k", b"v", ()) + 18


async def test_a_publisher_without_a_broker_is_unavailable_and_says_so() -> None:
    publisher = Publisher("127.0.0.1:1", delivery_timeout_s=2)

    with pytest.raises(Unavailable):
        await publisher.publish("t", [OutRecord(0, b"a", b"1")])

    assert not publisher.is_connected
    await publisher.stop()


async def test_nothing_is_accepted_after_the_stop() -> None:
    publisher = Publisher("127.0.0.1:1")
    await publisher.stop()

    with pytest.raises(Unavailable):
        await publisher.publish("t", [OutRecord(0, b"a", b"1")])


async def test_a_start_that_is_given_up_midway_leaves_no_connection_behind() -> None:
    connected: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set_result(reader)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        starting = asyncio.create_task(Publisher(f"127.0.0.1:{port}").start())
        reader = await connected
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

        await _until(reader.at_eof)


async def test_a_producer_whose_batches_were_taken_from_it_stops_in_silence() -> None:
    class Emptied:
        async def stop(self) -> None:
            raise KeyError("the batch in hand")

    await _stop(cast("AIOKafkaProducer", Emptied()))


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.01)
