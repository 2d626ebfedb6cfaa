import pytest

from shared.trace_headers import carried, ingested_at_ms


def test_trace_and_time_go_on_to_what_follows() -> None:
    headers = [("ce_id", b"1"), ("traceparent", b"00-a"), ("ingested_at", b"17"), ("schema", b"event/1")]

    assert carried(headers) == [("traceparent", b"00-a"), ("ingested_at", b"17")]


def test_the_time_is_read_in_milliseconds() -> None:
    assert ingested_at_ms([("ingested_at", b"1763791200000")]) == 1_763_791_200_000


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"soon", b"\xff", b"9" * 40])
def test_a_time_that_is_none_is_left_out(value: bytes) -> None:
    assert ingested_at_ms([("ingested_at", value)]) is None


def test_a_record_without_the_header_has_no_time() -> None:
    assert ingested_at_ms([("schema", b"alert/1")]) is None
