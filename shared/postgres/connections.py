"""Connections between the API, which writes them, and ingest, which reads them and writes what came of them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from shared.errors import Unavailable


class ConnectionRow(Struct, frozen=True, kw_only=True):
    """A connection made through the API; `sealed` holds its credentials (shared/connection/seal.py)."""

    id: str
    provider: str
    settings: dict[str, Any]
    sealed: bytes


class FileConnectionRow(Struct, frozen=True, kw_only=True):
    """What may be told of a connection that stands in ingest's file: never its credentials."""

    id: str
    provider: str
    settings: dict[str, Any]
    credential_names: list[str]
    has_previous_secret: bool


class FiguresRow(Struct, kw_only=True):
    """What came in through one connection since it was last written down; added to what is there."""

    connection_id: str
    n_received: int = 0
    n_rejected_by_reason: dict[str, int] = {}
    last_received_at: datetime | None = None
    last_rejected_at: datetime | None = None
    last_rejection_reason: str | None = None


@contextmanager
def _migrated() -> Iterator[None]:
    """Ingest may be ahead of the database's migration; what has no table yet is waited for."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise Unavailable("postgresql", f"the database is not migrated yet: {error}") from error


async def load_connections(connection: Any) -> list[ConnectionRow]:
    """Return every connection made through the API."""
    with _migrated():
        rows = await connection.fetch("SELECT id, provider, settings, sealed FROM connections")
    return [
        ConnectionRow(
            id=row["id"],
            provider=row["provider"],
            settings=msgspec.json.decode(row["settings"], type=dict[str, Any]),
            sealed=row["sealed"],
        )
        for row in rows
    ]


async def replace_file_connections(connection: Any, rows: Iterable[FileConnectionRow]) -> None:
    """Make the listed connections all there are from the file; call it inside a transaction."""
    kept = list(rows)
    with _migrated():
        await connection.execute("DELETE FROM file_connections WHERE id <> ALL ($1::text[])", [row.id for row in kept])
    await connection.executemany(
        """
        INSERT INTO file_connections (id, provider, settings, credential_names, has_previous_secret)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, settings = excluded.settings,
            credential_names = excluded.credential_names, has_previous_secret = excluded.has_previous_secret
        """,
        [
            (row.id, row.provider, msgspec.json.encode(row.settings), row.credential_names, row.has_previous_secret)
            for row in kept
        ],
    )


async def add_figures(connection: Any, rows: Sequence[FiguresRow]) -> None:
    """Add to the figures of connections that still exist; call it inside a transaction.

    Additions commute, so several ingest processes may write at once. Rows are taken in one order: no deadlock.
    """
    ordered = sorted(rows, key=lambda row: row.connection_id)
    await connection.executemany(
        """
        INSERT INTO connection_figures AS f
            (connection_id, n_received, last_received_at, last_rejected_at, last_rejection_reason)
        SELECT $1, $2, $3, $4, $5 WHERE EXISTS (
            SELECT FROM connections WHERE id = $1 UNION ALL SELECT FROM file_connections WHERE id = $1
        )
        ON CONFLICT (connection_id) DO UPDATE SET
            n_received = f.n_received + excluded.n_received,
            last_received_at = greatest(f.last_received_at, excluded.last_received_at),
            last_rejection_reason = CASE WHEN excluded.last_rejected_at >= coalesce(f.last_rejected_at, '-infinity')
                THEN excluded.last_rejection_reason ELSE f.last_rejection_reason END,
            last_rejected_at = greatest(f.last_rejected_at, excluded.last_rejected_at)
        """,
        [
            (r.connection_id, r.n_received, r.last_received_at, r.last_rejected_at, r.last_rejection_reason)
            for r in ordered
        ],
    )
    await connection.executemany(
        """
        INSERT INTO connection_rejections AS r (connection_id, reason, n)
        SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM connection_figures WHERE connection_id = $1)
        ON CONFLICT (connection_id, reason) DO UPDATE SET n = r.n + excluded.n
        """,
        [(row.connection_id, reason, n) for row in ordered for reason, n in sorted(row.n_rejected_by_reason.items())],
    )


async def last_received(connection: Any) -> dict[str, datetime]:
    """Return when each connection last took a delivery, by its id."""
    rows = await connection.fetch(
        "SELECT connection_id, last_received_at FROM connection_figures WHERE last_received_at IS NOT NULL"
    )
    return {row["connection_id"]: row["last_received_at"] for row in rows}
