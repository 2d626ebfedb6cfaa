"""Endpoints and the queue of what they are to be told, in PostgreSQL.

The queue is this table and SKIP LOCKED (ADR 0013): jobs are added in the transaction that appends the alert event, and
a claim is a lease that runs out, so a process that dies gives its jobs back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from services.api.alert.schemas import AlertEventRow
from services.api.alert.store import event_row
from services.api.notification.decide import Verdict
from services.api.notification.model import Endpoint, EndpointKind, Job, Language, Outcome, QuietHours
from services.api.notification.schemas import DeliveryView, EndpointView
from shared.contracts.codec import encode

# Longer than any attempt takes.
CLAIM = timedelta(seconds=60)
# The most a digest holds; what is left begins the next one.
_LARGEST_DIGEST = 500
_quiet_decoder = msgspec.json.Decoder(QuietHours)
_VIEW = ", ".join(EndpointView.__struct_fields__)


class NewEndpoint(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    kind: EndpointKind
    url: str
    sealed_secret: bytes | None
    language: Language
    event_types: list[str] | None
    severities: list[str] | None
    rate_per_minute: int
    includes_held_out: bool
    quiet_hours: QuietHours | None
    digest_minutes: int | None
    created_by: str


async def claim(connection: Any, now: datetime, limit: int) -> list[Job]:
    """Return due jobs, claimed for `CLAIM`; never two of one customer for one endpoint, and the oldest first."""
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT j.id FROM notification_jobs j JOIN notification_endpoints e ON e.id = j.endpoint_id
            WHERE j.status = 'pending' AND j.run_at <= $1 AND e.is_enabled AND e.digest_minutes IS NULL
                AND j.digest_id IS NULL AND NOT EXISTS (
                    SELECT FROM notification_jobs earlier
                    WHERE earlier.endpoint_id = j.endpoint_id AND earlier.customer_id = j.customer_id
                        AND earlier.seq < j.seq AND earlier.status = 'pending'
                )
            ORDER BY j.run_at, j.seq LIMIT $2 FOR UPDATE OF j SKIP LOCKED
        )
        UPDATE notification_jobs j SET run_at = $1::timestamptz + $3::interval
        FROM due, notification_endpoints e
        WHERE j.id = due.id AND e.id = j.endpoint_id
        RETURNING j.id, j.seq, j.n_attempts, j.digest_id, e.id AS endpoint_id, e.kind, e.url, e.secret, e.sealed_secret,
            e.language, e.rate_per_minute, e.failing_since, e.quiet_hours
        """,
        now,
        limit,
        CLAIM,
    )
    return [_job(row) for row in sorted(rows, key=lambda row: row["seq"])]


async def claim_digests(connection: Any, now: datetime) -> list[list[Job]]:
    """Return the jobs of each digest that is due, claimed for `CLAIM`, oldest first.

    A digest is closed once its oldest event has waited for the endpoint's minutes and the one before it is done; from
    then on it holds the same events under the same message id at every attempt.
    """
    await connection.execute(
        """
        WITH ripe AS (
            SELECT e.id FROM notification_endpoints e
            WHERE e.is_enabled AND e.digest_minutes IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM notification_jobs j
                    WHERE j.endpoint_id = e.id AND j.status = 'pending' AND j.digest_id IS NOT NULL
                )
                AND (
                    SELECT min(j.created_at) FROM notification_jobs j
                    WHERE j.endpoint_id = e.id AND j.status = 'pending'
                ) <= $1::timestamptz - make_interval(mins => e.digest_minutes)
            FOR UPDATE OF e SKIP LOCKED
        ), gathered AS (
            SELECT j.id, min(j.seq) OVER (PARTITION BY j.endpoint_id) AS digest_id,
                   row_number() OVER (PARTITION BY j.endpoint_id ORDER BY j.seq) AS place
            FROM notification_jobs j JOIN ripe ON ripe.id = j.endpoint_id WHERE j.status = 'pending'
        )
        UPDATE notification_jobs j SET digest_id = gathered.digest_id, run_at = $1
        FROM gathered WHERE gathered.id = j.id AND gathered.place <= $2
        """,
        now,
        _LARGEST_DIGEST,
    )
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT j.id FROM notification_jobs j JOIN notification_endpoints e ON e.id = j.endpoint_id
            WHERE j.status = 'pending' AND j.run_at <= $1 AND j.digest_id IS NOT NULL AND e.is_enabled
            ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
        )
        UPDATE notification_jobs j SET run_at = $1::timestamptz + $2::interval
        FROM due, notification_endpoints e
        WHERE j.id = due.id AND e.id = j.endpoint_id
        RETURNING j.id, j.seq, j.n_attempts, j.digest_id, e.id AS endpoint_id, e.kind, e.url, e.secret, e.sealed_secret,
            e.language, e.rate_per_minute, e.failing_since, e.quiet_hours
        """,
        now,
        CLAIM,
    )
    digests: dict[tuple[str, int | None], list[Job]] = {}
    for job in sorted(map(_job, rows), key=lambda job: job.seq):
        digests.setdefault((job.endpoint.id, job.digest_id), []).append(job)
    return list(digests.values())


async def events(connection: Any, seqs: Sequence[int]) -> dict[int, AlertEventRow]:
    """Return the events that jobs are about, by seq; those of a customer erased since are missing."""
    rows = await connection.fetch(
        """
        SELECT seq, type, alert_id, customer_id, version, at, actor, event, alert FROM alert_events
        WHERE seq = ANY($1::bigint[])
        """,
        list(seqs),
    )
    return {row["seq"]: event_row(row) for row in rows}


async def settle(connection: Any, jobs: Sequence[Job], outcome: Outcome, verdict: Verdict, now: datetime) -> None:
    """Write down how an attempt ended for the jobs of one message, and what follows."""
    status = "pending" if verdict.retry_at else "delivered" if verdict.is_delivered else "failed"
    await connection.execute(
        """
        UPDATE notification_jobs SET status = $2, n_attempts = n_attempts + 1, run_at = coalesce($3, run_at),
            last_status = $4, last_error = $5, finished_at = CASE WHEN $3::timestamptz IS NULL THEN $6::timestamptz END
        WHERE id = ANY($1::bigint[])
        """,
        [job.id for job in jobs],
        status,
        verdict.retry_at,
        outcome.status,
        outcome.error,
        now,
    )
    await connection.execute(
        """
        UPDATE notification_endpoints SET failing_since = $2, is_enabled = is_enabled AND $3::text IS NULL,
            disabled_reason = coalesce($3, disabled_reason)
        WHERE id = $1 AND (failing_since IS DISTINCT FROM $2 OR $3::text IS NOT NULL)
        """,
        jobs[0].endpoint.id,
        verdict.failing_since,
        verdict.disable,
    )


async def drop(connection: Any, jobs: Sequence[Job], now: datetime, reason: str) -> None:
    await connection.execute(
        """
        UPDATE notification_jobs SET status = 'dropped', last_error = $2, finished_at = $3
        WHERE id = ANY($1::bigint[])
        """,
        [job.id for job in jobs],
        reason,
        now,
    )


async def postpone(connection: Any, jobs: Sequence[Job], until: datetime) -> None:
    """Give claimed jobs back for later, without counting an attempt."""
    await connection.execute(
        "UPDATE notification_jobs SET run_at = $2 WHERE id = ANY($1::bigint[])", [job.id for job in jobs], until
    )


async def forget_finished(connection: Any, before: datetime) -> None:
    await connection.execute("DELETE FROM notification_jobs WHERE status <> 'pending' AND finished_at < $1", before)


async def insert(connection: Any, endpoint: NewEndpoint) -> None:
    await connection.execute(
        """
        INSERT INTO notification_endpoints (id, name, kind, url, sealed_secret, language, event_types, severities,
                                            rate_per_minute, created_by, includes_held_out,
                                            quiet_hours, digest_minutes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        endpoint.id,
        endpoint.name,
        endpoint.kind,
        endpoint.url,
        endpoint.sealed_secret,
        endpoint.language,
        endpoint.event_types,
        endpoint.severities,
        endpoint.rate_per_minute,
        endpoint.created_by,
        endpoint.includes_held_out,
        None if endpoint.quiet_hours is None else encode(endpoint.quiet_hours),
        endpoint.digest_minutes,
    )


async def list_all(connection: Any) -> list[EndpointView]:
    rows = await connection.fetch(
        f"SELECT {_VIEW} FROM notification_endpoints ORDER BY created_at DESC, id LIMIT 500"  # noqa: S608
    )
    return [_view(row) for row in rows]


async def get(connection: Any, endpoint_id: str) -> EndpointView | None:
    row = await connection.fetchrow(
        f"SELECT {_VIEW} FROM notification_endpoints WHERE id = $1",  # noqa: S608
        endpoint_id,
    )
    return None if row is None else _view(row)


async def load(connection: Any, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint as the sender needs it, sealed secret included."""
    row = await connection.fetchrow(
        """
        SELECT id AS endpoint_id, kind, url, secret, sealed_secret, language, rate_per_minute, failing_since,
            quiet_hours
        FROM notification_endpoints WHERE id = $1
        """,
        endpoint_id,
    )
    return None if row is None else _endpoint(row)


async def change(connection: Any, endpoint_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of an endpoint; switching it on clears why it was off, a sealed secret takes a plain one's place."""
    columns = [name for name in _CHANGEABLE if name in values]
    assignments = [f"{name} = ${number}" for number, name in enumerate(columns, 2)]
    if "sealed_secret" in values:
        assignments.append("secret = NULL")
    if values.get("is_enabled"):
        assignments += ["disabled_reason = NULL", "failing_since = NULL"]
    if assignments:
        await connection.execute(
            f"UPDATE notification_endpoints SET {', '.join(assignments)} WHERE id = $1",  # noqa: S608
            endpoint_id,
            *(encode(values[name]) if isinstance(values[name], QuietHours) else values[name] for name in columns),
        )


_CHANGEABLE = (
    "name",
    "url",
    "sealed_secret",
    "language",
    "event_types",
    "severities",
    "rate_per_minute",
    "includes_held_out",
    "quiet_hours",
    "digest_minutes",
    "is_enabled",
)


async def delete(connection: Any, endpoint_id: str) -> bool:
    deleted = await connection.fetchval("DELETE FROM notification_endpoints WHERE id = $1 RETURNING id", endpoint_id)
    return deleted is not None


async def deliveries(connection: Any, endpoint_id: str, before: int | None, limit: int) -> list[DeliveryView]:
    """Return what an endpoint is told of events before `before`, the newest first.

    Events and their jobs are numbered in one order, and of the former there is an index by endpoint.
    """
    rows = await connection.fetch(
        """
        SELECT id, seq AS event_id, customer_id, status, run_at, n_attempts, last_status, last_error, created_at,
               finished_at
        FROM notification_jobs WHERE endpoint_id = $1 AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3
        """,
        endpoint_id,
        before,
        limit,
    )
    return [DeliveryView(**dict(row)) for row in rows]


async def requeue(connection: Any, endpoint_id: str, since: datetime, now: datetime) -> int:
    """Queue again what failed since then; message ids stay, so a receiver knows what it has."""
    rows: Sequence[Any] = await connection.fetch(
        """
        UPDATE notification_jobs SET status = 'pending', run_at = $3, n_attempts = 0, finished_at = NULL
        WHERE endpoint_id = $1 AND status = 'failed' AND created_at >= $2 RETURNING id
        """,
        endpoint_id,
        since,
        now,
    )
    return len(rows)


async def plain_secrets(connection: Any, now: datetime) -> list[tuple[str, str]]:
    """Return id and secret of endpoints whose plain secret the version before needs no longer, locked."""
    rows = await connection.fetch(
        """
        SELECT id, secret FROM notification_endpoints WHERE secret IS NOT NULL AND plain_until <= $1
        ORDER BY id FOR UPDATE SKIP LOCKED
        """,
        now,
    )
    return [(row["id"], row["secret"]) for row in rows]


async def secrets_sealed_otherwise(connection: Any, head: bytes) -> list[tuple[str, bytes]]:
    """Return id and sealed secret of endpoints whose sealed secret does not begin so, locked."""
    rows = await connection.fetch(
        """
        SELECT id, sealed_secret FROM notification_endpoints
        WHERE secret IS NULL AND sealed_secret IS NOT NULL AND substr(sealed_secret, 1, length($1::bytea)) <> $1
        ORDER BY id FOR UPDATE SKIP LOCKED
        """,
        head,
    )
    return [(row["id"], row["sealed_secret"]) for row in rows]


async def count_plain_secrets(connection: Any) -> int:
    n_plain: int = await connection.fetchval("SELECT count(*) FROM notification_endpoints WHERE secret IS NOT NULL")
    return n_plain


def _view(row: Any) -> EndpointView:
    return EndpointView(**{**dict(row), "quiet_hours": _quiet(row)})


def _quiet(row: Any) -> QuietHours | None:
    return None if row["quiet_hours"] is None else _quiet_decoder.decode(row["quiet_hours"])


def _job(row: Any) -> Job:
    return Job(
        id=row["id"],
        seq=row["seq"],
        n_attempts=row["n_attempts"],
        endpoint=_endpoint(row),
        digest_id=row["digest_id"],
    )


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(
        id=row["endpoint_id"],
        kind=row["kind"],
        url=row["url"],
        secret=row["secret"],
        sealed_secret=row["sealed_secret"],
        language=row["language"],
        rate_per_minute=row["rate_per_minute"],
        failing_since=row["failing_since"],
        quiet_hours=_quiet(row),
    )
