"""Reads that key figures are made of. Owns no table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.api.alert.model import CLOCK, ENGINE
from services.api.kpi.model import Cell
from shared.postgres.pool import transaction
from shared.problem import ProblemError

_LONGEST_S = 20


@asynccontextmanager
async def counting(pool: Any, gate: asyncio.Semaphore) -> AsyncIterator[Any]:
    """Yield a connection for reads that look at much: as many at once as the gate lets in, and none for long.

    Raises `ProblemError` 503 when a statement takes longer.
    """
    async with gate:
        try:
            async with transaction(pool) as connection:
                await connection.execute(f"SET LOCAL statement_timeout = '{_LONGEST_S}s'")
                yield connection
        except asyncpg.QueryCanceledError as error:
            raise ProblemError(503, f"counting took longer than {_LONGEST_S} s: ask for a shorter time") from error


async def outcome_cells(
    connection: Any, since: datetime, until: datetime, horizon: timedelta, now: datetime
) -> list[Cell]:
    """Return who bought within the horizon after the first live alert of each customer from `since` to `until`.

    Tier and cause are those the alert was raised with: what it says later depends on what was done.
    """
    rows = await connection.fetch(
        """
        WITH firsts AS MATERIALIZED (
            SELECT DISTINCT ON (customer_id) alert_id, customer_id, raised_at, is_held_out,
                   state ->> 'acknowledged_at' IS NOT NULL OR state ->> 'contacted_at' IS NOT NULL
                       OR state ->> 'resolved_by' <> ALL($5::text[]) AS is_worked
            FROM alerts WHERE NOT is_historical AND raised_at >= $1 AND raised_at < $2
            ORDER BY customer_id, raised_at, alert_id
        ), raised AS (
            SELECT f.*, e.event -> 'body' ->> 'cause' AS cause,
                   CASE WHEN e.event -> 'body' -> 'risk' IS NULL THEN 'unknown'
                        ELSE coalesce(e.event -> 'body' -> 'risk' ->> 'tier', 'new') END AS tier,
                   EXISTS (
                       SELECT 1 FROM orders o
                       WHERE o.customer_id = f.customer_id AND o.kind = 'placed'
                           AND o.occurred_at > f.raised_at AND o.occurred_at <= f.raised_at + $3::interval
                   ) AS has_bought
            FROM firsts f JOIN alert_events e ON e.alert_id = f.alert_id AND e.version = 1
        )
        SELECT date_trunc('month', raised_at, 'UTC') AS month, tier, cause, is_held_out,
               raised_at + $3::interval <= $4 AS is_over, count(*) AS n,
               count(*) FILTER (WHERE has_bought) AS n_bought, count(*) FILTER (WHERE is_worked) AS n_worked
        FROM raised GROUP BY 1, 2, 3, 4, 5
        """,
        since,
        until,
        horizon,
        now,
        [ENGINE, CLOCK],
    )
    return [Cell(**{**dict(row), "month": row["month"].date()}) for row in rows]


async def n_alerts(connection: Any, since: datetime, until: datetime) -> int:
    """Return how many live alerts were raised."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM alerts WHERE NOT is_historical AND raised_at >= $1 AND raised_at < $2", since, until
        )
    )
