"""Connections come from a file with clear errors; deliveries are kept apart, keyed, and not replayed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from services.ingest.channel import ChannelRequest
from services.ingest.channel.draft import draft
from services.ingest.connection.decide import decide
from services.ingest.connection.replays import ReplayGuard
from shared.connection.document import ConnectionsError, load_connections
from shared.contracts.event import Call, Customer, Interaction, OrderPlaced, OrderReturned

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PROVIDERS = frozenset({"slack", "twilio"})


def message(number: int, customer: Customer, at: datetime = NOW) -> Interaction:
    return Interaction(id=f"m-{number}", source="slack", occurred_at=at, customer=customer, text="hi")


def written(folder: Path, text: str) -> Path:
    path = folder / "connections.yaml"
    path.write_text(text)
    return path


def test_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    path = written(tmp_path, "- {id: team, provider: slack, credentials: {signing_secret: {file: secret}}}")

    assert load_connections(path, PROVIDERS)["team"].credentials == {"signing_secret": "s3cret"}


def test_list_holds_secrets_in_rotation(tmp_path: Path) -> None:
    path = written(tmp_path, "- {id: team, provider: slack, credentials: {signing_secret: [new, old]}}")

    assert load_connections(path, PROVIDERS)["team"].credentials == {"signing_secret": ["new", "old"]}


@pytest.mark.parametrize(
    "text",
    [
        "- {id: a, provider: fax}",
        "- {id: a, provider: slack}\n- {id: a, provider: slack}",
        "- {id: 'Not An Id', provider: slack}",
        "- {id: a, provider: slack, credentials: {signing_secret: {file: missing}}}",
        "- {id: a, provider: slack, color: red}",
        "17",
        "[",
    ],
)
def test_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConnectionsError):
        load_connections(written(tmp_path, text), PROVIDERS)


def test_a_providers_order_of_less_than_nothing_is_a_return() -> None:
    order = OrderPlaced(
        id="o" * 128, source="shop", occurred_at=NOW, customer=Customer(id="c"), order_id="1", amount="-12.50"
    )
    back = OrderReturned(id="r", source="shop", occurred_at=NOW, customer=Customer(id="c"), order_id="1", amount="-3")

    delivery = decide([order, back, structs.replace(order, amount="0.00")], "a", NOW, {})

    assert [(type(one.event).__name__, one.event.amount) for one in delivery.accepted] == [  # type: ignore[attr-defined]
        ("OrderReturned", "12.50"),
        ("OrderReturned", "3"),
        ("OrderPlaced", "0.00"),
    ]
    assert len({one.event.id for one in delivery.accepted}) == 3
    assert max(len(one.event.id) for one in delivery.accepted) == 128


def test_event_that_no_record_holds_leaves_its_neighbours() -> None:
    huge = structs.replace(message(1, Customer("c")), text="字" * 200_000, call=Call(transcript="字" * 200_000))

    delivery = decide([huge, message(2, Customer("c"))], "team", NOW, {})

    assert [one.event.id for one in delivery.accepted] == ["m-2"]
    assert dict(delivery.left_out) == {"too_large": 1}


def test_the_longest_text_of_a_provider_fits_a_record() -> None:
    request = ChannelRequest(received_at=NOW)
    said = [
        draft(
            request, platform="email", event_id=str(n), handles=["x:1"], text=character * 300_000, subject="😀" * 2_000
        )
        for n, character in enumerate("\x01😀")
    ]

    assert dict(decide(said, "mail", NOW, {}).left_out) == {}


def test_event_that_names_nobody_leaves_its_neighbours() -> None:
    known = message(1, Customer(handles=["slack:U1"]))

    delivery = decide([known, message(2, Customer())], "team", NOW, {})

    assert [one.event.id for one in delivery.accepted] == ["m-1"]
    assert delivery.left_out == {"nobody": 1}


def test_same_message_id_on_two_connections_stays_two_events() -> None:
    event = message(1, Customer(handles=["slack:U1"]))

    sources = {decide([event], team, NOW, {}).accepted[0].event.source for team in ("east", "west")}

    assert len(sources) == 2


def test_claimed_future_is_dated_now() -> None:
    event = message(1, Customer(handles=["mailto:a@example.com"]), NOW + timedelta(days=3))

    assert decide([event], "mail", NOW, {}).accepted[0].event.occurred_at == NOW


def test_signature_vouches_for_one_body_only() -> None:
    guard = ReplayGuard(keep_s=60)
    guard.remember("mail", "token", b"first", now_s=0)

    assert guard.allows("mail", "token", b"first", now_s=1)
    assert not guard.allows("mail", "token", b"second", now_s=1)
    assert guard.allows("mail", "token", b"second", now_s=61)
