"""Who never ends the head of a request is sent away, on real sockets; who keeps a connection for the next is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.http_protocol import BoundedHeadProtocol

pytestmark = pytest.mark.integration

WHOLE = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Hasty(BoundedHeadProtocol):
    head_timeout_s = 0.3


class Patient(BoundedHeadProtocol):
    head_timeout_s = 3600.0


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


@asynccontextmanager
async def connected(
    kind: type[BoundedHeadProtocol],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection to a server that speaks so."""
    app = Starlette(routes=[Route("/", hello)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=kind, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def answered(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"hello")


@pytest.mark.parametrize(("begun", "drop"), [(b"", b""), (b"", b"\r\n"), (WHOLE[:-2] + b"x: ", b"y")])
async def test_a_head_that_comes_drop_by_drop_ends_the_connection(begun: bytes, drop: bytes) -> None:
    async with connected(Hasty) as (reader, writer):
        writer.write(WHOLE)
        await answered(reader)
        writer.write(begun)
        left = asyncio.create_task(reader.read())
        while not left.done():
            writer.write(drop)
            await asyncio.sleep(0.02)

    assert left.result().startswith(b"HTTP/1.1 408 ")


async def test_who_never_sends_anything_is_sent_away() -> None:
    async with connected(Hasty) as (reader, _):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_an_endless_head_ends_the_connection() -> None:
    async with connected(Patient) as (reader, writer):
        writer.write(WHOLE[:-2])
        left = asyncio.create_task(reader.read())
        n_sent = 0
        while not left.done() and n_sent < 10_000_000:
            writer.write(b"x-more: " + b"y" * 10_000 + b"\r\n")
            n_sent += 10_000
            await asyncio.sleep(0.001)

        assert left.done()
    assert left.result().startswith(b"HTTP/1.1 431 ")


async def test_one_connection_takes_one_request_after_the_other_and_several_at_once() -> None:
    async with connected(Patient) as (reader, writer):
        for pieces in ([WHOLE], [WHOLE * 3], [WHOLE[:9], WHOLE[9:]]):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
            for _ in range(b"".join(pieces).count(WHOLE)):
                assert (await answered(reader)).startswith(b"HTTP/1.1 200 OK")
