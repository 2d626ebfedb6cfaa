from collections.abc import Sequence

import pytest

from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Forwarded, Partition, Work
from shared.kafka.processor import NEVER_WAKES, ControlView, Decisions, Input, Output, StateView
from shared.kafka.rows import PARTITION_KEY, encode_row, fence_of, state_of
from tests.factories.kafka_processors import Note, Seen, Sighting, Watch, note_of, rules, sighting, tick
from tests.fakes.kafka import FakeRecord

_EMPTY = LoadedState({}, -1, 0, [], 0, [], 0)


def _partition(
    processor: Watch | None = None, loaded: LoadedState = _EMPTY, n_rows: int = 1_000
) -> Partition[Sighting, Seen]:
    # The partition keeps the rows it is given.
    own = loaded._replace(rows=dict(loaded.rows))
    return Partition(processor or Watch(), 0, own, wake_keys=n_rows, work_rows=n_rows)


def _advance(partition: Partition[Sighting, Seen], *records: FakeRecord) -> Work:
    (work,) = partition.works(records)
    return work


def _notes(work: Work) -> list[Note]:
    return [note_of(output.value) for output in work.outputs if isinstance(output, Output) and output.value]


def _ids(work: Work) -> list[str]:
    return [note.id for note in _notes(work)]


def test_a_run_without_timers_is_decided_in_one_call() -> None:
    processor = Watch(shortest_wake_ms=NEVER_WAKES, patience_ms=NEVER_WAKES)
    partition = _partition(processor)

    _advance(partition, *(sighting(offset, "ab"[offset % 2], 10 * offset) for offset in range(100)))

    assert processor.decided_runs == [100]


@pytest.mark.parametrize("n_wake_ms", [100, NEVER_WAKES], ids=["one by one", "in one run"])
def test_an_input_has_its_own_time_beside_the_watermark(n_wake_ms: int) -> None:
    class Timed(Watch):
        def decide(
            self, states: StateView[Seen], inputs: Sequence[Input[Sighting]], controls: ControlView
        ) -> Decisions[Seen]:
            times.extend((one.at_ms, one.now_ms) for one in inputs)
            return super().decide(states, inputs, controls)

    times: list[tuple[int, int]] = []

    _advance(
        _partition(Timed(shortest_wake_ms=n_wake_ms, patience_ms=NEVER_WAKES)),
        sighting(0, "b", 9_500),
        sighting(1, "a", 1_000),
        sighting(2, "a", 9_900),
    )

    assert times == [(9_500, 9_500), (1_000, 9_500), (9_900, 9_900)]


def test_a_run_is_no_longer_than_the_processor_says() -> None:
    processor = Watch(shortest_wake_ms=NEVER_WAKES, patience_ms=NEVER_WAKES, longest_run=40)

    work = _advance(_partition(processor), *(sighting(offset, "ab"[offset % 2], 10 * offset) for offset in range(100)))

    assert processor.decided_runs == [40, 40, 20]
    assert (work.fence, work.n_inputs) == (99, 100)


def test_outputs_of_a_run_come_ahead_of_the_work_they_belong_to() -> None:
    records = [sighting(offset, "a", 1_000 + offset) for offset in range(5)]

    *ahead, work = _partition(Watch(longest_run=2)).advance(records)
    whole = _advance(_partition(Watch(longest_run=2)), *records)

    assert isinstance(work, Work)
    assert [len(piece) for piece in ahead if isinstance(piece, list)] == [2, 2]
    assert (_ids(work), work.n_outputs) == (["4"], 5)
    assert (_ids(whole), whole.n_outputs) == (["0", "1", "2", "3", "4"], 5)


def test_a_key_has_one_row_with_its_last_state_and_the_fence_of_the_run_that_made_it() -> None:
    records = [sighting(offset, key, 1_000 + offset) for offset, key in enumerate("abacac")]

    work = _advance(_partition(Watch(longest_run=2)), *records)
    whole = _advance(_partition(Watch()), *records)

    *rows, partition_row = work.rows
    assert [(key, value and fence_of(value)) for key, value, _, _ in rows] == [(b"a", 5), (b"b", 1), (b"c", 5)]
    assert [value and state_of(value) for _, value, _, _ in rows] == [
        value and state_of(value) for _, value, _, _ in whole.rows[:-1]
    ]
    assert partition_row == whole.rows[-1]


def test_outputs_that_came_ahead_belong_to_the_next_work_and_to_no_later_one() -> None:
    records = [sighting(offset, f"k{offset:02}", 1_000 + 60 * offset) for offset in range(16)]

    works = list(_partition(Watch(longest_run=4), n_rows=5).works(records))

    assert len(works) > 1
    assert [note_id for work in works for note_id in _ids(work)] == [str(offset) for offset in range(16)]
    for work in works:
        assert {int(note_id) for note_id in _ids(work)} <= set(range(work.fence + 1))
        assert work.n_outputs == len(work.outputs)


def test_a_run_is_no_longer_than_the_shortest_wake() -> None:
    processor = Watch(shortest_wake_ms=100)

    _advance(_partition(processor), *(sighting(offset, "a", 50 * offset) for offset in range(6)))

    assert processor.decided_runs == [2, 2, 2]


def test_a_timer_fires_before_a_later_event_and_is_stamped_with_its_due_time() -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000), sighting(1, "b", 2_500))

    assert _ids(work) == ["0", "a-silent-2000", "1"]
    assert _notes(work)[1].at_ms == 2_000


def test_timers_of_one_instant_fire_together_in_order_of_keys() -> None:
    work = _advance(_partition(), sighting(0, "b", 1_000), sighting(1, "a", 1_000), tick(2, 2_000))

    assert _ids(work)[2:] == ["a-silent-2000", "b-silent-2000"]


def test_a_woken_key_that_asks_again_fires_again_before_the_event() -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000), sighting(1, "b", 10_000))

    assert _ids(work) == ["0", "a-silent-2000", "a-silent-3000", "a-silent-4000", "1"]


def test_a_timer_fires_once() -> None:
    partition = _partition()
    _advance(partition, sighting(0, "a", 1_000), tick(1, 2_000))

    work = _advance(partition, tick(2, 2_000))

    assert _ids(work) == []


def test_time_does_not_move_without_records() -> None:
    partition = _partition()
    _advance(partition, sighting(0, "a", 1_000))

    assert partition.watermark_ms == 1_000
    assert len(partition.timers) == 1


def test_a_late_event_leaves_the_watermark_and_its_wake_up_fires_at_the_next_record() -> None:
    processor = Watch(shortest_wake_ms=0)
    partition = _partition(processor)
    late = _advance(partition, sighting(0, "b", 9_500), sighting(1, "a", 1_000))

    work = _advance(partition, sighting(2, "c", 9_500))

    assert partition.watermark_ms == 9_500
    assert _ids(late) == ["0", "1"]
    assert _ids(work) == ["a-silent-9500", "2"]


def test_a_timer_comes_back_from_the_state_row() -> None:
    row = encode_row(4, 2_000, b'{"n":1,"last_ms":1000,"n_silences":0}')
    partition = _partition(loaded=_EMPTY._replace(rows={"a": row}, fence=4, watermark_ms=1_000))

    work = _advance(partition, tick(5, 2_000))

    assert _ids(work) == ["a-silent-2000"]


def test_a_key_whose_row_landed_is_neither_decided_nor_woken_again() -> None:
    row = encode_row(6, 2_000, b'{"n":2,"last_ms":1000,"n_silences":0}')
    partition = _partition(loaded=_EMPTY._replace(rows={"a": row}, fence=4, watermark_ms=900))

    work = _advance(partition, sighting(5, "a", 1_000), tick(6, 2_500), sighting(7, "b", 2_500))

    assert _ids(work) == ["a-silent-2000", "7"]


def test_offsets_up_to_the_partitions_fence_change_nothing() -> None:
    partition = _partition(loaded=_EMPTY._replace(fence=4, watermark_ms=900))

    work = _advance(partition, sighting(3, "a", 5_000), sighting(4, "b", 5_000))

    assert work.outputs == []
    assert work.n_inputs == 0
    assert partition.watermark_ms == 900


def test_rules_are_in_force_from_their_event_time_on() -> None:
    work = _advance(
        _partition(), rules(0, 1, 1_000, 300), rules(1, 2, 5_000, 700), sighting(2, "a", 999), sighting(3, "b", 1_000)
    )

    assert [note.rules_version for note in _notes(work)] == [0, 1]


def test_rules_do_not_reach_what_was_due_before_them() -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000), tick(1, 1_999), rules(2, 1, 0, 300), tick(3, 2_000))

    assert [note.rules_version for note in _notes(work)] == [0, 1]


def test_a_control_is_passed_on_in_its_place() -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000), tick(1, 1_500), sighting(2, "b", 1_600))

    assert [type(output) for output in work.outputs] == [Output, Forwarded, Output]


def test_controls_that_landed_before_their_batch_did_are_read_again() -> None:
    partition = _partition()
    stored = _advance(partition, rules(0, 1, 0, 300))
    control = [row for row in stored.rows if row[0] != PARTITION_KEY.encode()]

    assert len(control) == 1
    assert len(partition.controls) == 1
    assert len(_partition().controls) == 0


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (FakeRecord(1, b"a", b"no json"), "undecodable"),
        (FakeRecord(1, b"a", None), "undecodable"),
        (FakeRecord(1, b"\xff", b'{"id":"1","at_ms":1}'), "undecodable"),
        (FakeRecord(1, b"\x00partition", b'{"id":"1","at_ms":1}'), "undecodable"),
        (FakeRecord(1, b"a" * 10_001, b'{"id":"1","at_ms":1}'), "undecodable"),
        (FakeRecord(1, None, b"no control"), "undecodable"),
        (FakeRecord(1, None, None), "undecodable"),
        (sighting(1, "a", 1_010, "reject"), "rejected"),
        (sighting(1, "a", 1_010, "raise"), "raised"),
        (sighting(1, "a", 1_010, "huge"), "oversize"),
    ],
)
def test_poison_leaves_its_neighbours_unharmed(record: FakeRecord, kind: str) -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000), record, sighting(2, "b", 1_020))

    assert _ids(work) == ["0", "2"]
    assert [(poison.kind, poison.offset) for poison in work.poison] == [(kind, 1)]
    assert work.fence == 2


def test_poison_says_where_in_the_processor_it_failed() -> None:
    work = _advance(_partition(), sighting(0, "a", 1_000, "raise"))

    assert work.poison[0].reason == "RuntimeError: a bug in the processor"
    assert "in decide" in work.poison[0].error


def test_a_wake_that_raises_costs_its_own_key_alone() -> None:
    class Trap(Watch):
        def wake(self, states, keys: Sequence[str], due_ms: int, controls):  # type: ignore[no-untyped-def]  # as Watch
            if "b" in keys:
                raise RuntimeError("not b")
            return super().wake(states, keys, due_ms, controls)

    work = _advance(_partition(Trap()), *(sighting(at, key, 1_000) for at, key in enumerate("abc")), tick(3, 2_000))

    assert _ids(work)[3:] == ["a-silent-2000", "c-silent-2000"]
    assert [(poison.kind, poison.key) for poison in work.poison] == [("wake_raised", b"b")]


def test_many_keys_due_at_once_are_woken_in_several_pieces_of_work() -> None:
    partition = _partition(n_rows=5)
    list(partition.works([sighting(offset, f"k{offset:02}", 1_000) for offset in range(20)]))

    works = list(partition.works([tick(20, 2_000)]))

    assert [len(work.rows) for work in works] == [11, 11, 1]
    assert [work.fence for work in works] == [19, 19, 20]


def test_an_erased_key_leaves_a_tombstone() -> None:
    class Forget(Watch):
        def decide(self, states, inputs, controls):  # type: ignore[no-untyped-def]  # as Watch
            decisions = super().decide(states, inputs, controls)
            decisions.states, decisions.wake_at_ms = {"a": None}, {"a": None}
            return decisions

    work = _advance(_partition(Forget()), sighting(0, "a", 1_000))

    assert work.rows[0][:2] == (b"a", None)
