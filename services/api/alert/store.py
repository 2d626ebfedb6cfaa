"""Alerts in PostgreSQL: the append-only events, the folded state beside them, and the queries over both.

The only writer of `alerts` and `alert_events`. Whoever changes an alert locks its row first and the log second, so
nobody waits in a circle; the log's lock is held until commit, so event ids appear in the order they were given out.
Who writes the engine's records takes one more lock before both: two partitions may tell of one alert.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from services.api.alert.decide import decide_record, decide_time, fold
from services.api.alert.match import Customer, facts_of
from services.api.alert.model import Alert, AlertEvent
from services.api.alert.routing import Receiver, Route, recipients
from services.api.alert.schemas import (
    NOBODY_KNOWN,
    AlertEventRow,
    AlertView,
    CauseCount,
    CausePeriod,
    Who,
    alert_view,
)
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord
from shared.contracts.codec import encode
from shared.postgres.advisory import AdvisoryLock

CHANNEL = "pulseline_alert_events"

_alert_decoder = msgspec.json.Decoder(Alert)
_cleared_decoder = msgspec.json.Decoder(AlertCleared)
_route_decoder = msgspec.json.Decoder(Route)

Step = tuple[Alert, AlertEvent]


async def append_records(connection: Any, records: Sequence[AlertRecord], holdout_ratio: float = 0.0) -> int:
    """Decide and append the engine's records, in order, within the caller's transaction; returns the events added.

    The alert of a customer who was joined to another is raised in one partition and cleared in the other's. A clearance
    that is read before its raise waits for it.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.ALERT_RECORDS)
    alerts = await lock(connection, [record.alert_id for record in records])
    early = await _take_early(connection, [record.alert_id for record in records if record.alert_id not in alerts])
    steps: list[Step] = []
    late: list[tuple[str, str]] = []
    for record in records:
        alert_id = record.alert_id
        if alert_id not in alerts and isinstance(record, AlertCleared):
            early[alert_id] = max(record, early.get(alert_id, record), key=lambda one: one.revision)
            continue
        alert = alerts.get(alert_id)
        if alert is not None and isinstance(record, AlertRaised) and record.customer_id != alert.customer_id:
            late.append((alert_id, record.customer_id))
        told = [record, early.pop(alert_id)] if alert_id in early else [record]
        for known in told:
            for event in decide_record(alert, known, holdout_ratio):
                alert = alerts[alert_id] = fold(alert, event)
                steps.append((alert, event))
    if early:
        await _keep_early(connection, list(early.values()))
    await append(connection, steps)
    # News of an alert may be read before its raise, too: whose history it is of, the raise says.
    if late:
        await connection.executemany(
            "UPDATE alerts SET origin_id = $2 WHERE alert_id = $1 AND origin_id IS NULL AND customer_id <> $2", late
        )
    return len(steps)


async def _take_early(connection: Any, alert_ids: Sequence[str]) -> dict[str, AlertCleared]:
    """Return the clearances that wait for the raises of these alerts, by alert; they wait no longer."""
    if not alert_ids:
        return {}
    rows = await connection.fetch(
        "DELETE FROM early_clearances WHERE alert_id = ANY($1::text[]) RETURNING alert_id, record", alert_ids
    )
    return {row["alert_id"]: _cleared_decoder.decode(row["record"]) for row in rows}


async def _keep_early(connection: Any, clearances: Sequence[AlertCleared]) -> None:
    await connection.executemany(
        "INSERT INTO early_clearances (alert_id, customer_id, record) VALUES ($1, $2, $3)",
        [(cleared.alert_id, cleared.customer_id, encode(cleared)) for cleared in clearances],
    )


async def append_due(connection: Any, now: datetime, expires_after: timedelta, limit: int = 500) -> int:
    """Append what time alone has done, ended snoozes and expiries; returns the events added.

    Rows another process is busy with are left for the next round.
    """
    rows = await connection.fetch(
        """
        SELECT alert_id, state FROM alerts
        WHERE (status = 'snoozed' AND snoozed_until <= $1)
           OR (status IN ('open', 'acknowledged') AND NOT is_historical AND updated_at <= $1 - $2::interval)
        ORDER BY alert_id LIMIT $3 FOR UPDATE SKIP LOCKED
        """,
        now,
        expires_after,
        limit,
    )
    steps: list[Step] = []
    for row in rows:
        alert = _alert_decoder.decode(row["state"])
        for event in decide_time(alert, now, expires_after):
            alert = fold(alert, event)
            steps.append((alert, event))
    await append(connection, steps)
    return len(steps)


async def lock(connection: Any, alert_ids: Sequence[str]) -> dict[str, Alert]:
    """Return the alerts that exist, their rows locked until the transaction ends."""
    rows = await connection.fetch(
        "SELECT alert_id, state FROM alerts WHERE alert_id = ANY($1::text[]) ORDER BY alert_id FOR UPDATE",
        sorted(set(alert_ids)),
    )
    return {row["alert_id"]: _alert_decoder.decode(row["state"]) for row in rows}


async def get(connection: Any, alert_id: str) -> Alert | None:
    state = await connection.fetchval("SELECT state FROM alerts WHERE alert_id = $1", alert_id)
    return None if state is None else _alert_decoder.decode(state)


async def append(connection: Any, steps: Sequence[Step]) -> None:
    """Write each step's event, the newest state of each alert, and wake the streams when the transaction commits."""
    if not steps:
        return
    newest = {alert.alert_id: alert for alert, _ in steps}
    known = await who_is(connection, [alert.customer_id for alert in newest.values()])
    await _write_states(connection, [newest[alert_id] for alert_id in sorted(newest)])
    await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.ALERT_LOG)
    rows = await connection.fetch(
        """
        INSERT INTO alert_events (seq, alert_id, customer_id, version, type, at, actor, is_historical, event, alert)
        SELECT nextval('alert_events_seq'), t.*
        FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::text[], $7::boolean[],
                    $8::jsonb[], $9::jsonb[]) AS t
        RETURNING seq
        """,
        [alert.alert_id for alert, _ in steps],
        [alert.customer_id for alert, _ in steps],
        [alert.version for alert, _ in steps],
        [str(event.__struct_config__.tag) for _, event in steps],
        [event.at for _, event in steps],
        [event.actor for _, event in steps],
        [alert.is_historical for alert, _ in steps],
        [encode(event) for _, event in steps],
        [encode(alert_view(alert, known.get(alert.customer_id, NOBODY_KNOWN))) for alert, _ in steps],
    )
    if not all(alert.is_historical for alert, _ in steps):
        await _queue_notifications(connection, steps, [row["seq"] for row in rows])
        await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


async def _queue_notifications(connection: Any, steps: Sequence[Step], seqs: Sequence[int]) -> None:
    """Queue each live event for every endpoint that is to be told."""
    found = await connection.fetch(
        "SELECT id, event_types, severities, includes_held_out FROM notification_endpoints WHERE is_enabled"
    )
    if not found:
        return
    receivers = [Receiver(**dict(row)) for row in found]
    rules = await connection.fetch("SELECT document FROM policies WHERE kind = 'routing' AND is_enabled")
    routes = [_route_decoder.decode(row["document"]) for row in rules]
    customers = await customers_of(connection, [alert.customer_id for alert, _ in steps]) if routes else {}
    jobs = [
        (endpoint_id, seq, alert.customer_id)
        for (alert, event), seq in zip(steps, seqs, strict=True)
        if not alert.is_historical
        for endpoint_id in recipients(
            receivers,
            routes,
            str(event.__struct_config__.tag),
            facts_of(alert, customers.get(alert.customer_id, Customer())),
            is_held_out=alert.is_held_out,
        )
    ]
    if jobs:
        await connection.execute(
            """
            INSERT INTO notification_jobs (endpoint_id, seq, customer_id)
            SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])
            """,
            *map(list, zip(*jobs, strict=True)),
        )


async def customers_of(connection: Any, customer_ids: Sequence[str]) -> dict[str, Customer]:
    """Return the channel each customer uses most and the language he last wrote in, where they are known."""
    rows = await connection.fetch(
        """
        SELECT customer_id, (
                SELECT key FROM jsonb_each(engagement -> 'by_channel')
                ORDER BY coalesce((value ->> 'd90')::int, 0) DESC, key LIMIT 1
            ) AS channel, (
                SELECT language FROM interactions i
                WHERE i.customer_id = c.customer_id AND direction = 'inbound' AND language IS NOT NULL
                ORDER BY occurred_at DESC, event_key DESC LIMIT 1
            ) AS language
        FROM customers c WHERE customer_id = ANY($1::text[])
        """,
        sorted(set(customer_ids)),
    )
    return {row["customer_id"]: Customer(row["channel"], row["language"]) for row in rows}


async def _write_states(connection: Any, alerts: Sequence[Alert]) -> None:
    await connection.execute(
        """
        INSERT INTO alerts (alert_id, customer_id, version, status, severity, cause, tier, expected_loss, assignee,
                            snoozed_until, is_historical, raised_at, updated_at, state, is_held_out)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::float8[], $9::text[], $10::timestamptz[], $11::boolean[], $12::timestamptz[],
                             $13::timestamptz[], $14::jsonb[], $15::boolean[])
        ON CONFLICT (alert_id) DO UPDATE SET
            version = excluded.version, status = excluded.status, severity = excluded.severity,
            cause = excluded.cause, tier = excluded.tier, expected_loss = excluded.expected_loss,
            assignee = excluded.assignee, snoozed_until = excluded.snoozed_until,
            is_historical = excluded.is_historical, updated_at = excluded.updated_at, state = excluded.state
        """,
        [alert.alert_id for alert in alerts],
        [alert.customer_id for alert in alerts],
        [alert.version for alert in alerts],
        [alert.status for alert in alerts],
        [alert.body.severity for alert in alerts],
        [alert.body.cause for alert in alerts],
        [alert.body.risk.tier if alert.body.risk else None for alert in alerts],
        [alert.body.risk.expected_loss if alert.body.risk else None for alert in alerts],
        [alert.assignee for alert in alerts],
        [alert.snoozed_until for alert in alerts],
        [alert.is_historical for alert in alerts],
        [alert.raised_at for alert in alerts],
        [alert.updated_at for alert in alerts],
        [encode(alert) for alert in alerts],
        [alert.is_held_out for alert in alerts],
    )


async def move_alerts(connection: Any, ids: Sequence[str], customer_id: str) -> None:
    """Let the alerts of these histories be the customer's: those raised for them, whoever they belonged to since."""
    await connection.execute(
        """
        UPDATE alerts SET origin_id = coalesce(origin_id, customer_id), customer_id = $2,
                          state = jsonb_set(state, '{customer_id}', to_jsonb($2::text))
        WHERE customer_id <> $2
            AND ((origin_id IS NULL AND customer_id = ANY($1::text[])) OR origin_id = ANY($1::text[]))
        """,
        list(ids),
        customer_id,
    )


async def last_event_id(connection: Any) -> int:
    """Return the newest event id that is visible, 0 for none."""
    return int(await connection.fetchval("SELECT coalesce(max(seq), 0) FROM alert_events"))


async def greatest_event_id(connection: Any) -> int:
    """Return the greatest event id ever given out, also of an event since erased: the next one is greater."""
    return int(await connection.fetchval("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM alert_events_seq"))


async def live_events_after(connection: Any, event_id: int, limit: int) -> list[tuple[AlertEventRow, str]]:
    """Return live events newer than `event_id`, oldest first, each with who its alert belongs to now.

    Imported history is not among them.
    """
    rows = await connection.fetch(
        """
        SELECT e.seq, e.type, e.alert_id, e.customer_id, e.version, e.at, e.actor, e.event, e.alert,
               coalesce(a.customer_id, e.customer_id) AS owner
        FROM alert_events e LEFT JOIN alerts a USING (alert_id)
        WHERE e.seq > $1 AND NOT e.is_historical ORDER BY e.seq LIMIT $2
        """,
        event_id,
        limit,
    )
    return [(event_row(row), row["owner"]) for row in rows]


class KnownAs(NamedTuple):
    """Who an id stands for `now`, and all `ids` under which events tell of him: his own, and those of his alerts'."""

    now: str
    ids: frozenset[str]


async def known_as(connection: Any, customer_id: str) -> KnownAs:
    rows = await connection.fetch(
        """
        WITH now AS (
            SELECT coalesce((SELECT merged_into FROM customers WHERE customer_id = $1::text), $1) AS customer_id
        )
        SELECT customer_id, customer_id AS id FROM now
        UNION SELECT now.customer_id, e.customer_id
        FROM now JOIN alerts a USING (customer_id) JOIN alert_events e USING (alert_id)
        """,
        customer_id,
    )
    return KnownAs(rows[0]["customer_id"], frozenset(row["id"] for row in rows))


async def customers_now(connection: Any, customer_ids: Sequence[str]) -> dict[str, str]:
    """Return the customer that each id stands for today."""
    rows = await connection.fetch(
        """
        SELECT asked, coalesce(c.merged_into, asked) AS now
        FROM unnest($1::text[]) AS asked LEFT JOIN customers c ON c.customer_id = asked
        """,
        customer_ids,
    )
    return {row["asked"]: row["now"] for row in rows}


async def history(connection: Any, alert_id: str) -> list[AlertEventRow]:
    """Return an alert's whole life, oldest first."""
    rows = await connection.fetch(
        """
        SELECT seq, type, alert_id, customer_id, version, at, actor, event, alert, recorded_at FROM alert_events
        WHERE alert_id = $1 ORDER BY version
        """,
        alert_id,
    )
    return [msgspec.structs.replace(event_row(row), recorded_at=row["recorded_at"]) for row in rows]


async def search(
    connection: Any,
    *,
    statuses: Sequence[str] | None = None,
    severities: Sequence[str] | None = None,
    causes: Sequence[str] | None = None,
    tiers: Sequence[str] | None = None,
    assignee: str | None = None,
    customer_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_historical: bool | None = False,
    sees_held_out: bool = True,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[AlertView]:
    """Return alerts newest first, older than the keyset `before`; `is_historical` None means both kinds.

    A `customer_id` that was merged into another stands for the customer it is now.
    """
    conditions: list[str] = []
    arguments: list[Any] = []

    def where(condition: str, *values: Any) -> None:
        numbers = range(len(arguments) + 1, len(arguments) + len(values) + 1)
        conditions.append(condition.format(*(f"${number}" for number in numbers)))
        arguments.extend(values)

    if is_historical is not None:
        where("is_historical" if is_historical else "NOT is_historical")
    if not sees_held_out:
        where("NOT is_held_out")
    for column, values in (("status", statuses), ("severity", severities), ("cause", causes), ("tier", tiers)):
        if values:
            where(f"{column} = ANY({{}}::text[])", list(values))
    if assignee is not None:
        where("assignee = {}", assignee)
    if customer_id is not None:
        now = "SELECT merged_into FROM customers WHERE customer_id = {}"
        where(f"customer_id = coalesce(({now}), {{}})", customer_id, customer_id)
    if since is not None:
        where("raised_at >= {}", since)
    if until is not None:
        where("raised_at < {}", until)
    if before is not None:
        where("(raised_at, alert_id) < ({}, {})", *before)
    arguments.append(limit)
    rows = await connection.fetch(
        f"SELECT state, customer_id FROM alerts "  # noqa: S608 - text from this function
        f"WHERE {' AND '.join(conditions) or 'true'} ORDER BY raised_at DESC, alert_id DESC LIMIT ${len(arguments)}",
        *arguments,
    )
    known = await who_is(connection, [row["customer_id"] for row in rows])
    return [
        alert_view(_alert_decoder.decode(row["state"]), known.get(row["customer_id"], NOBODY_KNOWN)) for row in rows
    ]


async def who_is(connection: Any, customer_ids: Sequence[str]) -> dict[str, Who]:
    """Return who the known ones of these customers are; a merged customer is who he is now."""
    rows = await connection.fetch(
        """
        SELECT c.customer_id, coalesce(c.name, now.name) AS name, c.is_demo OR coalesce(now.is_demo, false) AS is_demo
        FROM customers c LEFT JOIN customers now ON now.customer_id = c.merged_into
        WHERE c.customer_id = ANY($1::text[])
        """,
        sorted(set(customer_ids)),
    )
    return {row["customer_id"]: Who(row["name"], row["is_demo"]) for row in rows}


async def causes_over_time(
    connection: Any, since: datetime, until: datetime, by: Literal["week", "month"], time_zone: str
) -> list[CausePeriod]:
    """Return the live alerts raised from `since` to `until` by local period and cause, oldest period first."""
    rows = await connection.fetch(
        """
        SELECT date_trunc($3, raised_at AT TIME ZONE $4)::date AS start, cause, count(*) AS n_alerts,
               count(*) FILTER (WHERE state ->> 'resolution' = 'saved') AS n_saved,
               count(*) FILTER (WHERE state ->> 'resolution' = 'returned') AS n_returned,
               count(*) FILTER (WHERE state ->> 'resolution' = 'lost') AS n_lost
        FROM alerts WHERE NOT is_historical AND raised_at >= $1 AND raised_at < $2
        GROUP BY 1, 2 ORDER BY 1, n_alerts DESC, cause
        """,
        since,
        until,
        by,
        time_zone,
    )
    periods: dict[date, list[CauseCount]] = {}
    for row in rows:
        count = CauseCount(**{name: row[name] for name in CauseCount.__struct_fields__})
        periods.setdefault(row["start"], []).append(count)
    return [
        CausePeriod(period_start=start, n_alerts=sum(count.n_alerts for count in counts), causes=counts)
        for start, counts in periods.items()
    ]


def event_row(row: Any) -> AlertEventRow:
    return AlertEventRow(
        id=row["seq"],
        type=row["type"],
        alert_id=row["alert_id"],
        customer_id=row["customer_id"],
        version=row["version"],
        at=row["at"],
        actor=row["actor"],
        event=row["event"],
        alert=row["alert"],
    )
