"""Connections of the API: opened with the key, kept through outages, hidden by the file's of the same id."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from services.ingest.connection.book import ConnectionBook
from shared.connection.document import Connection
from shared.connection.seal import SecretsKey
from shared.errors import Unavailable
from shared.postgres.connections import ConnectionRow

KEY = SecretsKey([b"k" * 32])


class StubClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def monotonic(self) -> float:
        self.seconds += 2.0
        return self.seconds


class Database:
    """Stands for the load function: rows while up, Unavailable while down."""

    def __init__(self, *rows: ConnectionRow) -> None:
        self.is_up = True
        self.rows = list(rows)

    async def load(self) -> Sequence[ConnectionRow]:
        if not self.is_up:
            raise Unavailable("postgresql")
        return self.rows


def row(connection_id: str, provider: str = "slack", **credentials: dict[str, str]) -> ConnectionRow:
    sealed = KEY.seal(msgspec.json.encode(credentials), connection_id, b"n" * 12)
    return ConnectionRow(id=connection_id, provider=provider, settings={}, sealed=sealed)


TEAM = row("team", current={"signing_secret": "new"}, previous={"signing_secret": "old"})


def book(
    database: Database, folder: Path, *, key: SecretsKey | None = KEY, from_file: Sequence[Connection] = ()
) -> ConnectionBook:
    in_file = {one.id: one for one in from_file}
    return ConnectionBook(in_file, key, database.load, folder / "connections.json", StubClock(), refresh_s=2)


async def test_new_connection_is_found_at_its_first_delivery_with_both_secrets(tmp_path: Path) -> None:
    found = await book(Database(TEAM), tmp_path).find("team")

    assert found is not None
    assert found.credentials == {"signing_secret": ["new", "old"]}


async def test_unknown_connection_is_none(tmp_path: Path) -> None:
    assert await book(Database(TEAM), tmp_path).find("other") is None


async def test_connection_survives_a_restart_during_the_outage_and_no_secret_lies_in_its_file(tmp_path: Path) -> None:
    database = Database(TEAM)
    await book(database, tmp_path).find("team")
    database.is_up = False

    restarted = book(database, tmp_path)
    restarted.restore()

    assert await restarted.find("team") is not None
    assert b"old" not in (tmp_path / "connections.json").read_bytes()


async def test_unknown_connection_is_unavailable_not_missing_during_the_outage(tmp_path: Path) -> None:
    database = Database()
    database.is_up = False

    with pytest.raises(Unavailable):
        await book(database, tmp_path).find("team")


@pytest.mark.parametrize("key", [None, SecretsKey([b"x" * 32])])
async def test_connection_that_no_key_opens_is_unavailable(tmp_path: Path, key: SecretsKey | None) -> None:
    with pytest.raises(Unavailable, match="connection"):
        await book(Database(TEAM), tmp_path, key=key).find("team")


async def test_connection_of_the_file_hides_one_of_the_same_id(tmp_path: Path) -> None:
    mine = Connection(id="team", provider="slack", credentials={"signing_secret": "of the file"})

    kept = book(Database(TEAM), tmp_path, from_file=[mine])
    kept.restore()

    assert await kept.find("team") == mine


async def test_removed_connection_is_gone(tmp_path: Path) -> None:
    database = Database(TEAM)
    kept = book(database, tmp_path)
    await kept.find("team")

    database.rows = []
    await kept.find("another")

    assert kept.is_gone("team")
    assert await kept.find("team") is None


def test_file_is_told_without_its_secrets(tmp_path: Path) -> None:
    rotating = Connection(id="a", provider="slack", credentials={"signing_secret": ["new", "old"]})
    mail = Connection(id="b", provider="smtp", credentials={"recipients": ["x@example.com", "y@example.com"]})

    told = book(Database(), tmp_path, from_file=[rotating, mail]).told()

    assert [(one.credential_names, one.has_previous_secret) for one in told] == [
        (["signing_secret"], True),
        (["recipients"], False),
    ]
