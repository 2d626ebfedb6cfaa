"""Agents' corrections of sentiment: kept beside the event, exported for training."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from services.api.interaction.schemas import LabelBody, LabelledText, LabelView

_LABEL = "source, event_id, customer_id, label, aspects, is_complaint, labelled_by, labelled_at"


async def customer_of(connection: Any, key: UUID) -> str | None:
    """Return whose event this is, or None when there is no such event."""
    customer_id = await connection.fetchval("SELECT customer_id FROM interactions WHERE event_key = $1 LIMIT 1", key)
    return None if customer_id is None else str(customer_id)


async def put_label(
    connection: Any, key: UUID, customer_id: str, source: str, event_id: str, body: LabelBody, by: str, at: datetime
) -> LabelView:
    """Store a correction; a later one of the same text takes its place."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO sentiment_labels (event_key, {_LABEL}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (event_key) DO UPDATE SET
            label = excluded.label, aspects = excluded.aspects, is_complaint = excluded.is_complaint,
            labelled_by = excluded.labelled_by, labelled_at = excluded.labelled_at
        RETURNING {_LABEL}
        """,  # noqa: S608 - columns of this module
        key,
        source,
        event_id,
        customer_id,
        body.label,
        list(dict.fromkeys(body.aspects)),
        body.is_complaint,
        by,
        at,
    )
    return LabelView(**dict(row))


async def labelled_texts(connection: Any) -> AsyncIterator[LabelledText]:
    """Yield every corrected text, oldest correction first; the caller holds a transaction."""
    columns = ", ".join(f"l.{name.strip()}" for name in _LABEL.split(","))
    cursor = connection.cursor(
        f"""
        SELECT {columns}, coalesce(i.body, i.subject, '') AS text, i.language, i.sentiment_label AS model_label
        FROM sentiment_labels l JOIN interactions i USING (event_key) ORDER BY l.labelled_at, l.event_key
        """  # noqa: S608 - columns of this module
    )
    async for row in cursor:
        yield LabelledText(**dict(row))
