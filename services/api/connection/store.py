"""Connections made through the API in PostgreSQL, credentials sealed; and all connections as they may be shown."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from services.api.connection.schemas import ConnectionFigures, Origin


class StoredConnection(Struct, frozen=True, kw_only=True):
    """A connection of either origin. `sealed` is None for one of ingest's file."""

    id: str
    provider: str
    origin: Origin
    settings: dict[str, Any]
    credential_names: list[str]
    has_previous_secret: bool
    created_at: datetime
    sealed: bytes | None
    figures: ConnectionFigures


# A file's connection hides one of the same id made here: that is the one ingest uses.
_ALL = """
    WITH known AS (
        SELECT id, provider, 'file' AS origin, settings, credential_names, has_previous_secret, created_at,
            NULL::bytea AS sealed
        FROM file_connections
        UNION ALL
        SELECT id, provider, 'api', settings, credential_names, has_previous_secret, created_at, sealed
        FROM connections WHERE id NOT IN (SELECT id FROM file_connections)
    )
    SELECT k.*, f.n_received, f.last_received_at, f.last_rejected_at, f.last_rejection_reason,
        (SELECT jsonb_object_agg(reason, n) FROM connection_rejections r WHERE r.connection_id = k.id) AS rejections
    FROM known k LEFT JOIN connection_figures f ON f.connection_id = k.id
"""


async def list_all(connection: Any) -> list[StoredConnection]:
    """Return every connection, the newest first."""
    return [_stored(row) for row in await connection.fetch(_ALL + "ORDER BY k.created_at DESC, k.id LIMIT 1000")]


async def get(connection: Any, connection_id: str) -> StoredConnection | None:
    row = await connection.fetchrow(_ALL + "WHERE k.id = $1", connection_id)
    return None if row is None else _stored(row)


async def lock(connection: Any, connection_id: str) -> bool:
    """Keep others from changing a connection until the transaction ends; False when the API has none of this id."""
    row = await connection.fetchrow("SELECT id FROM connections WHERE id = $1 FOR UPDATE", connection_id)
    return row is not None


async def insert(
    connection: Any,
    *,
    connection_id: str,
    provider: str,
    settings: dict[str, Any],
    credential_names: list[str],
    sealed: bytes,
    created_by: str,
) -> bool:
    """Store a connection; False when there is one of this id already, in the file or here."""
    status = await connection.fetchval(
        """
        INSERT INTO connections (id, provider, settings, credential_names, sealed, created_by)
        SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM file_connections WHERE id = $1)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        connection_id,
        provider,
        msgspec.json.encode(settings),
        credential_names,
        sealed,
        created_by,
    )
    return status is not None


async def set_credentials(
    connection: Any, connection_id: str, *, names: list[str], has_previous: bool, sealed: bytes
) -> None:
    await connection.execute(
        "UPDATE connections SET credential_names = $2, has_previous_secret = $3, sealed = $4 WHERE id = $1",
        connection_id,
        names,
        has_previous,
        sealed,
    )


async def set_settings(connection: Any, connection_id: str, settings: dict[str, Any]) -> None:
    await connection.execute(
        "UPDATE connections SET settings = $2 WHERE id = $1", connection_id, msgspec.json.encode(settings)
    )


async def delete(connection: Any, connection_id: str) -> bool:
    """Remove a connection and its figures; False when the API has none of this id."""
    deleted = await connection.fetchval("DELETE FROM connections WHERE id = $1 RETURNING id", connection_id)
    if deleted is None:
        return False
    await connection.execute("DELETE FROM connection_figures WHERE connection_id = $1", connection_id)
    return True


def _stored(row: Any) -> StoredConnection:
    return StoredConnection(
        id=row["id"],
        provider=row["provider"],
        origin=row["origin"],
        settings=msgspec.json.decode(row["settings"], type=dict[str, Any]),
        credential_names=row["credential_names"],
        has_previous_secret=row["has_previous_secret"],
        created_at=row["created_at"],
        sealed=row["sealed"],
        figures=ConnectionFigures(
            n_received=row["n_received"] or 0,
            n_rejected_by_reason=msgspec.json.decode(row["rejections"] or b"{}", type=dict[str, int]),
            last_received_at=row["last_received_at"],
            last_rejected_at=row["last_rejected_at"],
            last_rejection_reason=row["last_rejection_reason"],
        ),
    )
