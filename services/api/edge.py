"""What every request passes on its way in and out: request id, limits, security headers, the last resort for errors."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.address import marked_path
from services.api.metrics import ApiMetrics
from shared.clock import Clock
from shared.ids import new_request_id
from shared.logs import correlation_id
from shared.problem import problem

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
# Nothing comes from anywhere else, nothing runs inline, nobody frames the console.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,128}$")


class BodyTooLargeError(Exception):
    """More was sent than `MAX_BODY_BYTES`."""


class Edge:
    """Plain ASGI, because a middleware of the framework's kind would buffer streams."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.match(request_id):
            request_id = new_request_id()
        token = correlation_id.set(request_id)
        started = self._clock.monotonic()
        answer: MutableMapping[str, Any] = {}

        async def answer_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    sent.setdefault(name, value)
                if scope["path"].startswith("/v1/"):
                    sent.setdefault("Cache-Control", "no-store")
                self._metrics.requests.labels(
                    scope["method"] if scope["method"] in _METHODS else "other", str(message["status"])
                ).inc()
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.request_seconds.labels(route).observe(self._clock.monotonic() - started)
            await send(message)

        try:
            await self._pass(scope, headers, receive, answer_with)
        except BodyTooLargeError:
            if "status" not in answer:
                await _answer(413, f"a request body is at most {MAX_BODY_BYTES} bytes", scope, receive, answer_with)
        except Exception:
            log.exception("request failed", extra={"action": "request_failed", "path": scope["path"]})
            if "status" in answer:
                raise
            await _answer(500, "the fault is logged under this request id", scope, receive, answer_with)
        finally:
            correlation_id.reset(token)

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            await _answer(400, "the NUL character is not allowed in an address", scope, receive, send)
            return
        scope["path"] = marked_path(scope["path"], scope.get("raw_path") or b"")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            raise BodyTooLargeError
        n_received = 0

        async def limited_receive() -> Message:
            nonlocal n_received
            message = await receive()
            n_received += len(message.get("body", b""))
            if n_received > MAX_BODY_BYTES:
                raise BodyTooLargeError
            return message

        await self._app(scope, limited_receive, send)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _answer(status: int, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    await problem(status, detail)(scope, receive, send)
