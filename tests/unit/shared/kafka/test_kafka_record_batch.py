"""Batches leave with the bytes that aiokafka's own builder would have given them."""

from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from shared.kafka.record_batch import OutgoingBatch
from shared.kafka.rows import Message

_NOW_MS = 1_700_000_000_000
_MESSAGES: list[Message] = [
    (b"a", b"1", (), None),
    (b"a", None, [("kind", b"x"), ("none", None)], _NOW_MS + 5),  # type: ignore[list-item]  # Kafka has such
    (None, b"y" * 200_000, (), _NOW_MS - 5),
    (b"b", b"", (), 0),
]


def _by_the_library(messages: list[Message], producer: tuple[int, int, int]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for at, (key, value, headers, timestamp_ms) in enumerate(messages):
        builder.append(at, timestamp_ms or _NOW_MS, key, value, list(headers))
    builder.set_producer_state(*producer)
    return bytes(builder.build())


@pytest.mark.parametrize("n_first", [0, 1, 3])
def test_a_batch_has_the_bytes_of_the_librarys_own(n_first: int) -> None:
    batch = OutgoingBatch(1 << 20)
    sender: Any = batch
    if n_first:
        assert batch.extend(_MESSAGES[:n_first], 0, _NOW_MS) == n_first
        assert bytes(batch.sealed()) == _by_the_library(_MESSAGES[:n_first], (-1, -1, 0))
    assert batch.extend(_MESSAGES, n_first, _NOW_MS) == len(_MESSAGES)
    batch.close()

    sender._set_producer_state(7, 3, 1_000)

    assert bytes(sender._build()) == _by_the_library(_MESSAGES, (7, 3, 1_000))
    assert sender.record_count() == len(_MESSAGES)
    assert sender.closed()


def test_what_finds_no_room_is_left_to_the_next_batch_and_changes_nothing() -> None:
    messages: list[Message] = [(b"k", bytes(400), (), _NOW_MS + number) for number in range(5)]
    first, second = OutgoingBatch(1_000), OutgoingBatch(1_000)

    n_taken = first.extend(messages, 0, _NOW_MS)

    assert n_taken == 2
    assert bytes(first.sealed()) == _by_the_library(messages[:2], (-1, -1, 0))
    assert first.extend(messages, 2, _NOW_MS) == 2
    assert second.extend(messages, 2, _NOW_MS) == 4
    assert bytes(second.sealed()) == _by_the_library(messages[2:4], (-1, -1, 0))


def test_a_record_of_any_size_finds_room_in_an_empty_batch() -> None:
    messages: list[Message] = [(b"k", bytes(2_000), (), None)]
    batch = OutgoingBatch(1_000)

    assert batch.extend(messages, 0, _NOW_MS) == 1
    assert bytes(batch.sealed()) == _by_the_library(messages, (-1, -1, 0))


def test_a_batch_stays_whole_after_something_that_is_no_record() -> None:
    batch = OutgoingBatch(1 << 20)

    with pytest.raises(TypeError):
        batch.extend([_MESSAGES[0], (b"k", "text", (), None)], 0, _NOW_MS)  # type: ignore[list-item]
    batch.extend(_MESSAGES, 1, _NOW_MS)

    records: Any = MemoryRecords(bytes(batch.sealed())).next_batch()
    assert records.validate_crc()
    assert [(one.offset, one.value) for one in records] == list(enumerate(value for _, value, _, _ in _MESSAGES))
