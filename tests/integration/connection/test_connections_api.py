"""Connections made through the API work at ingest's door at once; their secrets go in and never come out."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.integration.connection.conftest import Pair
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

FIRST, SECOND = {"signing_secret": "first-secret"}, {"signing_secret": "second-secret"}
GUESS = {"signing_secret": "guess"}
SEEN = "pulseline_ingest_connection_last_seen_timestamp_seconds"


def slack(connection_id: str, **changes: Any) -> dict[str, Any]:
    return {"id": connection_id, "provider": "slack", "credentials": FIRST, **changes}


def stored_text(database_url: str) -> str:
    """Return everything of the tables that could hold a secret, as text."""

    async def dump() -> str:
        connection = await asyncpg.connect(database_url)
        try:
            tables = ["connections", "file_connections", "audit_log", "connection_rejections"]
            return "".join([str(await connection.fetch(f"TABLE {table}")) for table in tables])
        finally:
            await connection.close()

    return asyncio.run(dump())


def test_connection_takes_deliveries_at_once_and_shows_no_secret(pair: Pair, shop: str) -> None:
    made = pair.call("POST", "/v1/connections", slack(shop))

    assert made.status_code == 201
    assert made.json()["url"] == f"{pair.ingest.url}/v1/channels/{shop}"
    assert pair.deliver(shop, "slack", FIRST) == 200
    assert pair.deliver(shop, "slack", GUESS) == 401
    assert "first-secret" not in made.text + pair.call("GET", "/v1/connections").text + stored_text(pair.database_url)


def test_rotation_accepts_both_secrets_until_the_old_one_is_dropped(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))

    rotated = pair.call("PATCH", f"/v1/connections/{shop}", {"credentials": SECOND})

    assert rotated.json()["has_previous_secret"] is True
    eventually(lambda: pair.deliver(shop, "slack", SECOND) == 200, 30)
    assert pair.deliver(shop, "slack", FIRST) == 200
    dropped = pair.call("PATCH", f"/v1/connections/{shop}", {"drop_previous": True})
    assert dropped.json()["has_previous_secret"] is False
    eventually(lambda: pair.deliver(shop, "slack", FIRST) == 401, 30)
    assert pair.deliver(shop, "slack", SECOND) == 200


def test_removed_connection_is_refused_within_seconds(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))
    assert pair.deliver(shop, "slack", FIRST) == 200

    assert pair.call("DELETE", f"/v1/connections/{shop}").status_code == 204

    eventually(lambda: pair.deliver(shop, "slack", FIRST) == 404, 30)
    assert pair.call("DELETE", f"/v1/connections/{shop}").status_code == 404


def test_figures_of_two_processes_add_up_and_survive_restarts(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))
    assert [pair.deliver(shop, "slack", FIRST) for _ in range(2)] == [200, 200]
    assert pair.deliver(shop, "slack", GUESS) == 401
    pair.restart_ingest()

    assert pair.deliver(shop, "slack", FIRST) == 200

    eventually(lambda: pair.connection(shop)["figures"]["n_received"] == 3, 30)
    figures = pair.connection(shop)["figures"]
    assert figures["n_rejected_by_reason"] == {"the signature does not match": 1}
    assert figures["last_rejection_reason"] == "the signature does not match"
    assert figures["last_received_at"] > figures["last_rejected_at"]


def test_silence_after_a_restart_shows_in_the_metrics(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))
    pair.deliver(shop, "slack", FIRST)

    pair.restart_ingest()

    eventually(lambda: pair.metric(SEEN, {"connection": shop}) is not None, 30)
    pair.call("DELETE", f"/v1/connections/{shop}")
    eventually(lambda: pair.metric(SEEN, {"connection": shop}) is None, 30)


def test_connection_of_the_file_is_listed_and_cannot_be_changed_here(pair: Pair) -> None:
    eventually(lambda: "of-the-file" in pair.call("GET", "/v1/connections").text, 30)

    listed = pair.connection("of-the-file")

    assert (listed["origin"], listed["has_previous_secret"]) == ("file", True)
    assert "in-the-file" not in pair.call("GET", "/v1/connections").text
    assert pair.call("DELETE", "/v1/connections/of-the-file").status_code == 409
    assert pair.call("PATCH", "/v1/connections/of-the-file", {"drop_previous": True}).status_code == 409
    assert pair.call("POST", "/v1/connections", slack("of-the-file")).status_code == 409


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"provider": "fax"}, "/provider"),
        ({"credentials": {}}, "/credentials/signing_secret"),
        ({"credentials": {"signing_secret": "s", "color": "red"}}, "/credentials/color"),
        ({"settings": {"color": "red"}}, "/settings/color"),
        ({"id": "Not An Id"}, "/id"),
    ],
)
def test_wrong_connection_is_refused_at_its_pointer(
    pair: Pair, shop: str, changes: dict[str, Any], pointer: str
) -> None:
    answer = pair.call("POST", "/v1/connections", slack(shop) | changes)

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)


def test_a_mailbox_is_moved_only_by_who_knows_its_password(pair: Pair, shop: str) -> None:
    settings = {"imap_host": "127.0.0.1", "imap_port": 1, "imap_username": "desk"}
    moved = {"settings": settings | {"imap_port": 2}}
    credentials = {"imap_password": "of-the-mailbox"}
    pair.call("POST", "/v1/connections", slack(shop, provider="smtp", credentials=credentials, settings=settings))

    without = pair.call("PATCH", f"/v1/connections/{shop}", moved)
    along = pair.call("PATCH", f"/v1/connections/{shop}", moved | {"credentials": {"imap_password": "its own"}})

    assert (without.status_code, without.json()["pointer"]) == (422, "/settings/imap_port")
    assert along.json()["settings"]["imap_port"] == 2


def test_second_connection_of_an_id_conflicts(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))

    assert pair.call("POST", "/v1/connections", slack(shop)).status_code == 409


def test_every_write_is_in_the_audit_log_without_secrets(pair: Pair, shop: str) -> None:
    pair.call("POST", "/v1/connections", slack(shop))
    pair.call("PATCH", f"/v1/connections/{shop}", {"credentials": SECOND})
    pair.call("POST", f"/v1/connections/{shop}/test")
    pair.call("DELETE", f"/v1/connections/{shop}")

    entries = pair.call("GET", f"/v1/audit?target_type=connection&target_id={shop}").json()["items"]

    assert [entry["action"].removeprefix("connection.") for entry in entries] == ["delete", "test", "change", "create"]
    assert "second-secret" not in str(entries)


def test_integrator_keeps_connections_and_supervisor_only_reads(pair: Pair, shop: str) -> None:
    integrator, supervisor, agent = (pair.key_for(role) for role in ("integrator", "supervisor", "agent"))

    assert pair.call("POST", "/v1/connections", slack(shop), key=integrator).status_code == 201
    assert pair.call("GET", "/v1/connections", key=supervisor).status_code == 200
    assert pair.call("DELETE", f"/v1/connections/{shop}", key=supervisor).status_code == 403
    assert pair.call("GET", "/v1/connections", key=agent).status_code == 403


def test_without_a_secrets_key_nothing_is_stored(pair: Pair, shop: str) -> None:
    pair.restart_api(PULSELINE_SECRETS_KEY_FILE="")

    answer = pair.call("POST", "/v1/connections", slack(shop))

    assert answer.status_code == 409
    assert "PULSELINE_SECRETS_KEY_FILE" in answer.json()["detail"]
    assert shop not in stored_text(pair.database_url)
