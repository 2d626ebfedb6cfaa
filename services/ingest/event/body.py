"""A request's body, read within limits of size and time."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from services.ingest.event.decide import MAX_BODY_BYTES

_READ_TIMEOUT_S = 30.0


class BodyError(Exception):
    """The body cannot be used; `status` is the answer's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def read_body(request: Request) -> bytes:
    """Return the body, decompressed if it is gzip; memory stays within the limit plus one chunk.

    Raises `BodyError`: 413 over the limit, before or after decompression; 400 for a broken or too slow body.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            body = await _collect(request)
    except TimeoutError as error:
        raise BodyError(400, f"the body did not arrive within {_READ_TIMEOUT_S:g} s") from error
    except ClientDisconnect as error:
        raise BodyError(400, "the client went away before the body was complete") from error
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _gunzip(body)
    if encoding not in ("identity", ""):
        raise BodyError(415, "only gzip and identity are known content encodings")
    return body


async def _collect(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _gunzip(body: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)
    try:
        plain = decompressor.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise BodyError(400, "the body is not gzip") from error
    if len(plain) > MAX_BODY_BYTES:
        raise _too_large()
    if not decompressor.eof:
        raise BodyError(400, "the gzip body is truncated")
    return plain


def _too_large() -> BodyError:
    return BodyError(413, f"a request has at most {MAX_BODY_BYTES // (1024 * 1024)} MB")
