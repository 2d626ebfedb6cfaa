"""Reads that key figures are made of. Owns no table."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from services.api.alert.model import CLOCK, ENGINE
from services.api.kpi.model import Bought, Cell, Purchases, Wait
from shared.postgres.pool import transaction
from shared.problem import ProblemError

_LONGEST_S = 20
# With PostgreSQL's usual 4 MB a million customers are grouped on disk.
WORK_MEMORY = "64MB"


@asynccontextmanager
async def counting(pool: Any, gate: asyncio.Semaphore) -> AsyncIterator[Any]:
    """Yield a connection for reads that look at much: as many at once as the gate lets in, and none for long.

    Raises `ProblemError` 503 when a statement takes longer.
    """
    async with gate, transaction(pool) as connection:
        await connection.execute(f"SET LOCAL statement_timeout = '{_LONGEST_S}s'")
        try:
            yield connection
        except asyncpg.QueryCanceledError as error:
            raise ProblemError(503, f"counting took longer than {_LONGEST_S} s: ask for a shorter time") from error


async def outcome_cells(
    connection: Any, since: datetime, until: datetime, horizon: timedelta, now: datetime, time_zone: str
) -> list[Cell]:
    """Return who bought within the horizon after the first live alert of each customer from `since` to `until`.

    Months are local. Tier and cause are those the alert was raised with: what it says later depends on what was done.
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
        SELECT date_trunc('month', raised_at AT TIME ZONE $6)::date AS month, tier, cause, is_held_out,
               raised_at + $3::interval <= $4 AS is_over, count(*) AS n,
               count(*) FILTER (WHERE has_bought) AS n_bought, count(*) FILTER (WHERE is_worked) AS n_worked
        FROM raised GROUP BY 1, 2, 3, 4, 5
        """,
        since,
        until,
        horizon,
        now,
        [ENGINE, CLOCK],
        time_zone,
    )
    return [Cell(**dict(row)) for row in rows]


async def n_alerts(connection: Any, since: datetime, until: datetime) -> int:
    """Return how many live alerts were raised."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM alerts WHERE NOT is_historical AND raised_at >= $1 AND raised_at < $2", since, until
        )
    )


async def buying_habits(
    connection: Any,
    starts: Sequence[datetime],
    as_of: datetime,
    today: date,
    time_zone: str,
    horizon_days: int,
    first_shown: int,
) -> Purchases:
    """Return who bought in which of the periods that begin at `starts`, and how long new customers waited to buy again.

    New are those who first bought in period `first_shown` or later. Days are local; the present one is not over, so
    waits end with the day before. Looks at every order; services/api/kpi/buyers.py knows the present without.
    """
    await connection.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
    rows = await connection.fetch(
        """
        WITH buyers AS MATERIALIZED (
            SELECT min(occurred_at) AS first_at, array_agg(occurred_at) AS times,
                   bit_or(1::bigint << width_bucket(occurred_at, $1::timestamptz[])) AS active
            FROM orders WHERE kind = 'placed' AND occurred_at <= $2 GROUP BY customer_id
        ), people AS MATERIALIZED (
            SELECT active, width_bucket(first_at, $1::timestamptz[]) AS first,
                   (first_at AT TIME ZONE $4)::date AS first_day,
                   CASE WHEN cardinality(times) > 1 AND first_at >= ($1::timestamptz[])[$6::int] THEN (
                       SELECT min(at) FROM unnest(times) AS at
                       WHERE at >= ((first_at AT TIME ZONE $4)::date + 1)::timestamp AT TIME ZONE $4
                           AND at < $3::date::timestamp AT TIME ZONE $4
                   ) END AS second_at
            FROM buyers
        ), habits AS MATERIALIZED (
            SELECT first, active, min(first_day) AS first_day, count(*) AS n FROM people GROUP BY first, active
        )
        SELECT 'bought' AS what, first, number, active >> (number - 1) & 1 = 1 AS was_before, sum(n)::bigint AS n,
               NULL::int AS days, NULL::boolean AS has_bought, NULL::boolean AS is_over, NULL::date AS since
        FROM habits CROSS JOIN generate_series(1, cardinality($1::timestamptz[])) AS number
        WHERE active >> number & 1 = 1 GROUP BY 2, 3, 4
        UNION ALL
        SELECT 'wait', NULL, NULL, NULL, count(*),
               coalesce((second_at AT TIME ZONE $4)::date, $3::date - 1) - first_day AS days,
               second_at IS NOT NULL AS has_bought, $3::date - 1 - first_day >= $5 AS is_over, NULL
        FROM people WHERE first >= $6::int AND first_day < $3::date GROUP BY 6, 7, 8
        UNION ALL
        SELECT 'since', NULL, NULL, NULL, NULL, NULL, NULL, NULL, min(first_day) FROM habits
        """,
        starts,
        as_of,
        today,
        time_zone,
        horizon_days,
        first_shown,
    )
    return purchases_of(rows)


def purchases_of(rows: Sequence[Any]) -> Purchases:
    """Return what rows say that tell by `what` they are: who bought, who waited, or since when."""
    return Purchases(
        [Bought(r["first"], r["number"], r["was_before"], r["n"]) for r in rows if r["what"] == "bought"],
        [Wait(r["days"], r["has_bought"], r["is_over"], r["n"]) for r in rows if r["what"] == "wait"],
        next(r["since"] for r in rows if r["what"] == "since"),
    )
