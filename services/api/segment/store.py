"""Segments in PostgreSQL, and what a filter is in SQL. Owns the table segments."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.api.segment.model import CustomerFilter
from services.api.segment.schemas import SegmentBody, SegmentView

_decoder = msgspec.json.Decoder(CustomerFilter)
_COLUMNS = "id, name, owner, filter, is_shared, created_at, updated_at"


def conditions(filters: Sequence[CustomerFilter], now: datetime) -> list[tuple[str, Any]]:
    """Return what all the filters ask of a row of customers: a condition with `{}` for its argument, and that."""
    asked: list[tuple[str, Any]] = []
    for one in filters:
        asked += [
            ("tier = ANY({}::text[])", one.tiers),
            ("risk_state = ANY({}::text[])", one.risk_states),
            ("p_churn >= {}::float8", one.min_p_churn),
            ("expected_loss >= {}::float8", one.min_expected_loss),
            ("n_purchases >= {}::int", one.min_purchases),
            ("last_seen_at < {}::timestamptz", _days_before(now, one.silent_for_days)),
            ("last_purchase_at < {}::timestamptz", _days_before(now, one.no_purchase_for_days)),
        ]
    return [(condition, value) for condition, value in asked if value is not None]


def _days_before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


async def visible(connection: Any, owner: str) -> list[SegmentView]:
    """Return the owner's and the shared segments, by name."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM segments WHERE owner = $1 OR is_shared ORDER BY name, id",  # noqa: S608 - own columns
        owner,
    )
    return [_view(row) for row in rows]


async def get(connection: Any, segment_id: str) -> SegmentView | None:
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM segments WHERE id = $1", segment_id)  # noqa: S608
    return None if row is None else _view(row)


async def lock_owner(connection: Any, owner: str) -> None:
    """Keep other writers of the owner's segments out until the transaction ends, so that checks stay true."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('segments/' || $1, 0))", owner)


async def names_of(connection: Any, owner: str) -> dict[str, str]:
    """Return the names of the owner's segments and their ids."""
    rows = await connection.fetch("SELECT name, id FROM segments WHERE owner = $1", owner)
    return {row["name"]: row["id"] for row in rows}


async def insert(connection: Any, segment_id: str, body: SegmentBody, owner: str, now: datetime) -> SegmentView:
    row = await connection.fetchrow(
        f"""
        INSERT INTO segments ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING {_COLUMNS}
        """,  # noqa: S608 - own columns
        segment_id,
        body.name,
        owner,
        msgspec.json.encode(body.filter),
        body.is_shared,
        now,
    )
    return _view(row)


async def replace(connection: Any, segment_id: str, body: SegmentBody, now: datetime) -> SegmentView | None:
    """Return the segment as it is now, None when it is gone."""
    row = await connection.fetchrow(
        f"""
        UPDATE segments SET name = $2, filter = $3, is_shared = $4, updated_at = $5 WHERE id = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 - own columns
        segment_id,
        body.name,
        msgspec.json.encode(body.filter),
        body.is_shared,
        now,
    )
    return None if row is None else _view(row)


async def delete(connection: Any, segment_id: str) -> None:
    await connection.execute("DELETE FROM segments WHERE id = $1", segment_id)


def _view(row: Any) -> SegmentView:
    return SegmentView(**{**dict(row), "filter": _decoder.decode(row["filter"])})
