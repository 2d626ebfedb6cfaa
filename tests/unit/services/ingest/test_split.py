"""A body is cut into events so that a malformed one stays alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.event.split import split_json, split_ndjson
from shared.errors import Reject


def test_single_object_is_one_event() -> None:
    assert split_json(b' {"a": 1}\n') == [b'{"a": 1}']


def test_empty_array_has_no_events() -> None:
    assert split_json(b"[]") == []


@pytest.mark.parametrize(
    "bad", [b'{"a": NaN}', b'{"a": "\xff"}', b"{oops}", b'{"a": "\\ud800"}', b'{"a": [1, {}], "b": tru}']
)
def test_malformed_element_leaves_its_neighbours_whole(bad: bytes) -> None:
    good = b'{"text": "brackets ] , } and \\" quotes"}'

    parts = split_json(b"[" + good + b", " + bad + b" ," + good + b"]")

    assert (parts[0], parts[-1]) == (good, good)


@pytest.mark.parametrize("body", [b"", b"  ", b"[{}", b'["open', b"[NaN] {}"])
def test_body_without_end_is_refused(body: bytes) -> None:
    with pytest.raises(Reject):
        split_json(body)


def test_a_text_that_never_ends_is_gone_through_once() -> None:
    with pytest.raises(Reject):
        split_json(b'[{"text": "' + b'\\"' * 2_000_000)


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    mark = b"\xef\xbb\xbf"

    assert split_json(mark + b'{"a": 1}') == [b'{"a": 1}']
    assert split_ndjson(mark + b'{"a":1}\r\n{"b":2}\r\n') == [b'{"a":1}', b'{"b":2}']


def test_ndjson_skips_blank_lines() -> None:
    assert split_ndjson(b'{"a":1}\r\n\n{"b":2}\n') == [b'{"a":1}', b'{"b":2}']


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=6))
def test_tolerant_split_agrees_with_the_decoder(values: list[object]) -> None:
    body = b"[" + b" ,".join([*(msgspec.json.encode(value) for value in values), b'{"x": NaN}']) + b"]"

    parts = split_json(body)

    assert [msgspec.json.decode(part) for part in parts[:-1]] == values
    assert parts[-1] == b'{"x": NaN}'


@given(st.binary(max_size=200))
def test_any_bytes_split_or_are_refused(body: bytes) -> None:
    try:
        parts = split_json(body)
    except Reject:
        return
    assert all(isinstance(part, bytes) for part in parts)
