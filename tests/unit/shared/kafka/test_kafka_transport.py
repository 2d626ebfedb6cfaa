"""The traps of Faust's offset bookkeeping, with batches for messages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.transport.drivers import by_url
from faust.types import TP
from yarl import URL

from shared.kafka.transport import PacedFetches, RecordBatchConsumer, RecordBatchTransport

_TP = TP("t", 0)


@pytest.fixture
async def consumer(tmp_path: Path) -> AsyncIterator[RecordBatchConsumer]:
    app = faust.App("test", broker="record-batch://127.0.0.1:1", store="memory://", datadir=tmp_path, web_enabled=False)
    app.topics.acking_topics.add("t")
    consumer = app.consumer
    assert isinstance(consumer, RecordBatchConsumer)
    yield consumer
    consumer._thread.thread_loop.close()


def _batch(first: int, last: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0) for offset in range(first, last + 1)]


def _hand_out(consumer: RecordBatchConsumer, first: int, last: int) -> Any:
    return consumer._to_batch_message(_TP, _batch(first, last), generation=1)


def _ack(consumer: RecordBatchConsumer, message: Any) -> None:
    consumer.ack(message)


def test_the_scheme_is_known_without_an_installed_package() -> None:
    assert by_url(URL("record-batch://h:1")) is RecordBatchTransport


async def test_a_batch_is_one_message_at_its_last_offset(consumer: RecordBatchConsumer) -> None:
    message = _hand_out(consumer, 10, 19)

    assert message.offset == 19
    assert [record.offset for record in message.value] == list(range(10, 20))


async def test_an_acked_batch_is_committed_to_its_end(consumer: RecordBatchConsumer) -> None:
    _ack(consumer, _hand_out(consumer, 0, 9))

    assert consumer._new_offset(_TP) == 10


async def test_nothing_is_committed_past_a_batch_that_is_not_acked(consumer: RecordBatchConsumer) -> None:
    first, second = _hand_out(consumer, 0, 9), _hand_out(consumer, 10, 19)
    _ack(consumer, second)

    before = consumer._new_offset(_TP)
    _ack(consumer, first)

    assert before is None
    assert consumer._new_offset(_TP) == 20


async def test_a_gap_between_batches_does_not_hold_the_commit(consumer: RecordBatchConsumer) -> None:
    await consumer._add_gap(_TP, 10, 1_000_000)
    _ack(consumer, _hand_out(consumer, 0, 9))
    _ack(consumer, _hand_out(consumer, 1_000_000, 1_000_009))

    assert consumer._new_offset(_TP) == 1_000_010
    assert not consumer._gap[_TP]


async def test_a_batch_read_again_after_a_seek_replaces_the_one_never_acked(consumer: RecordBatchConsumer) -> None:
    _hand_out(consumer, 0, 9)
    _hand_out(consumer, 10, 19)

    again = [_hand_out(consumer, 0, 9), _hand_out(consumer, 10, 14)]
    for message in again:
        _ack(consumer, message)

    assert consumer._new_offset(_TP) == 15


async def test_what_is_read_again_from_before_the_committed_offset_does_not_hold_the_commit(
    consumer: RecordBatchConsumer,
) -> None:
    consumer._committed_offset[_TP] = 15
    again = [_hand_out(consumer, 0, 9), _hand_out(consumer, 10, 19)]

    _ack(consumer, again[0])
    before = consumer._new_offset(_TP)
    _ack(consumer, again[1])

    assert before is None
    assert consumer._new_offset(_TP) == 20


async def test_a_full_buffer_does_not_stop_the_partition(consumer: RecordBatchConsumer) -> None:
    consumer._set_active_tps({_TP})

    consumer.on_buffer_full(_TP)

    assert consumer._get_active_partitions() == {_TP}


async def test_revocation_commits_first_and_forgets_last(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bool]] = []

    async def commit(_: Any) -> bool:
        steps.append(("commit", _TP in consumer._acked))
        return True

    async def wait_for_work(_: Any) -> None:
        steps.append(("wait", _TP in consumer._handed_out))

    monkeypatch.setattr(consumer, "commit", commit)
    monkeypatch.setattr(consumer, "_on_partitions_revoked", wait_for_work)
    _ack(consumer, _hand_out(consumer, 0, 9))
    await consumer.on_partitions_revoked({_TP})

    assert steps == [("commit", True), ("wait", True)]
    assert _TP not in consumer._handed_out


async def test_a_batch_fetched_before_a_rebalance_is_not_handed_out(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(_: float) -> Any:
        return {_TP: _batch(0, 9), TP("t", 1): _batch(0, 9)}, {_TP, TP("t", 1)}

    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer, "highwater", lambda _: 10)
    handed: list[Any] = []
    async for tp, _message in consumer.getmany(1.0):
        handed.append(tp)
        consumer.app.consumer_generation_id += 1

    assert handed == [_TP]


async def test_only_active_partitions_are_handed_out(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(_: float) -> Any:
        return {_TP: _batch(0, 9), TP("t", 1): _batch(0, 9)}, {TP("t", 1)}

    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer, "highwater", lambda _: 10)

    assert [tp async for tp, _ in consumer.getmany(1.0)] == [TP("t", 1)]


async def test_a_stopped_flow_seeks_back_and_hands_out_nothing(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks: list[str] = []

    async def fetch(_: float) -> Any:
        return {_TP: _batch(0, 9)}, {_TP}

    async def seek() -> None:
        seeks.append("seek")

    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer, "perform_seek", seek)
    consumer.stop_flow()

    assert [tp async for tp, _ in consumer.getmany(1.0)] == []
    assert seeks == ["seek"]


async def test_what_is_read_again_after_a_seek_back_is_handed_out_again(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(_: float) -> Any:
        return {_TP: _batch(0, 9)}, {_TP}

    monkeypatch.setattr(consumer, "_wait_next_records", fetch)
    monkeypatch.setattr(consumer, "highwater", lambda _: 100)
    consumer._read_offset[_TP] = 99

    seen = [consumer._read_offset[tp] async for tp, _ in consumer.getmany(1.0)]

    assert seen == [None]


class _Fetched:
    """Rounds of fetched records; the fetcher stops when all of them were asked for."""

    should_stop = False

    def __init__(self, *rounds: Any) -> None:
        self._rounds = list(rounds)

    async def next(self, _: float) -> Any:
        records = self._rounds.pop(0)
        self.should_stop = not self._rounds
        return records, set(records)


def _drain_from(consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch, fetched: _Fetched) -> None:
    monkeypatch.setattr(consumer, "_wait_next_records", fetched.next)
    monkeypatch.setattr(consumer, "highwater", lambda _: 100)


async def test_every_fetched_batch_is_handed_over_in_order(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []

    async def hand_over(message: Any) -> None:
        handed.append(message.offset)

    fetched = _Fetched({_TP: _batch(0, 9)}, {}, {_TP: _batch(10, 14)})
    _drain_from(consumer, monkeypatch, fetched)
    consumer.callback = hand_over
    await consumer._drain_messages(fetched)

    assert handed == [9, 14]


async def test_a_rebalance_ends_the_wait_for_room_in_the_queue(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()
    given_up: list[int] = []

    async def wait_for_room(message: Any) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(message.offset)
            raise

    fetched = _Fetched({_TP: _batch(0, 9)})
    _drain_from(consumer, monkeypatch, fetched)
    consumer.callback = wait_for_room
    draining = asyncio.create_task(consumer._drain_messages(fetched))
    await waiting.wait()
    consumer.stop_flow()
    await draining

    assert given_up == [9]


async def test_a_batch_without_room_does_not_hold_those_fetched_with_it(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    has_room = asyncio.Event()

    async def hand_over(message: Any) -> None:
        if message.partition == 0:
            await has_room.wait()
        handed.append(message.partition)
        has_room.set()

    fetched = _Fetched({TP("t", number): _batch(0, 9) for number in range(3)})
    _drain_from(consumer, monkeypatch, fetched)
    consumer.callback = hand_over
    await consumer._drain_messages(fetched)

    assert handed == [1, 2, 0]


async def test_what_goes_wrong_while_handing_over_ends_the_fetching(
    consumer: RecordBatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> None:
        raise ValueError("no")

    fetched = _Fetched({_TP: _batch(0, 9)}, {_TP: _batch(10, 19)})
    _drain_from(consumer, monkeypatch, fetched)
    consumer.callback = fail

    with pytest.raises(ValueError, match="no"):
        await consumer._drain_messages(fetched)


async def _answer(_assignment: Any, _node_id: int, _request: Any) -> bool:
    return True


async def test_fetches_of_a_broker_leave_apart_and_those_of_two_do_not_wait_for_each_other() -> None:
    loop = asyncio.get_running_loop()
    left: list[tuple[int, float]] = []

    async def fetch(_assignment: Any, node_id: int, _request: Any) -> bool:
        left.append((node_id, loop.time()))
        return True

    paced = PacedFetches(fetch, 0.05)
    await paced(None, 0, None)
    again = asyncio.create_task(paced(None, 0, None))
    await paced(None, 1, None)
    await again

    assert [node_id for node_id, _ in left] == [0, 1, 0]
    assert left[2][1] - left[0][1] >= 0.05


async def test_a_fetch_that_is_cancelled_before_it_leaves_brings_nothing() -> None:
    paced = PacedFetches(_answer, 3_600)
    await paced(None, 0, None)
    waiting = asyncio.create_task(paced(None, 0, None))
    await asyncio.sleep(0)
    waiting.cancel()

    assert await waiting is False
