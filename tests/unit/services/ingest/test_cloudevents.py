"""CloudEvents in all three modes become our events."""

import msgspec
import pytest

from services.ingest.event.cloudevents import from_binary, from_structured
from services.ingest.event.routes import split_request
from shared.errors import Reject

DATA = {"customer": {"id": "c-1"}, "channel": "chat", "text": "hi"}
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "shop", "type": "interaction", "time": "2026-11-22T09:00:00Z"}
EXPECTED = {
    **DATA,
    "id": "1",
    "source": "shop",
    "type": "interaction",
    "occurred_at": "2026-11-22T09:00:00Z",
}


def test_binary_mode_takes_attributes_from_headers() -> None:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}

    event = from_binary(headers, msgspec.json.encode(DATA))

    assert msgspec.json.decode(event) == EXPECTED


def test_structured_mode_takes_everything_from_the_body() -> None:
    event = from_structured(msgspec.json.encode({**ATTRIBUTES, "data": DATA}))

    assert msgspec.json.decode(event) == EXPECTED


def test_base64_data_is_decoded() -> None:
    event = from_structured(msgspec.json.encode({**ATTRIBUTES, "data_base64": msgspec.json.encode(DATA)}))

    assert msgspec.json.decode(event) == EXPECTED


def test_prefixed_type_is_understood() -> None:
    body = msgspec.json.encode({**ATTRIBUTES, "type": "com.example.pulseline.interaction", "data": DATA})

    assert msgspec.json.decode(from_structured(body))["type"] == "interaction"


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_missing_attribute_is_named(missing: str) -> None:
    attributes = {name: value for name, value in ATTRIBUTES.items() if name != missing}

    with pytest.raises(Reject) as caught:
        from_structured(msgspec.json.encode({**attributes, "data": DATA}))

    assert caught.value.pointer == f"/{missing}"


def test_batch_mode_is_split() -> None:
    body = msgspec.json.encode([{**ATTRIBUTES, "data": DATA}, {**ATTRIBUTES, "data": DATA}])

    raw_events, convert = split_request({"content-type": "application/cloudevents-batch+json; charset=utf-8"}, body)

    assert convert is not None
    assert [msgspec.json.decode(convert(raw)) for raw in raw_events] == [EXPECTED, EXPECTED]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"specversion":"1.0","id":"1","source":"s","type":"interaction","data":"text"}',
        b'{"specversion":"2.0","id":"1","source":"s","type":"interaction","data":{}}',
        rb'{"specversion":"1.0","id":"1","source":"s","type":"interaction","data":{"text":"\ud800"}}',
        b'{"specversion":"1.0","id":"1","source":"s","type":"interaction","data_base64":"!"}',
    ],
)
def test_what_is_no_event_of_ours_is_rejected(raw: bytes) -> None:
    with pytest.raises(Reject):
        from_structured(raw)
