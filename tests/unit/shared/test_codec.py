"""What is said of an event that cannot be decoded: which member, what is wrong with it, what may stand there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.codec import decode_event
from shared.contracts.event import EVENT_TYPES
from shared.errors import Reject

HEAD = b'"id":"e1","source":"crm","occurred_at":"2026-11-28T21:00:00Z","customer":{"id":"c1"}'

PIECES = (
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"{}",
    b"[]",
    b'"x"',
    b"\\ud800",
    b"\\u0000",
    b"[[[[",
    b"true",
    b'"a":1,',
    b"9" * 30,
)


def refused(raw: bytes) -> tuple[str, str]:
    with pytest.raises(Reject) as reject:
        decode_event(raw)
    return reject.value.pointer, reject.value.reason


def test_a_value_that_is_not_listed_is_told_with_those_that_are() -> None:
    raw = b'{"type":"survey.answered",' + HEAD + b',"kind":"nsp","score":1,"best":2}'

    assert refused(raw) == ("/kind", "Invalid enum value 'nsp'; it is one of ces, csat, nps")


def test_an_unknown_type_is_told_with_the_known_ones() -> None:
    pointer, reason = refused(b'{"type":"interactoin",' + HEAD + b"}")

    assert pointer == "/type"
    assert reason == f"Invalid value 'interactoin'; it is one of {', '.join(sorted(EVENT_TYPES))}"


def test_a_map_is_told_by_its_offending_key() -> None:
    raw = b'{"type":"customer.identified",' + HEAD + b',"attributes":{"good":"1","bad":2}}'

    assert refused(raw) == ("/attributes/bad", "Expected 'str', got 'int'")


@pytest.mark.parametrize("rest", [b"\xff", b"x", b"", b'"text":"\xed\xa0\x80"}', b'"'], ids=repr)
@pytest.mark.parametrize(
    "first",
    [
        b'"customer.identified",' + HEAD + b',"attributes":{"bad":2},',
        b'"interactoin",',
        b'"interaction","channel":"x",',
    ],
    ids=["a wrong map", "a wrong type", "a wrong value"],
)
def test_what_is_no_json_behind_a_wrong_member_is_refused_like_any(first: bytes, rest: bytes) -> None:
    pointer, reason = refused(b'{"type":' + first + rest)

    assert pointer in ("", "/text")
    assert any(words in reason for words in ("JSON is malformed", "Input data was truncated", "UTF-8")), reason


EVENT = (
    b'{"type":"interaction",'
    + HEAD
    + b',"channel":"chat","direction":"inbound","text":"\xe5\xa5\xbd","attributes":{"a":"b"}}'
)


@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(EVENT)), st.integers(0, 12), st.one_of(st.binary(max_size=6), st.sampled_from(PIECES))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_event_is_decoded_or_refused_with_a_reason(edits: list[tuple[int, int, bytes]]) -> None:
    raw = EVENT
    for start, length, piece in edits:
        raw = raw[:start] + piece + raw[start + length :]

    try:
        decoded = decode_event(raw)
    except Reject as reject:
        assert reject.reason
    else:
        assert decoded.id
