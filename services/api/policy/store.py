"""Policies, timers and how far the log was read, in PostgreSQL; the only writer of these three tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from services.api.policy.model import AssignmentRule, Calendar, EscalationPolicy, PolicyKind, Timer
from services.api.policy.schemas import Policy, RoutingRule
from shared.contracts.codec import encode

TYPES: dict[PolicyKind, type[Policy]] = {
    "assignment": AssignmentRule,
    "escalation": EscalationPolicy,
    "routing": RoutingRule,
    "calendar": Calendar,
}
_decoders: dict[str, msgspec.json.Decoder[Policy]] = {kind: msgspec.json.Decoder(of) for kind, of in TYPES.items()}
# A start event that was read; only these begin an alert's life anew.
_STARTS = ["alert.raised", "alert.reopened"]


class KeptPolicy(Struct, frozen=True, kw_only=True):
    id: str
    policy: Policy
    n_assigned: int
    created_at: datetime
    created_by: str
    updated_at: datetime


class Policies(Struct, frozen=True, kw_only=True):
    """All that is enabled, in the order it is asked."""

    assignment: list[tuple[str, AssignmentRule]]
    escalation: list[tuple[str, EscalationPolicy]]
    calendars: dict[str, Calendar]
    n_assigned: dict[str, int]


async def insert(connection: Any, policy_id: str, kind: PolicyKind, policy: Policy, by: str, at: datetime) -> None:
    await connection.execute(
        """
        INSERT INTO policies (id, kind, position, is_enabled, document, created_at, created_by, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $6)
        """,
        policy_id,
        kind,
        *_order(policy),
        encode(policy),
        at,
        by,
    )


async def replace(connection: Any, policy_id: str, kind: PolicyKind, policy: Policy, at: datetime) -> bool:
    """Put the policy in the place of the one with this id; false when there is none."""
    found = await connection.fetchval(
        """
        UPDATE policies SET position = $3, is_enabled = $4, document = $5, updated_at = $6
        WHERE id = $1 AND kind = $2 RETURNING id
        """,
        policy_id,
        kind,
        *_order(policy),
        encode(policy),
        at,
    )
    return found is not None


async def delete(connection: Any, policy_id: str, kind: PolicyKind) -> bool:
    found = await connection.fetchval("DELETE FROM policies WHERE id = $1 AND kind = $2 RETURNING id", policy_id, kind)
    return found is not None


async def get(connection: Any, policy_id: str, kind: PolicyKind) -> KeptPolicy | None:
    row = await connection.fetchrow("SELECT * FROM policies WHERE id = $1 AND kind = $2", policy_id, kind)
    return None if row is None else _kept(row)


async def list_all(connection: Any, kind: PolicyKind) -> list[KeptPolicy]:
    rows = await connection.fetch(
        "SELECT * FROM policies WHERE kind = $1 ORDER BY position, created_at, id LIMIT 1000", kind
    )
    return [_kept(row) for row in rows]


async def known_endpoints(connection: Any, endpoint_ids: Sequence[str]) -> set[str]:
    rows = await connection.fetch(
        "SELECT id FROM notification_endpoints WHERE id = ANY($1::text[])", list(endpoint_ids)
    )
    return {row["id"] for row in rows}


async def load(connection: Any) -> Policies:
    """Return the enabled assignment rules and escalation policies, and every calendar."""
    rows = await connection.fetch(
        """
        SELECT id, kind, document, n_assigned FROM policies WHERE is_enabled AND kind <> 'routing'
        ORDER BY position, created_at, id
        """
    )
    policies = [(row["id"], _decoders[row["kind"]].decode(row["document"]), row["n_assigned"]) for row in rows]
    return Policies(
        assignment=[(key, policy) for key, policy, _ in policies if isinstance(policy, AssignmentRule)],
        escalation=[(key, policy) for key, policy, _ in policies if isinstance(policy, EscalationPolicy)],
        calendars={key: policy for key, policy, _ in policies if isinstance(policy, Calendar)},
        n_assigned={key: n for key, _, n in policies},
    )


async def claim_log(connection: Any) -> int | None:
    """Return how far the log was read, the place locked until the transaction ends; None while another has it."""
    seq = await connection.fetchval("SELECT seq FROM policy_position FOR UPDATE SKIP LOCKED")
    return None if seq is None else int(seq)


async def starts_after(connection: Any, seq: int, limit: int) -> tuple[list[str], int]:
    """Return the live alerts that began or began anew in the next events, and the seq up to which that is all."""
    rows = await connection.fetch(
        "SELECT seq, alert_id, type, is_historical FROM alert_events WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit
    )
    alert_ids = [row["alert_id"] for row in rows if row["type"] in _STARTS and not row["is_historical"]]
    return list(dict.fromkeys(alert_ids)), rows[-1]["seq"] if rows else seq


async def move_log(connection: Any, seq: int) -> None:
    await connection.execute("UPDATE policy_position SET seq = $1", seq)


async def count_assigned(connection: Any, n_by_rule: Mapping[str, int]) -> None:
    await connection.execute(
        """
        UPDATE policies AS p SET n_assigned = t.n FROM unnest($1::text[], $2::bigint[]) AS t (id, n) WHERE p.id = t.id
        """,
        list(n_by_rule),
        list(n_by_rule.values()),
    )


async def set_timers(connection: Any, alert_ids: Sequence[str], timers: Sequence[Timer]) -> None:
    """Put these timers in the place of whatever ran for the alerts."""
    await connection.execute("DELETE FROM alert_timers WHERE alert_id = ANY($1::text[])", list(alert_ids))
    await connection.executemany(
        """
        INSERT INTO alert_timers (alert_id, customer_id, kind, step, policy_id, due_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [msgspec.structs.astuple(timer) for timer in timers],
    )


async def due_timers(connection: Any, now: datetime, limit: int) -> list[Timer]:
    """Return what is due, oldest first, taken from the table within the caller's transaction."""
    rows = await connection.fetch(
        """
        DELETE FROM alert_timers WHERE (alert_id, kind, step) IN (
            SELECT alert_id, kind, step FROM alert_timers WHERE due_at <= $1
            ORDER BY due_at, alert_id LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING alert_id, customer_id, kind, step, policy_id, due_at
        """,
        now,
        limit,
    )
    return sorted((Timer(**dict(row)) for row in rows), key=lambda timer: (timer.due_at, timer.alert_id, timer.step))


async def put_off(connection: Any, timers: Sequence[Timer]) -> None:
    await connection.executemany(
        """
        INSERT INTO alert_timers (alert_id, customer_id, kind, step, policy_id, due_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
        """,
        [msgspec.structs.astuple(timer) for timer in timers],
    )


def _order(policy: Policy) -> tuple[int, bool]:
    return (0, True) if isinstance(policy, Calendar) else (policy.position, policy.is_enabled)


def _kept(row: Any) -> KeptPolicy:
    return KeptPolicy(
        id=row["id"],
        policy=_decoders[row["kind"]].decode(row["document"]),
        n_assigned=row["n_assigned"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        updated_at=row["updated_at"],
    )
