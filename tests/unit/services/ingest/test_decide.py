"""Every event of a request is judged alone, with a pointer and a plain reason."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.event.decide import MAX_EVENT_BYTES, decide
from services.ingest.event.split import split_json
from shared.ids import CustomerId

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)


def raw(**changes: Any) -> bytes:
    event = {
        "type": "interaction",
        "id": "m-1",
        "source": "shop",
        "occurred_at": "2026-11-01T09:00:00Z",
        "customer": {"id": "c-1"},
        "channel": "chat",
        "text": "hello",
    }
    event.update(changes)
    return json.dumps({k: v for k, v in event.items() if v is not None}).encode()


MALFORMED = {
    "wrong type": (raw(customer={"id": 3}), "/customer/id"),
    "missing field": (raw(id=None), "/id"),
    "unknown kind": (raw(type="order.exploded"), "/type"),
    "NaN": (raw(call={"duration_s": float("nan")}), "/call/duration_s"),
    "endless number": (raw(text="?").replace(b'"?"', b"9" * 5_000), "/text"),
    "number without digits": (raw(customer={"handles": ["wechat:a/b", "tel:abc"]}), "/customer/handles/1"),
    "address without @": (raw(customer={"id": "c-1", "handles": ["mailto:anonymous"]}), "/customer/handles/0"),
    "naive time": (raw(occurred_at="2026-11-01T09:00:00"), "/occurred_at"),
    "lone surrogate": (raw(text="\ud800"), "/text"),
    "NUL": (raw(text="a\x00b"), "/text"),
    "not UTF-8": (raw().replace(b"hello", b"\xff\xfe"), "/text"),
    "absurd size": (raw(text="x" * MAX_EVENT_BYTES), ""),
    "the future": (raw(occurred_at="2099-01-01T00:00:00Z"), "/occurred_at"),
    "before 1970": (raw(occurred_at="0001-01-01T00:00:00+14:00"), "/occurred_at"),
    "unknown member": (raw(txet="typo"), "/txet"),
    "map value": (raw(attributes={"a": "x", "b/c": 4}), "/attributes/b~1c"),
    "nobody": (raw(customer={}), "/customer"),
    "blank id": (raw(customer={"id": " ", "handles": ["wechat:a/b"]}), "/customer/id"),
    "no such day": (
        raw(type="customer.identified", channel=None, text=None, birthday="2001-02-29"),
        "/birthday",
    ),
    "bad handle": (raw(customer={"handles": ["tel:+86", "none"]}), "/customer/handles/1"),
    "off the scale": (raw(type="survey.answered", kind="csat", score=9, scale_min=1, scale_max=5), "/score"),
    "order of less than nothing": (
        raw(type="order.placed", text=None, order_id="1", amount="-0.01"),
        "/amount",
    ),
    "return of less than nothing": (
        raw(type="order.returned", text=None, order_id="1", amount="-5"),
        "/amount",
    ),
    "credit note": (
        raw(type="payment.due", text=None, invoice_id="1", amount="-5", due_at="2026-11-01T09:00:00Z"),
        "/amount",
    ),
    "no object": (b"17", ""),
    "too deep": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_event_is_rejected_with_its_pointer(kind: str) -> None:
    event, pointer = MALFORMED[kind]

    verdict = decide([event], NOW, {})

    assert [(one.index, one.pointer) for one in verdict.rejected] == [(0, pointer)]
    assert verdict.rejected[0].reason


@pytest.mark.parametrize("amount", ["0", "0.00", "-0.00", "0.01"])
def test_what_costs_nothing_is_an_order_too(amount: str) -> None:
    verdict = decide([raw(type="order.placed", text=None, order_id="1", amount=amount)], NOW, {})

    assert (len(verdict.accepted), verdict.rejected) == (1, [])


def test_bad_events_do_not_touch_their_neighbours() -> None:
    body = b"[" + b",".join(part for event, _ in MALFORMED.values() for part in (event, raw())) + b"]"

    verdict = decide(split_json(body), NOW, {})

    assert len(verdict.accepted) == len(MALFORMED)
    assert [one.index for one in verdict.rejected] == list(range(0, 2 * len(MALFORMED), 2))


def test_handles_are_written_as_channels_write_them() -> None:
    handles = ["tel:+86 138-0013-8000", "tel:008613800138000", "mailto:Ana+Shop@Example.COM", "wechat:gh_1/oA"]

    (loose,) = decide([raw(customer={"handles": handles})], NOW, {}).accepted
    (strict,) = decide([raw(customer={"handles": loose.event.customer.handles})], NOW, {}).accepted

    assert loose.event.customer.handles == ["tel:+8613800138000", "mailto:ana+shop@example.com", "wechat:gh_1/oA"]
    assert loose.customer_id == strict.customer_id


def test_a_known_handle_is_known_however_it_is_written() -> None:
    known = {"tel:+8613800138000": CustomerId("c-9")}

    (accepted,) = decide([raw(customer={"handles": ["tel:+86 (138) 0013-8000"]})], NOW, known).accepted

    assert accepted.customer_id == "c-9"


def test_accepted_event_carries_when_it_was_received() -> None:
    verdict = decide([raw(received_at="2020-01-01T00:00:00Z")], NOW, {})

    assert msgspec.json.decode(verdict.accepted[0].value)["received_at"] == "2026-11-01T10:00:00Z"


def test_five_minutes_ahead_is_still_now() -> None:
    assert not decide([raw(occurred_at=(NOW + timedelta(minutes=5)).isoformat())], NOW, {}).rejected
    assert decide([raw(occurred_at=(NOW + timedelta(minutes=5, seconds=1)).isoformat())], NOW, {}).rejected


def test_known_handle_names_its_customer() -> None:
    event = raw(customer={"handles": ["mailto:new@example.com", "tel:+8613800138000"]})

    verdict = decide([event], NOW, {"tel:+8613800138000": CustomerId("c-9")})

    assert verdict.accepted[0].customer_id == "c-9"
    assert msgspec.json.decode(verdict.accepted[0].value)["customer"]["id"] == "c-9"


def test_minted_customer_does_not_depend_on_the_order_of_handles() -> None:
    one, other = (
        decide([raw(customer={"handles": handles})], NOW, {}).accepted[0].customer_id
        for handles in (["a:1", "b:2"], ["b:2", "a:1"])
    )

    assert one == other


def test_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert not decide([raw(text="\\u0000")], NOW, {}).rejected


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    verdict = decide([body], NOW, {})

    assert len(verdict.rejected) + len(verdict.accepted) == 1


@given(st.dictionaries(st.sampled_from(["type", "id", "text", "customer", "attributes", "call"]), st.text(max_size=5)))
def test_arbitrary_members_never_raise(changes: dict[str, str]) -> None:
    verdict = decide([raw(**changes)], NOW, {})

    assert len(verdict.rejected) + len(verdict.accepted) == 1
