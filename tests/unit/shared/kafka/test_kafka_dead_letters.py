"""Whatever the poison, its letter can be written: else it would stop its partition for ever."""

from typing import Any

import msgspec
import pytest

from shared.contracts.dead_letter import DeadLetter
from shared.kafka.dead_letters import dead_letter, dead_letter_message
from shared.kafka.partition import Poison
from shared.kafka.processor import Headers
from shared.kafka.publisher import MAX_RECORD_BYTES, record_size


def _poison(
    reason: str = "no",
    error: str = "",
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    headers: Headers = (),
    timestamp_ms: int = 1,
) -> Poison:
    return Poison("raised", reason, error, "", 7, key, value, headers, timestamp_ms)


def test_a_record_of_usual_size_is_kept_whole() -> None:
    headers = [("schema", b"event/1"), ("traceparent", b"00-1")]

    letter = dead_letter("stage", "t", 0, _poison(key=b"k" * 200, value=b"v" * 500_000, headers=headers))

    assert (letter.key, letter.value, letter.headers) == (b"k" * 200, b"v" * 500_000, headers)
    assert letter.reason == "no"


@pytest.mark.parametrize(
    "poison",
    [
        _poison(value=bytes(1_000_000)),
        _poison(key=b"k" * 900_000),
        _poison(headers=[("h", bytes(900_000))]),
        _poison(headers=[("h" * 100, b"")] * 8_000),
        _poison("\x00" * 10_000, "\x00" * 10_000, b"k" * 50_000, bytes(600_001), [("h", bytes(10_000))] * 10),
    ],
)
def test_the_letter_of_the_largest_record_fits_a_record(poison: Poison) -> None:
    letter = dead_letter("stage", "t", 0, poison)
    key, value, headers, _ = dead_letter_message(letter)

    assert record_size(key, value, headers) <= MAX_RECORD_BYTES
    assert letter.reason.endswith("too large for a dead letter)")


def test_a_reason_with_half_a_surrogate_pair_can_be_written() -> None:
    letter = dead_letter("stage", "t", 0, _poison("bad \ud800", "Traceback \udfff"))
    value = dead_letter_message(letter)[1]

    assert value is not None
    assert msgspec.json.decode(value, type=DeadLetter).reason == "bad ?"


@pytest.mark.parametrize("timestamp_ms", [-1, 1 << 62])
def test_a_time_that_no_calendar_has_can_be_written(timestamp_ms: int) -> None:
    assert dead_letter_message(dead_letter("stage", "t", 0, _poison(timestamp_ms=timestamp_ms)))[1]


def test_a_header_without_content_is_kept_as_an_empty_one() -> None:
    headers: Any = [("a", None), ("b", b"1")]

    assert dead_letter("stage", "t", 0, _poison(headers=headers)).headers == [("a", b""), ("b", b"1")]
    assert record_size(b"k", b"v", headers) >= record_size(b"k", b"v", ())
