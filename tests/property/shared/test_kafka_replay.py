"""A partition's log decides everything: where batches end and where the process dies changes nothing."""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from shared.kafka.changelog import load
from shared.kafka.engine import Engine
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.publisher import Message, Place
from tests.factories.kafka_processors import NOTES, WATCH_STATE, Watch, rules, sighting, tick
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import CrashError, FakeKafka, FakeRecord

_METRICS = WorkerMetrics(CollectorRegistry(), "watch")
_OUT: Place = (NOTES.name, 0)
_FAULTS = st.sampled_from(["", "", "", "", "", "", "reject", "raise"])
_MOVES = st.one_of(
    st.tuples(st.just("seen"), st.sampled_from("abcd"), st.integers(-2_500, 900), _FAULTS),
    st.tuples(st.just("tick"), st.integers(0, 2_500)),
    st.tuples(st.just("rules"), st.integers(1, 3), st.integers(-1_500, 1_500), st.sampled_from([500, 2_000])),
    st.tuples(st.just("noise")),
)


def _log(moves: Sequence[tuple[object, ...]]) -> list[FakeRecord]:
    """Return a log whose times wander forward, some events late."""
    records: list[FakeRecord] = []
    now_ms = 10_000
    for offset, move in enumerate(moves):
        match move:
            case ("seen", str(key), int(shift), str(fault)):
                records.append(sighting(offset, key, now_ms + shift, fault))
                now_ms = max(now_ms, now_ms + shift)
            case ("tick", int(shift)):
                now_ms += shift
                records.append(tick(offset, now_ms))
            case ("rules", int(version), int(shift), int(patience_ms)):
                records.append(rules(offset, version, now_ms + shift, patience_ms))
            case _:
                records.append(FakeRecord(offset, b"a", b"no json"))
    return records


async def _run(
    kafka: FakeKafka,
    log: list[FakeRecord],
    cuts: Sequence[int],
    shortest_wake_ms: int,
    *,
    n_rows: int = 1_000,
    longest_run: int = 0,
) -> None:
    """Handle the log from the state's own fence on, in batches cut at `cuts`, each begun before the last one's end."""
    processor = Watch(shortest_wake_ms=shortest_wake_ms, longest_run=longest_run)
    engine = Engine(
        processor, kafka, kafka, _METRICS, FakeClock(), max_poison_ratio=1.0, wake_keys=n_rows, work_rows=n_rows
    )
    bounds = [0, *sorted({cut % (len(log) + 1) for cut in cuts}), len(log)]
    stores = [await engine.begin(0, log[start:end], lambda: True) for start, end in pairwise(bounds) if start < end]
    await stores[-1]


def _state(kafka: FakeKafka) -> tuple[object, ...]:
    loaded = asyncio.run(load(kafka, WATCH_STATE.name, 0))
    rows = {key: row[43:] for key, row in loaded.rows.items()}
    return rows, loaded.fence, loaded.watermark_ms, sorted(loaded.controls, key=lambda row: (row.name, row.version))


def _once(kafka: FakeKafka) -> list[tuple[bytes, bytes]]:
    """Return the outputs with repetitions dropped, each key's in order."""
    return sorted(dict.fromkeys((one.key or b"", one.value or b"") for one in kafka.logs[_OUT]), key=itemgetter(0))


@given(
    st.lists(_MOVES, min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=12),
    st.sampled_from([0, 100, 400]),
    st.integers(0, 5),
)
@settings(max_examples=150)
def test_batch_boundaries_change_no_byte_of_the_output_and_no_state(
    moves: list[tuple[object, ...]], cuts: list[int], shortest_wake_ms: int, longest_run: int
) -> None:
    log, whole, pieces = _log(moves), FakeKafka(), FakeKafka()

    asyncio.run(_run(whole, log, [], shortest_wake_ms))
    asyncio.run(_run(pieces, log, cuts, shortest_wake_ms, n_rows=1, longest_run=longest_run))

    assert [one.value for one in pieces.logs[_OUT]] == [one.value for one in whole.logs[_OUT]]
    assert _state(pieces) == _state(whole)


@given(
    st.lists(_MOVES, min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.lists(st.integers(0, 40), max_size=6)), max_size=5),
    st.sampled_from([100, 400]),
    st.integers(0, 5),
)
@settings(max_examples=200)
def test_a_crash_at_any_write_leaves_the_same_outputs_and_states(
    moves: list[tuple[object, ...]],
    crashes: list[tuple[int, int, list[int]]],
    shortest_wake_ms: int,
    longest_run: int,
) -> None:
    log, calm, stormy = _log(moves), FakeKafka(), FakeKafka()

    asyncio.run(_run(calm, log, [], shortest_wake_ms))
    for n_writes, n_landing, cuts in crashes:
        attempt = _run(stormy, log, cuts, shortest_wake_ms, n_rows=1 + len(cuts), longest_run=longest_run)
        _crash(stormy, attempt, n_writes, n_landing)
    asyncio.run(_run(stormy, log, [], shortest_wake_ms, longest_run=longest_run))

    assert _once(stormy) == _once(calm)
    assert _state(stormy) == _state(calm)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 120)), min_size=2, max_size=20),
    st.integers(1, 5),
    st.integers(0, 5),
)
@settings(max_examples=150)
def test_a_batch_whose_rows_landed_in_part_is_finished_as_if_nothing_had_happened(
    sightings: list[tuple[str, int]], longest_run: int, n_landing: int
) -> None:
    log, calm, stormy = _log([("seen", key, shift, "") for key, shift in sightings]), FakeKafka(), FakeKafka()

    asyncio.run(_run(calm, log, [], 100))
    # The outputs are the first write, the rows the second.
    _crash(stormy, _run(stormy, log, [], 100, longest_run=longest_run), 1, n_landing)
    asyncio.run(_run(stormy, log, [], 100, longest_run=longest_run))

    assert _once(stormy) == _once(calm)
    assert _state(stormy) == _state(calm)


def _crash(kafka: FakeKafka, attempt: Coroutine[Any, Any, None], n_writes: int, n_landing: int) -> None:
    """Attempt it until the write number `n_writes`, of which `n_landing` records land before the process dies."""
    written = 0

    def die_late(_place: Place, messages: Sequence[Message]) -> int | None:
        nonlocal written
        written += 1
        return min(n_landing, len(messages)) if written > n_writes else None

    kafka.before_write = die_late
    try:
        asyncio.run(attempt)
    except CrashError:
        pass
    finally:
        kafka.before_write = lambda _place, _messages: None
