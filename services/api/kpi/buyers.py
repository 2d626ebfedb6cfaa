"""Who bought in which months, summed up: counting kept customers reads some thousand rows instead of every order.

Owns the tables buyers, buyer_periods, buyer_waits and buyer_summary. A trigger notes in buyers_changed whose orders
changed; what is summed up of them is then taken away and counted anew from the orders, so that replays, links and
erasures need no rule of their own. One at a time does that, by a lock.

Months are numbered year * 12 + month - 1, quarters and years by the quotient. Days are of the time zone in
buyer_summary; in another one, or as of an earlier day, the orders themselves are counted (services/api/kpi/store.py).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from services.api.kpi.model import Purchases
from services.api.kpi.store import purchases_of
from shared.postgres.advisory import AdvisoryLock

# A fifth to half a second of work on a loaded machine: what an erasure may have to wait for.
BATCH = 2_000
# What an answer waits for at most; beyond that an import is under way, and the orders are counted.
_MOST_BATCHES = 6
_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


async def claim(connection: Any, time_zone: str) -> None:
    """Begin anew where the summary is of another time zone, or of none yet."""
    await _lock(connection)
    if await _time_zone(connection) == time_zone:
        return
    await connection.execute("TRUNCATE buyers, buyer_periods, buyer_waits, buyer_summary")
    await connection.execute("INSERT INTO buyer_summary (time_zone) VALUES ($1)", time_zone)


async def advance(connection: Any, now: datetime, limit: int = BATCH) -> bool:
    """Take up some of what changed, or sum up some customers more; true when there is more to do."""
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", AdvisoryLock.BUYERS):
        return False
    summary = await connection.fetchrow("SELECT time_zone, built_to, is_built FROM buyer_summary")
    if summary is None:
        return False
    if await _take_up(connection, summary["time_zone"], now, limit):
        return True
    if summary["is_built"]:
        return False
    rows = await connection.fetch(
        "SELECT DISTINCT customer_id FROM orders WHERE customer_id > $1 ORDER BY 1 LIMIT $2", summary["built_to"], limit
    )
    ids = [row["customer_id"] for row in rows]
    await _sum_up(connection, ids, summary["time_zone"], now)
    is_built = len(ids) < limit
    await connection.execute(
        "UPDATE buyer_summary SET built_to = $1, is_built = $2", "" if is_built else ids[-1], is_built
    )
    return not is_built


async def catch_up(connection: Any, time_zone: str, now: datetime, limit: int = BATCH) -> bool:
    """Return whether the summary holds every order until now, after taking up what changed."""
    is_built = "SELECT is_built AND time_zone = $1 FROM buyer_summary"
    if not await connection.fetchval(is_built, time_zone):
        return False
    await _lock(connection)
    if not await connection.fetchval(is_built, time_zone):
        return False
    for _ in range(_MOST_BATCHES):
        if not await _take_up(connection, time_zone, now, limit):
            return True
    return False


async def forget(connection: Any, customer_id: str) -> None:
    """Leave nothing of a customer whose orders were erased; orders of others that are his are noted again."""
    await _lock(connection)
    ids = [customer_id, *await _erased_and_noted(connection)]
    await connection.execute("DELETE FROM buyers_changed WHERE customer_id = ANY($1::text[])", ids)
    # Should he be where building has come to, it begins again: summing up somebody twice changes nothing.
    await connection.execute("UPDATE buyer_summary SET built_to = '' WHERE built_to = ANY($1::text[])", ids)
    if (time_zone := await _time_zone(connection)) is not None:
        await _sum_up(connection, ids, time_zone, _BEFORE_ALL)


async def purchases(connection: Any, days: Sequence[date], n_months: int, today: date, horizon_days: int) -> Purchases:
    """Return what `buying_habits` of the store returns, of periods of so many months that begin at `days`."""
    rows = await connection.fetch(
        """
        SELECT 'bought' AS what, greatest(first - $2 + 1, 0) AS first, period - $2 + 1 AS number, was_before,
               NULL::int AS days, NULL::boolean AS has_bought, NULL::boolean AS is_over, sum(n)::bigint AS n,
               NULL::date AS since
        FROM buyer_periods WHERE n_months = $1 AND period >= $2 AND n > 0 GROUP BY 2, 3, 4
        UNION ALL
        SELECT 'wait', NULL, NULL, NULL, CASE WHEN second_day < $4 THEN second_day ELSE $4 - 1 END - first_day,
               coalesce(second_day < $4, false), $4 - 1 - first_day >= $5, sum(n)::bigint, NULL
        FROM buyer_waits WHERE n > 0 AND first_day >= $3 AND first_day < $4 GROUP BY 5, 6, 7
        UNION ALL
        SELECT 'since', NULL, NULL, NULL, NULL, NULL, NULL, NULL, min(first_day) FROM buyer_waits WHERE n > 0
        """,
        n_months,
        (days[0].year * 12 + days[0].month - 1) // n_months,
        days[1],
        today,
        horizon_days,
    )
    return purchases_of(rows)


_DUE = "FROM buyers_changed WHERE not_before IS NULL OR not_before <= $1"


async def _take_up(connection: Any, time_zone: str, now: datetime, limit: int) -> int:
    """Return how many notes were taken up. What is noted meanwhile is either seen now or taken up later, or both."""
    rows = await connection.fetch(
        f"""
        DELETE FROM buyers_changed WHERE ctid = ANY(ARRAY(SELECT ctid {_DUE} LIMIT $2)) RETURNING customer_id
        """,  # noqa: S608 - a condition of this module
        now,
        limit,
    )
    await _sum_up(connection, sorted({row["customer_id"] for row in rows}), time_zone, now)
    return len(rows)


async def _sum_up(connection: Any, ids: Sequence[str], time_zone: str, now: datetime) -> None:
    """Count these customers' orders until now anew in place of what was counted of them.

    Orders to come (clocks differ by minutes) are noted for when they are not.
    """
    await connection.execute(
        """
        WITH placed AS MATERIALIZED (
            SELECT customer_id, occurred_at, (occurred_at AT TIME ZONE $2)::date AS day
            FROM orders WHERE customer_id = ANY($1::text[]) AND kind = 'placed'
        ), later AS (
            INSERT INTO buyers_changed (customer_id, not_before)
            SELECT customer_id, min(occurred_at) FROM placed WHERE occurred_at > $3 GROUP BY customer_id
        ), today AS (
            SELECT customer_id, array_agg(day ORDER BY day) AS days,
                   array_agg(DISTINCT extract(year FROM day)::int * 12 + extract(month FROM day)::int - 1) AS months
            FROM (SELECT DISTINCT customer_id, day FROM placed WHERE occurred_at <= $3) AS bought GROUP BY customer_id
        ), changed AS MATERIALIZED (
            SELECT customer_id, t.months, t.days[1] AS first_day, t.days[2] AS second_day,
                   b.months AS old_months, b.first_day AS old_first_day, b.second_day AS old_second_day
            FROM today AS t FULL JOIN (SELECT * FROM buyers WHERE customer_id = ANY($1::text[])) AS b
                USING (customer_id)
            WHERE (t.months, t.days[1], t.days[2]) IS DISTINCT FROM (b.months, b.first_day, b.second_day)
        ), gone AS (
            DELETE FROM buyers WHERE customer_id IN (SELECT customer_id FROM changed WHERE months IS NULL)
        ), kept AS (
            INSERT INTO buyers (customer_id, months, first_day, second_day)
            SELECT customer_id, months, first_day, second_day FROM changed WHERE months IS NOT NULL
            ON CONFLICT (customer_id) DO UPDATE SET
                months = excluded.months, first_day = excluded.first_day, second_day = excluded.second_day
        ), counted AS MATERIALIZED (
            SELECT 1 AS n, months, first_day, second_day FROM changed WHERE months IS NOT NULL
            UNION ALL
            SELECT -1, old_months, old_first_day, old_second_day FROM changed WHERE old_months IS NOT NULL
        ), waited AS (
            INSERT INTO buyer_waits AS w (first_day, second_day, n)
            SELECT first_day, second_day, sum(n) FROM counted GROUP BY 1, 2 HAVING sum(n) <> 0
            ON CONFLICT (first_day, second_day) DO UPDATE SET n = w.n + excluded.n
        )
        INSERT INTO buyer_periods AS p (n_months, first, period, was_before, n)
        SELECT length, months[1] / length, period, coalesce(before = period - 1, false), sum(n)
        FROM counted CROSS JOIN unnest(ARRAY[1, 3, 12]) AS length CROSS JOIN LATERAL (
            SELECT month / length AS period, lag(month / length) OVER (ORDER BY month) AS before
            FROM unnest(months) AS month
        ) AS periods
        WHERE before IS DISTINCT FROM period
        GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0
        ON CONFLICT (n_months, first, period, was_before) DO UPDATE SET n = p.n + excluded.n
        """,
        ids,
        time_zone,
        now,
    )


async def _lock(connection: Any) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.BUYERS)


async def _time_zone(connection: Any) -> str | None:
    zone: str | None = await connection.fetchval("SELECT time_zone FROM buyer_summary")
    return zone


async def _erased_and_noted(connection: Any) -> list[str]:
    """Return who was erased before and is noted again: what is read late of who was joined to him goes through him."""
    rows = await connection.fetch("SELECT DISTINCT customer_id FROM buyers_changed JOIN erasures USING (customer_id)")
    return [row["customer_id"] for row in rows]
