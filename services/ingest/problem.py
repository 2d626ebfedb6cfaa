"""Errors as RFC 9457 problem documents with stable types."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

PROBLEM_BASE = "urn:pulseline:problem:"
_TITLES = {
    400: ("bad-request", "The request cannot be read"),
    401: ("unauthorized", "No valid credentials"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "Content type not supported"),
    422: ("invalid-events", "No valid event"),
    429: ("rate-limited", "Too many events"),
    503: ("unavailable", "A dependency is unavailable; retry"),
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """Return a problem+json response; `members` are extension members such as `rejected`."""
    slug, title = _TITLES[status]
    body = {"type": PROBLEM_BASE + slug, "title": title, "status": status, "detail": detail, **members}
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/problem+json",
        headers=dict(headers or {}),
    )
