"""The client retries what may be retried, keeps ids through retries, and says what was rejected."""

import json
from collections.abc import Callable

import httpx2
import pytest

from pulseline.client import AsyncClient, Client, RefusedError, RetryPolicy, UnreachableError

AT_ONCE = RetryPolicy(attempts=3, base_s=0.0)
Answer = Callable[[httpx2.Request], httpx2.Response]


class Server:
    """Answers with the given statuses in turn, then 202, and remembers the bodies."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[list[dict[str, object]]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        events = json.loads(request.content)
        self.bodies.append(events)
        if self.statuses:
            return httpx2.Response(self.statuses.pop(0), json={"detail": "no", "rejected": []})
        rejected = [
            {"index": i, "pointer": "/x", "reason": "bad"} for i, event in enumerate(events) if event.get("bad")
        ]
        return httpx2.Response(202, json={"accepted": len(events) - len(rejected), "rejected": rejected})


def client(server: Answer) -> Client:
    return Client("http://pulseline", "key", retry=AT_ONCE, transport=httpx2.MockTransport(server))


def test_unavailable_is_retried_with_the_same_id() -> None:
    server = Server(503, 503)

    receipt = client(server).send({"type": "interaction", "text": "hi"})

    assert receipt.accepted == 1
    assert len({str(body[0]["id"]) for body in server.bodies}) == 1


@pytest.mark.parametrize("key", ["pl_…", "", "pl_1\n", "Bearer pl_1"])
def test_what_is_no_key_is_said_before_anything_is_sent(key: str) -> None:
    with pytest.raises(ValueError, match="api_key is no key"):
        Client("http://pulseline", key)


def test_own_id_is_kept() -> None:
    server = Server()

    client(server).send({"id": "mine"})

    assert server.bodies == [[{"id": "mine"}]]


def test_lasting_outage_is_reported() -> None:
    with pytest.raises(UnreachableError):
        client(Server(503, 503, 503)).send({"id": "1"})


def test_refusal_is_not_retried() -> None:
    server = Server(401)

    with pytest.raises(RefusedError):
        client(server).send({"id": "1"})

    assert len(server.bodies) == 1


def test_rejections_are_indexed_over_all_batches() -> None:
    server = Server()

    receipt = client(server).send({"id": str(i), "bad": i == 5_001} for i in range(5_003))

    assert [len(body) for body in server.bodies] == [5_000, 3]
    assert (receipt.accepted, [one.index for one in receipt.rejected]) == (5_002, [5_001])


def test_large_events_are_split_by_size() -> None:
    server = Server()

    client(server).send([{"id": str(i), "text": "x" * 3_000_000} for i in range(2)])

    assert [len(body) for body in server.bodies] == [1, 1]


async def test_async_client_does_the_same() -> None:
    server = Server(429)
    transport = httpx2.MockTransport(server)

    async with AsyncClient("http://pulseline", "key", retry=AT_ONCE, transport=transport) as sender:
        receipt = await sender.send([{"id": "1"}, {"id": "2"}])

    assert receipt.accepted == 2
