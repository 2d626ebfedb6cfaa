import json

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.processor import Control
from shared.kafka.rows import (
    control_row,
    decode_control_row,
    decode_partition_row,
    encode_row,
    fence_of,
    partition_row,
    state_of,
    tombstone,
    tombstone_fence,
    wake_at_ms_of,
)


@given(st.integers(0, 2**63), st.one_of(st.none(), st.integers(-(2**63), 2**63)), st.text())
def test_a_row_gives_back_its_parts_and_is_json(fence: int, wake_at_ms: int | None, text: str) -> None:
    state = json.dumps({"text": text}).encode()

    row = encode_row(fence, wake_at_ms, state)

    assert (fence_of(row), wake_at_ms_of(row), state_of(row)) == (fence, wake_at_ms, state)
    assert json.loads(row) == {"fence": fence, "wake_at_ms": wake_at_ms, "state": {"text": text}}


def test_a_tombstone_carries_its_fence() -> None:
    row = tombstone("a", 42)

    assert row.value is None
    assert tombstone_fence(row.headers) == 42


def test_a_tombstone_of_another_program_is_older_than_everything() -> None:
    assert tombstone_fence([("trace", b"x")]) == -1


def test_the_partition_row_keeps_fence_and_watermark() -> None:
    value = partition_row(7, 1_760_000_000_000).value

    assert value is not None
    assert decode_partition_row(value) == (decode_partition_row(b'{"fence":7,"watermark_ms":1760000000000}'))


def test_each_version_of_a_control_has_a_row_of_its_own() -> None:
    rows = {control_row(Control("rules", version, 5, {"limit": 3}), 9).key for version in (1, 2)}
    value = control_row(Control("rules", 1, 5, {"limit": 3}), 9).value

    assert len(rows) == 2
    assert value is not None
    assert decode_control_row(value).document == {"limit": 3}
