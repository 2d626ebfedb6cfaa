"""What the engine does when Kafka, the processor or another worker misbehaves."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.errors import Stop, Unavailable
from shared.kafka import engine as engine_module
from shared.kafka.changelog import load
from shared.kafka.engine import AbandonedError, Engine, GapError
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.processor import Output
from shared.kafka.publisher import Acked, Filling, Message, Place
from shared.kafka.rows import Row, encode_row, partition_row, state_of
from shared.topics import DEAD_LETTERS
from tests.factories.kafka_processors import NOTES, WATCH_STATE, Seen, Sighting, Watch, note_of, seen_of, sighting
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import FakeKafka, FakeRecord

_STATE: Place = (WATCH_STATE.name, 0)
_NOTES: Place = (NOTES.name, 0)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "delays", lambda: iter([0.0] * 50))


def _engine(kafka: FakeKafka, registry: CollectorRegistry | None = None, ratio: float = 0.1) -> Engine[Sighting, Seen]:
    metrics = WorkerMetrics(registry or CollectorRegistry(), "watch")
    return Engine(Watch(), kafka, kafka, metrics, FakeClock(), max_poison_ratio=ratio)


def _ours() -> bool:
    return True


def _failing(times: int, then: Callable[[], None] = lambda: None) -> Callable[[Place, Sequence[Message]], int | None]:
    remaining = times

    def fail(_place: Place, _messages: Sequence[Message]) -> int | None:
        nonlocal remaining
        if remaining > 0:
            remaining -= 1
            then()
            raise Unavailable("kafka", "down for the test")
        return None

    return fail


async def _n_seen(kafka: FakeKafka, key: str) -> int:
    return seen_of(state_of((await load(kafka, *_STATE)).rows[key])).n


async def test_outputs_land_before_states() -> None:
    kafka = FakeKafka()
    order: list[str] = []
    kafka.before_write = lambda place, _: order.append(place[0])

    await _engine(kafka).handle(0, [sighting(0, "a", 1_000)], _ours)

    assert order == [NOTES.name, WATCH_STATE.name]


async def test_the_partitions_own_row_is_the_last_of_a_batch() -> None:
    kafka = FakeKafka()

    await _engine(kafka).handle(0, [sighting(0, "a", 1_000), sighting(1, "b", 1_000)], _ours)

    assert [record.key for record in kafka.logs[_STATE]] == [b"a", b"b", b"\x00partition"]


async def test_a_kafka_that_is_down_is_asked_again_and_nothing_is_dead_lettered() -> None:
    kafka, registry = FakeKafka(), CollectorRegistry()
    kafka.before_write = _failing(3)

    await _engine(kafka, registry).handle(0, [sighting(0, "a", 1_000)], _ours)

    assert len(kafka.logs[_NOTES]) == 1
    assert not kafka.logs[DEAD_LETTERS.name, 0]
    assert registry.get_sample_value("pulseline_worker_retries_total", {"processor": "watch"}) == 3


async def test_a_partition_given_up_meanwhile_is_left_to_its_next_owner() -> None:
    kafka, owned = FakeKafka(), [True]
    kafka.before_write = _failing(1, then=owned.clear)
    engine = _engine(kafka)

    with pytest.raises(AbandonedError):
        await engine.handle(0, [sighting(0, "a", 1_000)], lambda: bool(owned))

    assert engine.partition(0) is None
    assert not kafka.logs[_STATE]


async def test_a_batch_handed_in_again_has_its_effect_once() -> None:
    kafka = FakeKafka()
    batch = [sighting(0, "a", 1_000), sighting(1, "a", 1_010)]
    await _engine(kafka).handle(0, batch, _ours)

    await _engine(kafka).handle(0, [*batch, sighting(2, "a", 1_020)], _ours)

    assert await _n_seen(kafka, "a") == 3
    assert len(kafka.logs[_NOTES]) == 3


async def test_a_state_that_nobody_touched_is_kept_over_a_rebalance() -> None:
    kafka = FakeKafka()
    engine = _engine(kafka)
    await engine.handle(0, [sighting(0, "a", 1_000)], _ours)
    reads = kafka.reads

    engine.assigned({0})
    await engine.handle(0, [sighting(1, "a", 1_010)], _ours)

    assert kafka.reads == reads
    assert await _n_seen(kafka, "a") == 2


async def test_a_state_that_another_generation_wrote_is_loaded_again() -> None:
    kafka = FakeKafka()
    here, elsewhere = _engine(kafka), _engine(kafka)
    await here.handle(0, [sighting(0, "a", 1_000)], _ours)
    await elsewhere.handle(0, [sighting(1, "a", 1_010)], _ours)

    here.assigned({0})
    await here.handle(0, [sighting(2, "a", 1_020)], _ours)

    assert await _n_seen(kafka, "a") == 3


async def test_partitions_that_went_elsewhere_are_forgotten() -> None:
    engine = _engine(FakeKafka())
    await engine.handle(0, [sighting(0, "a", 1_000)], _ours)

    engine.assigned({1})

    assert engine.partition(0) is None


async def test_rows_a_dead_worker_writes_under_a_live_one_are_healed() -> None:
    kafka = FakeKafka()
    engine = _engine(kafka)
    await engine.handle(0, [sighting(0, "a", 1_000), sighting(1, "a", 1_010), sighting(2, "b", 1_020)], _ours)
    late = [Row("a", encode_row(0, None, b'{"n":1,"last_ms":1000,"n_silences":0}')), partition_row(0, 1_000)]
    await kafka.publish_batches({_STATE: [(row.key.encode(), row.value, (), None) for row in late]})

    await engine.handle(0, [sighting(3, "b", 1_030)], _ours)
    await engine.handle(0, [sighting(4, "b", 1_040)], _ours)

    assert seen_of(state_of(next(one.value or b"" for one in reversed(kafka.logs[_STATE]) if one.key == b"a"))).n == 2
    assert await _n_seen(kafka, "b") == 3


async def test_too_much_poison_stops_before_anything_is_written() -> None:
    kafka = FakeKafka()
    poison = [FakeRecord(offset, b"a", b"no json") for offset in range(100)]

    with pytest.raises(Stop, match="100 of the last 100 inputs"):
        await _engine(kafka).handle(0, poison, _ours)

    assert not kafka.logs[DEAD_LETTERS.name, 0]


async def test_a_little_poison_does_not_stop() -> None:
    kafka = FakeKafka()
    batch = [FakeRecord(at, b"a", b"no json") if at % 20 == 0 else sighting(at, "a", 1_000) for at in range(2_000)]

    await _engine(kafka).handle(0, batch, _ours)

    assert len(kafka.logs[DEAD_LETTERS.name, 0]) == 100


async def test_poison_of_more_than_ten_thousand_inputs_ago_counts_no_more() -> None:
    engine = _engine(FakeKafka(), ratio=0.001)
    poison = [FakeRecord(offset, b"a", b"no json") for offset in range(49)]
    await engine.handle(0, poison, _ours)

    for first in range(49, 10_049, 1_000):
        await engine.handle(0, [sighting(at, "a", 1_000) for at in range(first, first + 1_000)], _ours)
    await engine.handle(0, [FakeRecord(10_049, b"a", b"no json")], _ours)


async def test_the_same_poison_has_the_same_letter_every_time() -> None:
    kafka = FakeKafka()
    for _ in range(2):
        kafka.logs[_STATE].clear()
        await _engine(kafka).handle(0, [FakeRecord(0, b"a", b"no json")], _ours)

    first, second = kafka.logs[DEAD_LETTERS.name, 0]
    assert first.value == second.value


async def test_a_state_ahead_of_its_input_stops() -> None:
    kafka = FakeKafka()
    await _engine(kafka).handle(0, [sighting(at, "a", 1_000) for at in range(10)], _ours)

    with pytest.raises(Stop, match="was it made anew"):
        await _engine(kafka).handle(0, [sighting(0, "a", 1_000)], _ours, input_end=1)


async def test_a_state_that_outgrows_its_topic_stops() -> None:
    class Hoarder(Watch):
        def encode_state(self, state: Seen) -> bytes:
            return b'"' + b"x" * 2_000_000 + b'"'

    kafka = FakeKafka()
    engine = Engine(Hoarder(), kafka, kafka, WorkerMetrics(CollectorRegistry(), "watch"), FakeClock())

    with pytest.raises(Stop, match="outgrown"):
        await engine.handle(0, [sighting(0, "a", 1_000)], _ours)


def _short_engine(kafka: FakeKafka, registry: CollectorRegistry | None = None) -> Engine[Sighting, Seen]:
    # Its outputs come in pieces, ahead of the work.
    processor = Watch(longest_run=2)
    return Engine(processor, kafka, kafka, WorkerMetrics(registry or CollectorRegistry(), "watch"), FakeClock())


async def test_outputs_that_came_in_pieces_are_written_once_each_in_order_before_the_states() -> None:
    kafka, registry = FakeKafka(), CollectorRegistry()
    order: list[tuple[str, int]] = []
    failing = _failing(2)

    def note(place: Place, messages: Sequence[Message]) -> int | None:
        failing(place, messages)
        order.append((place[0], len(messages)))
        return None

    kafka.before_write = note

    await _short_engine(kafka, registry).handle(0, [sighting(at, "a", 1_000 + at) for at in range(7)], _ours)

    assert order == [(NOTES.name, 7), (WATCH_STATE.name, 2)]
    assert [note_of(record.value or b"").id for record in kafka.logs[_NOTES]] == list("0123456")
    assert registry.get_sample_value("pulseline_worker_outputs_total", {"processor": "watch"}) == 7


async def test_a_stop_leaves_nothing_of_the_pieces_before_it() -> None:
    class Stopping(Watch):
        def decide(self, states, inputs, controls):  # type: ignore[no-untyped-def]  # as Watch
            if inputs[0].offset >= 4:
                raise Stop("goes no further")
            return super().decide(states, inputs, controls)

    kafka = FakeKafka()
    engine = Engine(Stopping(longest_run=2), kafka, kafka, WorkerMetrics(CollectorRegistry(), "watch"), FakeClock())

    with pytest.raises(Stop, match="no further"):
        await engine.handle(0, [sighting(at, "a", 1_000 + at) for at in range(7)], _ours)

    assert not any(kafka.logs.values())
    await _short_engine(kafka).handle(0, [sighting(at, "a", 1_000 + at) for at in range(7)], _ours)
    assert len(kafka.logs[_NOTES]) == 7


async def test_poison_among_pieces_goes_to_the_dead_letters_and_the_rest_is_written() -> None:
    kafka = FakeKafka()
    batch = [sighting(at, "a", 1_000 + at, "raise" if at == 3 else "") for at in range(7)]

    await _short_engine(kafka).handle(0, batch, _ours)

    assert [note_of(record.value or b"").id for record in kafka.logs[_NOTES]] == list("012456")
    assert [record.key for record in kafka.logs[DEAD_LETTERS.name, 0]] == [b"a"]


async def test_too_much_poison_leaves_nothing_of_the_pieces_before_it() -> None:
    kafka = FakeKafka()
    batch = [sighting(at, "a", 1_000 + at, "raise" if at >= 20 else "") for at in range(100)]

    with pytest.raises(Stop, match="80 of the last 100 inputs"):
        await _short_engine(kafka).handle(0, batch, _ours)

    assert not any(kafka.logs.values())


async def test_an_output_that_outgrows_its_topic_stops_before_anything_is_written() -> None:
    class Wordy(Watch):
        def decide(self, states, inputs, controls):  # type: ignore[no-untyped-def]  # as Watch
            decisions = super().decide(states, inputs, controls)
            if inputs[0].offset >= 4:
                decisions.outputs.append(Output(NOTES, "a", b"{}", [("long", b"x" * 1_000_000)]))
            return decisions

    kafka = FakeKafka()
    engine = Engine(Wordy(longest_run=2), kafka, kafka, WorkerMetrics(CollectorRegistry(), "watch"), FakeClock())

    with pytest.raises(Stop, match="outgrown"):
        await engine.handle(0, [sighting(at, "a", 1_000 + at) for at in range(7)], _ours)

    assert not any(kafka.logs.values())


async def test_a_batch_out_of_turn_is_refused_and_its_turn_named() -> None:
    kafka = FakeKafka()
    engine = _engine(kafka)
    await engine.handle(0, [sighting(0, "a", 1_000)], _ours)

    with pytest.raises(GapError) as gap:
        await engine.handle(0, [sighting(5, "a", 1_050)], _ours)

    assert gap.value.offset == 1
    assert await _n_seen(kafka, "a") == 1


async def test_offsets_that_no_record_has_are_no_gap() -> None:
    kafka = FakeKafka()
    kafka.first_offsets["watched", 0] = 5
    engine = _engine(kafka)

    await engine.handle(0, [sighting(5, "a", 1_050)], _ours)

    assert await _n_seen(kafka, "a") == 1


class _SlowStates(FakeKafka):
    """Kafka that acks no state before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_ack = asyncio.Event()
        self.asked: list[Place] = []

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message] | Filling]) -> dict[Place, list[Acked]]:
        self.asked += batches
        if _STATE in batches:
            await self.may_ack.wait()
        return await super().publish_batches(batches)


async def _begin_two(
    engine: Engine[Sighting, Seen], kafka: _SlowStates, is_ours: Callable[[], bool] = _ours
) -> tuple[Any, "asyncio.Task[Any]"]:
    """Begin a batch and the one after it; return the first one's write and the second's beginning."""
    first = await engine.begin(0, [sighting(0, "a", 1_000)], is_ours)
    second = asyncio.create_task(engine.begin(0, [sighting(1, "a", 1_010)], is_ours))
    while kafka.asked.count(_NOTES) < 2:
        await asyncio.sleep(0)
    return first, second


async def test_outputs_leave_while_the_states_before_them_are_on_their_way() -> None:
    kafka = _SlowStates()

    first, second = await _begin_two(_engine(kafka), kafka)

    assert not first.done()
    assert not second.done()
    assert len(kafka.logs[_NOTES]) == 2
    kafka.may_ack.set()
    await (await second)


async def test_states_wait_for_the_states_before_them() -> None:
    kafka = _SlowStates()
    _, second = await _begin_two(_engine(kafka), kafka)

    asked_before = kafka.asked.count(_STATE)
    kafka.may_ack.set()
    await (await second)

    assert asked_before == 1
    assert kafka.asked.count(_STATE) == 2
    assert await _n_seen(kafka, "a") == 2


async def test_a_batch_fails_with_the_states_before_it_and_both_can_be_handed_in_again() -> None:
    kafka, owned = _SlowStates(), [True]
    engine = _engine(kafka)
    first, second = await _begin_two(engine, kafka, lambda: bool(owned))
    owned.clear()
    kafka.before_write = _failing(1)
    kafka.may_ack.set()

    for batch in (first, second):
        with pytest.raises(AbandonedError):
            await batch
    await engine.handle(0, [sighting(0, "a", 1_000), sighting(1, "a", 1_010)], _ours)

    assert await _n_seen(kafka, "a") == 2
