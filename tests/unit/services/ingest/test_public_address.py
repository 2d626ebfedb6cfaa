"""The URL a provider called, as ingest rebuilds it from the request."""

import pytest
from starlette.requests import Request

from services.ingest.connection.routes import PublicAddress
from shared.proxies import TrustedProxies


def request(query: bytes) -> Request:
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/v1/channels/line-é",
        "raw_path": b"/v1/channels/line-%C3%A9",
        "query_string": query,
        "headers": [
            (b"host", b"ingest.local:8001"),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-host", b"h.example"),
        ],
        "client": ("10.0.0.1", 5),
        "server": ("127.0.0.1", 8001),
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", ""),
        (b"a=%E9%80%80&b=+", "?a=%E9%80%80&b=+"),
        ("a=退款".encode(), "?a=退款"),
        (b"a=\xff", "?a=\ufffd"),
    ],
)
def test_query_is_kept_as_it_was_sent_and_never_raises(query: bytes, expected: str) -> None:
    seen = PublicAddress("", TrustedProxies()).url_of(request(query))

    assert seen == "http://ingest.local:8001/v1/channels/line-%C3%A9" + expected


def test_forwarded_headers_count_from_trusted_proxies_alone() -> None:
    trusting = PublicAddress("", TrustedProxies.parse("10.0.0.0/24")).url_of(request(b"x=1"))

    assert trusting == "https://h.example/v1/channels/line-%C3%A9?x=1"


def test_a_fixed_base_stands_before_everything() -> None:
    assert PublicAddress("https://in.example/", TrustedProxies()).url_of(request(b"")) == (
        "https://in.example/v1/channels/line-%C3%A9"
    )
