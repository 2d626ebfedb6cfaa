"""What leaves for the broker is what aiokafka would have sent, by whatever version of the protocol they agree on."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.produce import ProduceRequest

from shared.kafka.produce_request import JoinedRequests

_TOPICS: list[tuple[str, list[tuple[int, bytes]]]] = [
    ("one", [(0, b"a" * 500), (3, b"b")]),
    ("two", [(1, b"")]),
    ("", []),
]


class Client:
    """Keeps the request; `cluster` stands for what else a sender asks of its client."""

    cluster = "cluster"

    def __init__(self) -> None:
        self.sent: Any = None

    async def send(self, _node: int, request: Any) -> str:
        self.sent = request
        return "response"


async def written(request: Any, versions: dict[int, tuple[int, int]]) -> bytes:
    """Return what a connection writes to its socket."""
    connection, parts = AIOKafkaConnection("127.0.0.1", 1), list[bytes]()
    connection._versions, connection._writer = versions, SimpleNamespace(write=parts.append)
    answer = asyncio.ensure_future(connection.send(request))
    answer.cancel()
    return b"".join(parts)


@pytest.mark.parametrize("version", range(8))
async def test_a_request_leaves_with_the_bytes_of_the_librarys_own(version: int) -> None:
    client, versions = Client(), {ProduceRequest.API_KEY: (version, version)}
    wanted = ProduceRequest(None, -1, 10_000, _TOPICS)

    response = await JoinedRequests(client).send(0, ProduceRequest(None, -1, 10_000, _TOPICS))

    assert response == "response"
    assert await written(client.sent, versions) == await written(wanted, versions)
    assert client.sent.prepare(versions).RESPONSE_TYPE is wanted.prepare(versions).RESPONSE_TYPE


async def test_other_requests_are_passed_on_as_they_are() -> None:
    client, other = Client(), SimpleNamespace()

    await JoinedRequests(client).send(0, other)

    assert client.sent is other
    assert JoinedRequests(client).cluster == "cluster"
