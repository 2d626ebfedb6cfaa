"""Errors as RFC 9457 problem documents with stable type URIs."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

PROBLEM_BASE = "urn:pulseline:problem:"
MEDIA_TYPE = "application/problem+json"
TITLES: dict[int, tuple[str, str]] = {
    400: ("bad-request", "The request cannot be read"),
    401: ("unauthorized", "No valid credentials"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    409: ("conflict", "The present state does not allow it"),
    412: ("precondition-failed", "A precondition is not met"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "Content type not supported"),
    422: ("invalid", "The request is not valid"),
    429: ("rate-limited", "Too many requests"),
    500: ("internal", "A fault of ours"),
    503: ("unavailable", "A dependency is unavailable; retry"),
}


class ProblemError(Exception):
    """Ends the handling of a request with a problem document; `members` are extension members."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> Response:
        return problem(self.status, self.detail, self.headers, **self.members)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    slug, title = TITLES[status]
    body = {"type": PROBLEM_BASE + slug, "title": title, "status": status, "detail": detail, **members}
    return Response(msgspec.json.encode(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))
