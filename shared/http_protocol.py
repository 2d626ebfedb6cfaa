"""uvicorn's HTTP over httptools, which waits for ever for the head of a request, however long it grows, with bounds."""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class BoundedHeadProtocol(HttpToolsProtocol):
    """Ends a connection whose next request's head does not come in time, or is absurdly long.

    A body is bounded by whoever reads it: he knows how long one may be.
    """

    # As long as ingest waits for a body.
    head_timeout_s: ClassVar[float] = 30.0
    # What other servers take at most is 8 to 64 KB. What came in one piece with the head's beginning is not counted.
    most_head_bytes: ClassVar[int] = 64 * 1024

    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _n_heads = 0
    _n_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        n_heads = self._n_heads
        super().data_received(data)
        if self._is_in_head and self._n_heads == n_heads:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > self.most_head_bytes:
                self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._n_head_bytes = True, 0
        self._n_heads += 1

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            # Idle, and nothing is in the pipeline.
            self._await_head()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._end, b"408 Request Timeout")

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, status: bytes) -> None:
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
