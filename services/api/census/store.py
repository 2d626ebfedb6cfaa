"""The queries of the census; they read what other parts own and write nothing."""

from datetime import datetime
from typing import Any

from services.api.census.model import CONNECTION_STATES, Calibration, Census, EndpointState

# Most companies sell in one to three currencies; the rest are told together, unlike units and all, as `other`.
_MOST_CURRENCIES = 5
# So many make an error of a calibration of less than a percentage point.
_MOST_SCORED = 20_000

# `customers`: all whose risk was told in the newest week whose horizon has ended, by its last risk.
# `alerts`: every live alert with a risk whose horizon has ended; those who act on alerts move it, and mean to.
_CALIBRATION = """
    WITH horizon AS (
        SELECT coalesce(mode() WITHIN GROUP (ORDER BY (risk->>'horizon_days')::float8::int), 90) AS days
        FROM (SELECT risk FROM customers WHERE risk IS NOT NULL LIMIT 1000) AS sample
    ), newest AS (
        SELECT max(day) AS day FROM customer_risk_daily, horizon WHERE day + horizon.days < $1::date
    ), told AS (
        SELECT DISTINCT ON (d.customer_id) 'customers' AS subject, d.customer_id, d.p_leave AS p,
            (d.day + 1)::timestamp AT TIME ZONE 'UTC' AS since,
            (d.day + 1 + horizon.days)::timestamp AT TIME ZONE 'UTC' AS until
        FROM customer_risk_daily d, newest, horizon
        WHERE d.day > newest.day - 7 AND d.day <= newest.day
        ORDER BY d.customer_id, d.day DESC LIMIT $2
    ), raised AS (
        SELECT 'alerts' AS subject, customer_id, (risk->>'p_churn')::float8 AS p,
            (risk->>'as_of')::timestamptz AS since,
            (risk->>'as_of')::timestamptz + make_interval(secs => 86400 * (risk->>'horizon_days')::float8) AS until
        FROM (
            SELECT customer_id, event->'body'->'risk' AS risk FROM alert_events
            WHERE type = 'alert.raised' AND NOT is_historical AND event->'body'->'risk'->>'p_churn' IS NOT NULL
            ORDER BY seq DESC LIMIT $2
        ) AS live
    )
    SELECT subject, count(*) AS n, sum(p) AS predicted, count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM orders o WHERE o.customer_id = scored.customer_id AND o.kind = 'placed'
            AND o.occurred_at >= scored.since AND o.occurred_at < scored.until
    )) AS n_left
    FROM (TABLE told UNION ALL TABLE raised) AS scored
    WHERE until <= $1 AND EXISTS (SELECT FROM orders o WHERE o.customer_id = scored.customer_id AND o.kind = 'placed')
    GROUP BY subject
"""

# Due is what the courier may claim now: not what waits behind its customer's earlier one, nor what a digest gathers.
_QUEUE = """
    SELECT count(*) AS n_pending, count(*) FILTER (WHERE is_due) AS n_due,
        min(run_at) FILTER (WHERE is_due) AS oldest_due_at
    FROM (
        SELECT run_at, run_at <= $1 AND (j.digest_id IS NOT NULL OR e.digest_minutes IS NULL AND NOT EXISTS (
            SELECT FROM notification_jobs earlier
            WHERE earlier.endpoint_id = j.endpoint_id AND earlier.customer_id = j.customer_id
                AND earlier.seq < j.seq AND earlier.status = 'pending'
        )) AS is_due
        FROM notification_jobs j JOIN notification_endpoints e ON e.id = j.endpoint_id
        WHERE j.status = 'pending' AND e.is_enabled
    ) AS waiting
"""


async def take(connection: Any, now: datetime) -> Census:
    """Return the census as of now, in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        queue = await connection.fetchrow(_QUEUE, now)
        return Census(
            customers=await _counts(
                connection, "SELECT risk_state, count(*) FROM customers WHERE merged_into IS NULL GROUP BY 1"
            ),
            expected_loss=await _expected_loss(connection),
            alerts={
                (row["status"], row["severity"]): row["n"]
                for row in await connection.fetch(
                    """
                    SELECT status, severity, count(*) AS n FROM alerts
                    WHERE NOT is_historical AND status IN ('open', 'acknowledged', 'snoozed') GROUP BY 1, 2
                    """
                )
            },
            oldest_untouched_at=await connection.fetchval(
                "SELECT min(raised_at) FROM alerts WHERE NOT is_historical AND status = 'open'"
            ),
            closed=await _counts(
                connection,
                """
                SELECT coalesce(state->>'resolution', status), count(*) FROM alerts
                WHERE NOT is_historical AND status IN ('resolved', 'expired')
                    AND updated_at > $1::timestamptz - interval '30 days' GROUP BY 1
                """,
                now,
            ),
            calibration={
                row["subject"]: Calibration(row["n"], row["predicted"], row["n_left"])
                for row in await connection.fetch(_CALIBRATION, now, _MOST_SCORED)
            },
            n_pending=queue["n_pending"],
            n_due=queue["n_due"],
            oldest_due_at=queue["oldest_due_at"],
            endpoints=await _endpoints(connection),
            failing_since=await connection.fetchval(
                "SELECT min(failing_since) FROM notification_endpoints WHERE is_enabled"
            ),
            dead_letters=await _counts(
                connection, "SELECT stage, count(*) FROM dead_letters WHERE status = 'open' GROUP BY 1"
            ),
            **await _server(connection),
        )


async def _counts(connection: Any, query: str, *arguments: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in await connection.fetch(query, *arguments)}


async def _expected_loss(connection: Any) -> dict[str, float]:
    rows = await connection.fetch(
        """
        SELECT coalesce(currency, 'USD') AS currency, sum(expected_loss) AS loss FROM customers
        WHERE risk_state = 'at_risk' AND expected_loss IS NOT NULL AND merged_into IS NULL
        GROUP BY 1 ORDER BY count(*) DESC, 1
        """
    )
    losses = {row["currency"]: float(row["loss"]) for row in rows[:_MOST_CURRENCIES]}
    if len(rows) > _MOST_CURRENCIES:
        losses["other"] = float(sum(row["loss"] for row in rows[_MOST_CURRENCIES:]))
    return losses


async def _endpoints(connection: Any) -> dict[tuple[str, EndpointState], int]:
    rows = await connection.fetch(
        """
        SELECT kind, count(*) AS n, CASE WHEN is_enabled AND failing_since IS NULL THEN 'delivering'
            WHEN is_enabled THEN 'failing' WHEN disabled_reason IS NULL THEN 'off' ELSE 'disabled' END AS state
        FROM notification_endpoints GROUP BY kind, state
        """
    )
    return {(row["kind"], row["state"]): row["n"] for row in rows}


async def _server(connection: Any) -> dict[str, Any]:
    row = await connection.fetchrow(
        """
        SELECT pg_database_size(current_database()) AS database_bytes,
            current_setting('max_connections')::int AS server_max_connections,
            coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()), 0)::float8 AS oldest_transaction_s,
            coalesce((SELECT blks_hit::float8 / nullif(blks_hit + blks_read, 0) FROM pg_stat_database
                WHERE datname = current_database()), 1) AS cache_hit_ratio
        """
    )
    states = await _counts(
        connection,
        "SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1",
    )
    known = {state: states.pop(state, 0) for state in CONNECTION_STATES[:-1]}
    return {**dict(row), "server_connections": {**known, "other": sum(states.values())}}
