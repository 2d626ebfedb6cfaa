"""Whatever arrives, an adapter answers with events that the contract accepts, or with its documented errors."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.channel import CHANNELS, PROVIDERS, ChannelRequest, PayloadError, SignatureError
from shared.contracts.codec import decode_event, encode
from tests.contract.channel.signed import MAKERS, NOW, delivery

BY_PROVIDER = {delivery(name).provider: delivery(name) for name in MAKERS}
HEADER_NAMES = sorted({h for d in BY_PROVIDER.values() for h in d.proof_headers} | {"Content-Type", "ce-id", "ce-time"})
CONTENT_TYPES = st.sampled_from(
    [
        *("application/json", "application/x-www-form-urlencoded", "text/xml", "application/cloudevents+json"),
        *("application/cloudevents-batch+json", "multipart/form-data; boundary=b", "multipart/form-data", "x"),
    ]
)
NAMES = st.sampled_from(
    [
        "object",
        "entry",
        "changes",
        "value",
        "messages",
        "id",
        "from",
        "type",
        "text",
        "body",
        "timestamp",
        "event",
        "events",
        "message",
        "source",
        "userId",
        "message_id",
        "chat",
        "user",
        "ts",
        "channel",
        "data",
        "item",
        "conversation",
        "topic",
        "detail",
        "eventType",
        "contactId",
        "Transcript",
        "batch",
        "traits",
        "properties",
        "commit",
        "record",
        "did",
        "account",
        "content",
        "status",
        "customer",
        "handles",
        "specversion",
        "time",
        "ticket_id",
        "comment",
        "FromFull",
        "Email",
        "From",
        "TextBody",
        "MessageID",
        "tweet_create_events",
        "for_user_id",
        "entry",
        "messaging",
        "sender",
        "postback",
        "reaction",
        "calls",
        "direction",
        "direct_message_events",
        "message_create",
        "attachments",
        "files",
        "payload",
        "Message",
        "TopicArn",
        "Type",
        "products",
        "order_id",
        "total",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["message", "track", "identify", "Order Completed", "\ud800", "\x00", "1.0", "interaction", "page"]
    ),
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)


def _answer(provider: str, request: ChannelRequest, credentials: dict[str, Any]) -> None:
    channel = CHANNELS[provider]
    channel.challenge(request, credentials)
    channel.replay_key(request)
    with contextlib.suppress(SignatureError):
        channel.verify(request, credentials)
    try:
        events = channel.parse(request, credentials)
    except PayloadError:
        return
    for event in events:
        assert decode_event(encode(event)) == event


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=25, deadline=None)
@given(
    body=st.binary(max_size=300),
    headers=st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.text(max_size=30)), max_size=4),
    url=st.text(max_size=60),
    method=st.sampled_from(["GET", "POST", "OPTIONS", ""]),
    content_type=CONTENT_TYPES,
)
def test_arbitrary_bytes_headers_and_addresses(
    provider: str, body: bytes, headers: list[tuple[str, str]], url: str, method: str, content_type: str
) -> None:
    everything = [("Content-Type", content_type), *headers]

    _answer(provider, ChannelRequest(method, url, everything, None, body, NOW), BY_PROVIDER[provider].credentials)


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=25, deadline=None)
@given(document=DOCUMENTS, content_type=CONTENT_TYPES)
def test_arbitrary_documents(provider: str, document: Any, content_type: str) -> None:
    body = json.dumps(document, ensure_ascii=True).encode()

    _answer(provider, ChannelRequest("POST", "", {"Content-Type": content_type}, None, body, NOW), {})


def _replaced(document: Any, path: list[int], value: Any) -> Any:
    """Return the document with what stands at `path` (indices modulo what is there) replaced."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    keys = list(copy) if isinstance(copy, dict) else list(range(len(copy)))
    key = keys[path[0] % len(keys)]
    copy[key] = _replaced(copy[key], path[1:], value)
    return copy


JSON_PROVIDERS = [p for p, d in BY_PROVIDER.items() if d.body.lstrip()[:1] in (b"{", b"[")]


@pytest.mark.parametrize("provider", JSON_PROVIDERS)
@settings(max_examples=40, deadline=None)
@given(path=st.lists(st.integers(0, 7), min_size=1, max_size=6), value=DOCUMENTS)
def test_a_genuine_document_with_any_part_replaced(provider: str, path: list[int], value: Any) -> None:
    sample = BY_PROVIDER[provider]
    body = json.dumps(_replaced(json.loads(sample.body), path, value)).encode()

    _answer(provider, sample.request(body=body), sample.credentials)


@settings(max_examples=150, deadline=None)
@given(
    fields=st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=6),
    sid=st.sampled_from(["MessageSid", "CallSid"]),
)
def test_arbitrary_forms(fields: dict[str, str], sid: str) -> None:
    query = {**fields, sid: "1", "From": fields.get("", "+491511234")}

    _answer("twilio", ChannelRequest("GET", "", None, query, b"", NOW), {"auth_token": "x"})


@settings(max_examples=200, deadline=None)
@given(
    head=st.lists(
        st.tuples(
            st.sampled_from(
                ["From", "To", "Subject", "Date", "Content-Type", "Message-ID", "References", "MIME-Version"]
            ),
            st.text(max_size=40),
        ),
        max_size=8,
    ),
    body=st.binary(max_size=200),
)
def test_arbitrary_mails(head: list[tuple[str, str]], body: bytes) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in head).encode("utf-8", "surrogatepass")

    _answer("smtp", ChannelRequest(body=lines + b"\r\n" + body, received_at=NOW), {"recipients": "a@example.com"})
