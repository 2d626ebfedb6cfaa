"""Dead letters as the API keeps them; the projection inserts them, here they are read and closed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.api.dead_letter.schemas import DeadLetterCount, DeadLetterSummary, DeadLetterView

_SUMMARY = ", ".join(f'"{name}"' for name in DeadLetterSummary.__struct_fields__)


async def page(
    connection: Any,
    *,
    status: str | None,
    stage: str | None,
    reason: str | None,
    topic: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[DeadLetterSummary]:
    """Return letters newest first; `reason` finds any part of the reason."""
    rows = await connection.fetch(
        f"""
        SELECT {_SUMMARY} FROM dead_letters
        WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR stage = $2)
            AND ($3::text IS NULL OR position(lower($3) IN lower(reason)) > 0) AND ($4::text IS NULL OR topic = $4)
            AND ($5::timestamptz IS NULL OR (first_seen_at, id) < ($5, $6))
        ORDER BY first_seen_at DESC, id DESC LIMIT $7
        """,  # noqa: S608 - the columns are the row type's own
        status,
        stage,
        reason,
        topic,
        *(before or (None, None)),
        limit,
    )
    return [DeadLetterSummary(**dict(row)) for row in rows]


async def counts(connection: Any) -> list[DeadLetterCount]:
    """Return open letters by stage and reason."""
    rows = await connection.fetch(
        """
        SELECT stage, reason, count(*) AS n, min(first_seen_at) AS oldest_at, max(first_seen_at) AS newest_at
        FROM dead_letters WHERE status = 'open' GROUP BY stage, reason ORDER BY n DESC, stage, reason LIMIT 1000
        """
    )
    return [DeadLetterCount(**dict(row)) for row in rows]


async def get(connection: Any, letter_id: str) -> DeadLetterView | None:
    letters = await load(connection, [letter_id])
    return letters.get(letter_id)


async def load(connection: Any, letter_ids: Sequence[str], *, for_update: bool = False) -> dict[str, DeadLetterView]:
    """Return the letters that exist, locked until the transaction ends when they are to be changed."""
    lock = "FOR UPDATE" if for_update else ""
    rows = await connection.fetch(
        f"SELECT {_SUMMARY}, error, key, value, headers FROM dead_letters "  # noqa: S608 - text from this function
        f"WHERE id = ANY($1::text[]) ORDER BY id {lock}",
        sorted(set(letter_ids)),
    )
    return {row["id"]: _view(row) for row in rows}


async def close(
    connection: Any, letter_ids: Sequence[str], status: str, by: str, at: datetime, note: str | None
) -> None:
    """Mark letters as replayed or discarded."""
    await connection.execute(
        "UPDATE dead_letters SET status = $2, handled_by = $3, handled_at = $4, note = $5 WHERE id = ANY($1::text[])",
        list(letter_ids),
        status,
        by,
        at,
        note,
    )


def _view(row: Any) -> DeadLetterView:
    return DeadLetterView(
        **{name: row[name] for name in DeadLetterSummary.__struct_fields__},
        error=row["error"],
        key=row["key"],
        key_text=_text(row["key"]),
        value=row["value"],
        value_text=_text(row["value"]),
        headers=msgspec.json.decode(row["headers"], type=list[tuple[str, bytes]]),
    )


def _text(content: bytes | None) -> str | None:
    if content is None:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
