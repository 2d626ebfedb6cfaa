"""Reads of risk by day. The projection writes it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.api.risk.schemas import RiskDay, ThresholdPreview


async def history(connection: Any, ids: Sequence[str], since: date | None, until: date | None) -> list[RiskDay]:
    """Return a customer's recorded days, oldest first, `since` and `until` included; `ids` are all that are it today.

    A day has the greatest risk of them all. Days stay where they were recorded, so parting needs nothing undone.
    """
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (day) day, p_leave, generation FROM customer_risk_daily
        WHERE customer_id = ANY($1::text[]) AND ($2::date IS NULL OR day >= $2) AND ($3::date IS NULL OR day <= $3)
        ORDER BY day, p_leave DESC
        """,
        list(ids),
        since,
        until,
    )
    return [RiskDay(**dict(row)) for row in rows]


async def preview(connection: Any, threshold: float, days: int, until: date) -> ThresholdPreview:
    """Return what a threshold would have done in the `days` days that end with `until`."""
    row = await connection.fetchrow(
        """
        WITH above AS MATERIALIZED (
            SELECT DISTINCT customer_id FROM customer_risk_daily
            WHERE day > $3::date - $2::integer AND day <= $3 AND p_leave >= $1
        ), steps AS (
            SELECT d.day, d.p_leave, lag(d.p_leave) OVER (PARTITION BY d.customer_id ORDER BY d.day) AS before
            FROM customer_risk_daily d JOIN above USING (customer_id) WHERE d.day <= $3
        )
        SELECT (SELECT count(*) FROM above) AS n_customers_above,
               count(*) FILTER (
                   WHERE day > $3::date - $2::integer AND p_leave >= $1 AND coalesce(before, 0) < $1
               ) AS n_alerts_estimated,
               (SELECT count(*) FROM alerts
                WHERE NOT is_historical AND raised_at >= ($3::date - $2::integer + 1)::timestamp AT TIME ZONE 'UTC'
                    AND raised_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC') AS n_alerts_raised
        FROM steps
        """,
        threshold,
        days,
        until,
    )
    return ThresholdPreview(threshold=threshold, days=days, until=until, **dict(row))
