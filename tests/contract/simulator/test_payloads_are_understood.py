"""What the simulator writes by the providers' rules, ingest verifies and reads; neither knows the other's code."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from services.cli.simulate_connect import write_file
from services.ingest.channel import CHANNELS, ChannelRequest, SignatureError
from services.ingest.event.decide import decide
from services.simulator.connections import connection_id, read_accounts
from services.simulator.life.person import handles_of
from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.provider.model import Signed
from services.simulator.script import Step
from shared.connection.document import load_connections
from shared.contracts.codec import encode
from shared.contracts.event import EventBase
from tests.factories.simulated import steps, world

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
URL = "http://127.0.0.1:8001/v1/channels/"


@cache
def secrets(provider: str) -> tuple[dict[str, str], dict[str, str]]:
    return PROVIDERS[provider].make_secrets(lambda n: bytes(range(n)))


def signed(step: Step, key: dict[str, str], now: datetime = NOW) -> Signed:
    assert step.delivery is not None
    return PROVIDERS[step.delivery.provider].sign(step.delivery, key, URL + connection_id(step.delivery.provider), now)


def read(step: Step, sent: Signed) -> list[EventBase]:
    """Return the events of a delivery as the channel door would take them. Raises SignatureError."""
    assert step.delivery is not None
    name = step.delivery.provider
    url = URL + connection_id(name) + (f"?{sent.query}" if sent.query else "")
    request = ChannelRequest("POST", url, sent.headers, body=sent.body, received_at=NOW)
    settings = {**PROVIDERS[name].settings, **secrets(name)[1]}
    CHANNELS[name].verify(request, settings)
    return CHANNELS[name].parse(request, settings)


def of_provider(name: str) -> list[Step]:
    return [step for step in steps() if step.delivery is not None and step.delivery.provider == name][:60]


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_delivery_is_genuine_and_about_the_right_person(name: str) -> None:
    told = [(step, event) for step in of_provider(name) for event in read(step, signed(step, secrets(name)[0]))]

    assert told
    for step, event in told:
        person = world().lives[step.person].person
        assert event.customer.id == person.id or set(event.customer.handles) <= set(handles_of(person))
        assert event.customer.id or event.customer.handles


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.carries_time])
def test_history_keeps_its_own_time(name: str) -> None:
    for step in of_provider(name):
        for event in read(step, signed(step, secrets(name)[0])):
            assert abs(event.occurred_at.timestamp() - step.at_ms / 1000) < 1.0


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_one_provider_tells_once_has_one_id(name: str) -> None:
    events = [event for step in of_provider(name) for event in read(step, signed(step, secrets(name)[0]))]

    assert len({(event.source, event.id) for event in events}) == len(events)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_forged_delivery_is_refused(name: str) -> None:
    step = of_provider(name)[0]
    foreign, _ = PROVIDERS[name].make_secrets(lambda n: b"\x17" * n)

    with pytest.raises(SignatureError):
        read(step, signed(step, foreign))


@pytest.mark.parametrize("name", ["slack", "chatwoot", "zendesk", "wechat", "mailgun", "sendgrid"])
def test_a_stale_signature_is_refused_however_true_the_message(name: str) -> None:
    step = of_provider(name)[0]

    with pytest.raises(SignatureError):
        read(step, signed(step, secrets(name)[0], NOW - timedelta(days=2)))


@pytest.mark.parametrize("name", PROVIDERS)
def test_signing_twice_at_one_instant_gives_the_same_bytes(name: str) -> None:
    step = of_provider(name)[0]

    assert signed(step, secrets(name)[0]) == signed(step, secrets(name)[0])


def test_every_own_event_is_valid() -> None:
    raw = [encode(step.event) for step in steps() if step.event is not None]

    verdict = decide(raw, NOW, {})

    assert verdict.rejected == []
    assert len(verdict.accepted) == len(raw)


def test_the_connections_file_is_one_that_ingest_reads(tmp_path: Path) -> None:
    write_file(tmp_path / "connections.yaml", tmp_path)

    connections = load_connections(tmp_path / "connections.yaml", frozenset(CHANNELS))

    assert {connection.provider for connection in connections.values()} == set(PROVIDERS)
    assert {account.connection_id for account in read_accounts(tmp_path).values()} == set(connections)
    assert [path.stat().st_mode & 0o077 for path in tmp_path.iterdir()] == [0, 0]
