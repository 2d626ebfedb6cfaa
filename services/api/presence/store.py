"""Who has which alert open, in PostgreSQL, so that every API process tells the same."""

from datetime import datetime
from typing import Any

from services.api.presence.schemas import Present


async def arrive(
    connection: Any, alert_id: str, key_id: str, name: str, *, now: datetime, oldest: datetime
) -> list[Present]:
    """Note that a key's holder has the alert open and return the others who have; forget all not seen since `oldest`.

    One row a key: a person with two windows is one person.
    """
    rows = await connection.fetch(
        """
        WITH gone AS (
            -- Two who tidy at once each take what the other has not.
            DELETE FROM alert_presence WHERE (alert_id, key_id) IN (
                SELECT alert_id, key_id FROM alert_presence
                WHERE seen_at < $5 AND (alert_id, key_id) <> ($1, $2) LIMIT 100 FOR UPDATE SKIP LOCKED
            )
        ), me AS (
            INSERT INTO alert_presence AS p (alert_id, key_id, name, since, seen_at) VALUES ($1, $2, $3, $4, $4)
            ON CONFLICT (alert_id, key_id) DO UPDATE SET
                name = excluded.name, since = CASE WHEN p.seen_at < $5 THEN excluded.since ELSE p.since END,
                seen_at = greatest(p.seen_at, excluded.seen_at)
        )
        SELECT name, since FROM alert_presence
        WHERE alert_id = $1 AND key_id <> $2 AND seen_at >= $5 ORDER BY since, name
        """,
        alert_id,
        key_id,
        name,
        now,
        oldest,
    )
    return [Present(**dict(row)) for row in rows]


async def leave(connection: Any, alert_id: str, key_id: str) -> None:
    await connection.execute("DELETE FROM alert_presence WHERE alert_id = $1 AND key_id = $2", alert_id, key_id)
