"""Where a notification's bytes really go: real sockets, names that change their address, redirects, certificates."""

import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from services.api.notification.address import AddressGuard
from services.api.notification.model import Endpoint, Outcome
from services.api.notification.sample import sample_event
from services.api.notification.send import Sender
from services.api.vault import Vault
from tests.factories.records import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.tls_server import TlsServer, serve_tls
from tests.integration.api.test_notifications import receiving

pytestmark = pytest.mark.integration

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
HOST = "hooks.example"


def resolving(*answers: str) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """Return a resolver that gives one answer after the other, and the names it was asked for."""
    left, asked = list(answers), list[str]()

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return [left.pop(0)]

    return resolve, asked


async def sent(guard: AddressGuard, *urls: str, trust: ssl.SSLContext | None = None) -> list[Outcome]:
    sender = Sender(guard, Vault(None), FakeClock(NOON), tls=trust)
    try:
        return [
            await sender.send(
                Endpoint(
                    id="ep_1",
                    kind="slack",
                    url=url,
                    secret=None,
                    sealed_secret=None,
                    language="en",
                    rate_per_minute=60,
                    failing_since=None,
                ),
                [sample_event(NOON)],
                "msg_1",
            )
            for url in urls
        ]
    finally:
        await sender.stop()


class Hook(BaseHTTPRequestHandler):
    """Takes everything and notes whom it was sent to."""

    hosts: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.hosts.append(self.headers["host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def trust() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def hook(tmp_path: Path, trust: ssl.SSLContext) -> Iterator[TlsServer]:
    Hook.hosts = []
    server = serve_tls(tmp_path, HOST, Hook, trust)
    yield server
    server.shutdown()
    server.server_close()


async def test_a_redirect_is_not_followed() -> None:
    with receiving() as inner, receiving() as outer:
        outer.redirect_to = inner.url
        [outcome] = await sent(AddressGuard([LOOPBACK]), outer.url)

    assert (outcome.is_delivered, outcome.status, len(outer.requests)) == (False, 307, 1)
    assert inner.requests == []


async def test_a_name_that_moves_to_a_private_address_is_refused_from_then_on() -> None:
    resolve, asked = resolving("127.0.0.1", "10.0.0.1")
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", HOST)
        first, second = await sent(AddressGuard([LOOPBACK], resolve), url, url)

    assert (first.is_delivered, second.is_delivered) == (True, False)
    assert second.error == f"{HOST} is not on the public internet"
    assert (len(receiver.requests), asked) == (1, [HOST, HOST])


async def test_the_judged_address_is_spoken_to_under_its_name(hook: TlsServer, trust: ssl.SSLContext) -> None:
    resolve, asked = resolving("127.0.0.1", "10.0.0.1")
    port = hook.server_address[1]

    [outcome] = await sent(AddressGuard([LOOPBACK], resolve), f"https://{HOST}:{port}/", trust=trust)

    assert outcome.is_delivered, outcome.error
    assert (hook.names, Hook.hosts, asked) == ([HOST], [f"{HOST}:{port}"], [HOST])


async def test_another_names_certificate_is_not_enough(hook: TlsServer, trust: ssl.SSLContext) -> None:
    resolve, _ = resolving("127.0.0.1")

    [outcome] = await sent(
        AddressGuard([LOOPBACK], resolve), f"https://other.example:{hook.server_address[1]}/", trust=trust
    )

    assert not outcome.is_delivered
    assert Hook.hosts == []


async def test_a_kept_address_that_cannot_be_called_ends_as_an_outcome() -> None:
    outcomes = await sent(AddressGuard([LOOPBACK]), "https://exa\x7fmple/", "https://a..b/", f"https://{'a' * 70}/")

    assert [outcome.is_delivered for outcome in outcomes] == [False] * 3
