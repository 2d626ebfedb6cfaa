from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.timers import BUCKET_MS, Timers


def _pop_all(timers: Timers, now_ms: int) -> list[tuple[int, list[str]]]:
    popped = []
    while (due := timers.pop_due(now_ms)) is not None:
        popped.append(due)
    return popped


def test_due_timers_come_out_in_order_with_the_keys_of_an_instant_sorted() -> None:
    timers = Timers()
    for key, at_ms in [("c", 500), ("a", 100), ("b", 500), ("d", 501)]:
        timers.set(key, at_ms)

    popped = _pop_all(timers, 500)

    assert popped == [(100, ["a"]), (500, ["b", "c"])]
    assert timers.get("d") == 501


def test_a_moved_timer_fires_at_its_new_instant_alone() -> None:
    timers = Timers()
    timers.set("a", 100)
    timers.set("a", 10 * BUCKET_MS)

    early, late = _pop_all(timers, 9 * BUCKET_MS), _pop_all(timers, 10 * BUCKET_MS)

    assert early == []
    assert late == [(10 * BUCKET_MS, ["a"])]


def test_a_cancelled_timer_does_not_fire() -> None:
    timers = Timers()
    timers.set("a", 100)
    timers.set("a", None)

    assert not timers.is_due(1_000)
    assert len(timers) == 0


def test_a_timer_set_in_the_past_is_due_at_once() -> None:
    timers = Timers()
    timers.set("a", 90 * BUCKET_MS)
    timers.is_due(50 * BUCKET_MS)

    timers.set("b", 3)

    assert timers.pop_due(50 * BUCKET_MS) == (3, ["b"])


def test_hints_of_timers_that_move_all_the_time_are_forgotten() -> None:
    timers = Timers()

    for minute in range(1, 25_000):
        timers.set("a", minute * BUCKET_MS)

    assert timers.pop_due(24_998 * BUCKET_MS) is None
    assert timers.pop_due(24_999 * BUCKET_MS) == (24_999 * BUCKET_MS, ["a"])


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcde"), st.one_of(st.none(), st.integers(-100, 8 * BUCKET_MS))),
        st.integers(0, 3 * BUCKET_MS),
    ),
    max_size=60,
)


@given(_STEPS)
def test_timers_agree_with_a_plain_dictionary(steps: list[tuple[str, int | None] | int]) -> None:
    timers, now_ms = Timers(), 0
    plain: dict[str, int] = {}

    for step in steps:
        if isinstance(step, int):
            now_ms += step
            expected = sorted((at, key) for key, at in plain.items() if at <= now_ms)
            popped = [(at, key) for at, keys in _pop_all(timers, now_ms) for key in keys]
            assert popped == expected
            plain = {key: at for key, at in plain.items() if at > now_ms}
        else:
            timers.set(*step)
            plain = {key: at for key, at in {**plain, step[0]: step[1]}.items() if at is not None}

    assert len(timers) == len(plain)
