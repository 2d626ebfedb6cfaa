"""A request is built from whatever a server hands over, and says "now" in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.ingest.channel import ChannelRequest, SignatureError
from services.ingest.channel.draft import at_most_present, draft, identifier
from services.ingest.channel.payload import instant_of, multipart_parts
from shared.contracts.codec import decode_event, encode
from shared.handles import normalise

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1"}, {"x-a": ["1"]}, [("X-A", "1")], [(b"x-a", b"1")], {"X-a": b"1"}],
)
def test_headers_compare_without_case(headers: object) -> None:
    assert ChannelRequest(headers=headers).header("x-A") == "1"  # type: ignore[arg-type]


def test_a_repeated_proof_header_is_refused() -> None:
    request = ChannelRequest(headers=[("X-A", "1"), ("x-a", "1")])

    assert request.headers == {"x-a": "1, 1"}
    with pytest.raises(SignatureError):
        request.sole_header("X-A")


@pytest.mark.parametrize("query", [{"a": "1"}, {"a": ["1"]}, [("a", "1")], None])
def test_the_query_is_given_or_taken_from_the_address(query: object) -> None:
    request = ChannelRequest(url="https://x.example/p?a=1", query=query)  # type: ignore[arg-type]

    assert request.parameter("a") == "1"
    assert request.parameter("b") is None


@pytest.mark.parametrize(
    "instant", [NOW, NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=8))), NOW.timestamp()]
)
def test_arrival_is_an_aware_utc_instant(instant: datetime | float) -> None:
    assert ChannelRequest(received_at=instant).received_at == NOW


@pytest.mark.parametrize(
    "value",
    [
        *(1772366400, "1772366400", 1772366400000, "1772366400000", 1772366400000000, "1772366400.000"),
        *("2026-03-01T12:00:00Z", "2026-03-01 12:00:00 UTC", "Sun, 01 Mar 2026 12:00:00 +0000"),
        "Sun Mar 01 12:00:00 +0000 2026",
    ],
)
def test_instants_are_read_in_every_providers_form(value: object) -> None:
    assert instant_of(value) == NOW


@pytest.mark.parametrize(
    "value", [None, True, 0, -5, float("nan"), 1e30, "x", "9999-99-99", "0001-01-01", [], {}, "1" * 25]
)
def test_what_is_no_instant_is_none(value: object) -> None:
    assert instant_of(value) is None


@pytest.mark.parametrize(
    ("kind", "value", "handle"),
    [
        ("tel", "+49 (0)151 12345678", "tel:+4915112345678"),
        ("tel", "0086 138 0013 8000", "tel:+8613800138000"),
        ("tel", "95588", "tel:95588"),
        ("whatsapp", "4915112345678", "tel:+4915112345678"),
        ("whatsapp", "whatsapp:+4915112345678", "tel:+4915112345678"),
        ("whatsapp", "US.1234", "whatsapp:US.1234"),
        ("mailto", "Ana+Shop@Example.COM", "mailto:ana+shop@example.com"),
        ("mailto", "nobody", None),
        ("mailto", "Ana@Bücher.example", "mailto:ana@xn--bcher-kva.example"),
        ("mailto", "ana@faß.example", "mailto:ana@xn--fa-hia.example"),
        ("mailto", "张三@例子.公司", "mailto:张三@xn--fsqu00a.xn--55qx5d"),
        ("mailto", "ana@bü_cher.example", "mailto:ana@bü_cher.example"),
        ("mailto", "ａｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "mailto:ana@example.com"),
        ("tel", "＋８６　１３８－００１３－８０００", "tel:+8613800138000"),
        ("x", "6253282", "x:6253282"),
        ("Bad Kind", "1", None),
        ("line", " \x00", None),
    ],
)
def test_handles_have_one_form(kind: str, value: str, handle: str | None) -> None:
    assert normalise(kind, value) == handle


def test_numbers_without_a_country_belong_to_the_default_region() -> None:
    assert normalise("tel", "138 0013 8000", "CN") == "tel:+8613800138000"


def test_a_draft_keeps_within_the_contract() -> None:
    event = draft(
        ChannelRequest(received_at=NOW),
        platform="p" * 300,
        event_id="i" * 300,
        handles=["x:" + "h" * 400, "bad", "x:1"],
        text="\x00\ud800" + "t" * 300_000,
        sender="s" * 300,
        attributes={f"n{i}": "v" * 5_000 for i in range(100)},
    )

    assert decode_event(encode(event)) == event
    assert event.attributes["message_id"] == "i" * 300


def test_ids_stay_readable_until_they_are_too_long() -> None:
    assert identifier("a", None, "b") == "a:b"
    assert identifier("x" * 200) == identifier("x" * 200) != identifier("x" * 201)


def test_a_claimed_future_becomes_the_arrival() -> None:
    event = draft(ChannelRequest(received_at=NOW), platform="p", event_id="1", occurred_at=NOW + timedelta(hours=1))

    assert at_most_present(event, NOW).occurred_at == NOW
    assert at_most_present(event, NOW + timedelta(hours=1)) == event


def test_multipart_forms_are_split_into_fields_and_files() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nhello\r\n'
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n1\r\n2\r\n--b--"
    )

    parts = multipart_parts(body, "multipart/form-data; boundary=b")

    assert [(p.name, p.filename, p.content) for p in parts] == [("text", None, b"hello"), ("f", "a.txt", b"1\r\n2")]
