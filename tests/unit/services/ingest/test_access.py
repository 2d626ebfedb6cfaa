"""Keys survive an outage of PostgreSQL; rates hold."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.access.keys import KeyRing
from shared.errors import Unavailable
from shared.postgres.api_keys import ApiKeyRow, hash_key
from shared.rate import RateLimit

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class StubClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class Database:
    """Stands for the load function: rows while up, Unavailable while down."""

    def __init__(self, *keys: str, expires_at: datetime | None = None) -> None:
        self.is_up = True
        self.rows = [
            ApiKeyRow(
                id=key, prefix=key, key_hash=hash_key(key), name=key, role="integrator", scopes=None,
                expires_at=expires_at,
            )
            for key in keys
        ]  # fmt: skip

    async def load(self) -> Sequence[ApiKeyRow]:
        if not self.is_up:
            raise Unavailable("postgresql")
        return self.rows


def ring(database: Database, folder: Path, clock: StubClock | None = None) -> KeyRing:
    return KeyRing(database.load, folder / "keys.json", clock or StubClock(), refresh_s=10)


async def test_known_key_is_admitted_while_postgresql_is_down(tmp_path: Path) -> None:
    database = Database("k")
    keys = ring(database, tmp_path)
    await keys.refresh()

    database.is_up = False

    assert await keys.admit("k", NOW)


async def test_known_key_survives_a_restart_during_the_outage(tmp_path: Path) -> None:
    database = Database("k")
    await ring(database, tmp_path).refresh()
    database.is_up = False

    restarted = ring(database, tmp_path)
    restarted.restore()

    assert await restarted.admit("k", NOW)
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


async def test_unknown_key_is_unavailable_not_refused_during_the_outage(tmp_path: Path) -> None:
    database = Database()
    database.is_up = False

    with pytest.raises(Unavailable):
        await ring(database, tmp_path).admit("k", NOW)


async def test_new_key_is_found_at_its_first_use(tmp_path: Path) -> None:
    database, clock = Database(), StubClock()
    keys = ring(database, tmp_path, clock)
    await keys.refresh()
    database.rows = Database("new").rows

    clock.seconds += 0.9

    assert await keys.admit("new", NOW)


async def test_expired_key_is_refused(tmp_path: Path) -> None:
    database = Database("k", expires_at=NOW - timedelta(seconds=1))

    assert await ring(database, tmp_path).admit("k", NOW) is None


async def test_damaged_snapshot_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    keys = ring(Database(), tmp_path)

    keys.restore()

    assert len(keys) == 0


def test_burst_is_allowed_and_then_the_rate_applies() -> None:
    rate = RateLimit(per_s=10, burst=5)

    waits = [rate.take("k", 0.0) for _ in range(6)]

    assert waits[:5] == [0.0] * 5
    assert waits[5] == pytest.approx(0.1)


def test_other_keys_are_not_affected() -> None:
    rate = RateLimit(per_s=1, burst=1)
    rate.take("busy", 0.0)

    assert rate.take("idle", 0.0) == 0.0
