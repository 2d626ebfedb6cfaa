"""A request's body, read within limits of size and time, and all of them within one of memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.event.decide import MAX_BODY_BYTES
from services.ingest.metrics import IngestMetrics
from shared.problem import problem

_READ_TIMEOUT_S = 30.0
# Most clients read the answer only once they have sent everything, and hear of a reset connection instead of a 413 if
# it is closed before. So what is too large is let pass unread, within reason.
_MOST_LET_PASS_BYTES = 64 * 1024 * 1024
_LET_PASS_TIMEOUT_S = 5.0
# Block-wise compressors make one of 64 KB; each copies the rest of the body.
_MOST_GZIP_MEMBERS = 128
# Others are answered, or give up, within seconds.
_RETRY_AFTER_S = 2


class BodyError(Exception):
    """The body cannot be used; `status` is the answer's, 503 when it may come again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def answer(self) -> Response:
        return problem(self.status, self.detail, {"Retry-After": str(_RETRY_AFTER_S)} if self.status == 503 else {})


class OpenBodies:
    """The bodies of the requests that wait for their answer, together within a limit.

    They count as they arrive, not as they are declared: who only says that much is coming takes nothing from others.
    """

    def __init__(self, most_bytes: int, metrics: IngestMetrics) -> None:
        self._most_bytes = most_bytes
        self._n_bytes = 0
        self._refused = metrics.bodies_refused
        metrics.open_body_bytes.set_function(lambda: self._n_bytes)

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body, decompressed if it is gzip, and count it as open until the block ends.

        Raises `BodyError`: 413 over the limit, before or after decompression; 400 for a broken or too slow body; 503
        when all open bodies together leave no room for it.
        """
        share = _Share(self)
        try:
            yield await _read(request, share)
        finally:
            self._n_bytes -= share.n_bytes

    def take(self, n_bytes: int) -> None:
        if self._n_bytes + n_bytes > self._most_bytes:
            self._refused.inc()
            raise BodyError(503, "too much is being sent at once; send it again in a moment")
        self._n_bytes += n_bytes


class _Share:
    """What one body has of the room."""

    def __init__(self, bodies: OpenBodies) -> None:
        self._bodies = bodies
        self.n_bytes = 0

    def take(self, n_bytes: int) -> None:
        self._bodies.take(n_bytes)
        self.n_bytes += n_bytes


async def _read(request: Request, share: _Share) -> bytes:
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            body = await _collect(request, share)
    except TimeoutError as error:
        raise BodyError(400, f"the body did not arrive within {_READ_TIMEOUT_S:g} s") from error
    except ClientDisconnect as error:
        raise BodyError(400, "the client went away before the body was complete") from error
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        plain = _gunzip(body)
        share.take(len(plain))
        return plain
    if encoding not in ("identity", ""):
        raise BodyError(415, "only gzip and identity are known content encodings")
    return body


async def _collect(request: Request, share: _Share) -> bytes:
    chunks: list[bytes] = []
    size = 0
    declared = request.headers.get("content-length", "")
    stream = request.stream()
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        waits_for_leave = request.headers.get("expect", "").lower() == "100-continue"
        if not waits_for_leave and int(declared) <= _MOST_LET_PASS_BYTES:
            await _let_pass(stream)
        raise _too_large()
    async for chunk in stream:
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            chunks.clear()
            await _let_pass(stream)
            raise _too_large()
        share.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def _let_pass(stream: AsyncIterator[bytes]) -> None:
    n_bytes = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_LET_PASS_TIMEOUT_S):
            async for chunk in stream:
                n_bytes += len(chunk)
                if n_bytes > _MOST_LET_PASS_BYTES:
                    return


def _gunzip(body: bytes) -> bytes:
    """Return what every member of a gzip body holds (RFC 1952: one after another is one body)."""
    members: list[bytes] = []
    room = MAX_BODY_BYTES + 1
    rest = body
    while rest or not members:
        if len(members) == _MOST_GZIP_MEMBERS:
            raise BodyError(400, f"the body has more than {_MOST_GZIP_MEMBERS} gzip members")
        decompressor = zlib.decompressobj(wbits=31)
        try:
            plain = decompressor.decompress(rest, room)
        except zlib.error as error:
            raise BodyError(400, "the body is not gzip") from error
        room -= len(plain)
        if room <= 0:
            raise _too_large()
        if not decompressor.eof:
            raise BodyError(400, "the gzip body is truncated")
        members.append(plain)
        rest = decompressor.unused_data.lstrip(b"\0")  # padding, as of a tape
    return b"".join(members)


def _too_large() -> BodyError:
    return BodyError(413, f"a request has at most {MAX_BODY_BYTES // (1024 * 1024)} MB")
