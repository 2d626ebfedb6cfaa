"""What service figures are counted from, kept packed by customer: a year's answer reads no message.

Owns the tables served, served_tickets, served_agents and served_summary. Whose messages and orders changed is noted in
served_changed (see migration 0014); his facts are then counted anew and put in place of the old ones, so that replays,
late messages, links and erasures need no rule of their own. One at a time does that, by a lock. Who is erased is
forgotten here at once, by a trigger on erasures (migration 0015): whichever version erases him. Facts are instants: any
time zone and any time until now is answered from them, as far as LAST_SEEN was not over then.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.api.kpi.contacts import BY_CUSTOMER, PACKED, TICKET_STEPS, TOLD_BY, customer_facts, packed, ticket_facts
from services.api.kpi.model import Packed
from shared.contracts.event import NOT_A_NEW_CONTACT
from shared.postgres.advisory import AdvisoryLock

# A fifth to half a second of work on a loaded machine: what an erasure may have to wait for.
BATCH = 2_000
# What an answer waits for at most; beyond that an import is under way, and the messages are counted.
_MOST_BATCHES = 6
# Nobody asks for what is older: 400 days before a time whose things are seen for 30 days more, and what comes before.
_KEPT = timedelta(days=500)


async def note(connection: Any, rows: Iterable[Any]) -> None:
    """Note whose facts new rows of interactions change."""
    if ids := {row.customer_id for row in rows if row.type in TOLD_BY}:
        await connection.execute("INSERT INTO served_changed (customer_id) SELECT unnest($1::text[])", sorted(ids))


async def note_before(connection: Any, at: datetime) -> None:
    """Note who is known by what began before, whose messages are not there any more."""
    await connection.execute(
        """
        INSERT INTO served_changed (customer_id)
        SELECT customer_id FROM served WHERE first_at < $1
        UNION SELECT unnest(customer_ids) FROM served_tickets WHERE started_at < $1
        """,
        at,
    )


async def advance(connection: Any, now: datetime, limit: int = BATCH) -> bool:
    """Take up some of what changed, or sum up some customers more; true when there is more to do."""
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", AdvisoryLock.SERVED):
        return False
    await _begin_anew_after_others(connection)
    if await _take_up(connection, now, limit):
        return True
    summary = await connection.fetchrow("SELECT built_to, is_built FROM served_summary")
    if summary["is_built"]:
        return False
    rows = await connection.fetch(
        """
        SELECT customer_id FROM (
            (SELECT DISTINCT customer_id FROM interactions WHERE customer_id > $1 ORDER BY 1 LIMIT $2)
            UNION (SELECT DISTINCT customer_id FROM orders WHERE customer_id > $1 ORDER BY 1 LIMIT $2)
        ) AS known ORDER BY 1 LIMIT $2
        """,
        summary["built_to"],
        limit,
    )
    ids = [row["customer_id"] for row in rows]
    await _sum_up(connection, ids, now)
    is_built = len(ids) < limit
    await connection.execute(
        "UPDATE served_summary SET built_to = $1, is_built = $2", "" if is_built else ids[-1], is_built
    )
    return not is_built


async def catch_up(connection: Any, now: datetime, limit: int = BATCH) -> bool:
    """Return whether the summary holds everything until now, after taking up what changed."""
    is_whole = f"SELECT is_built AND NOT EXISTS ({_BY_OTHERS}) FROM served_summary"  # noqa: S608 - of this module
    if not await connection.fetchval(is_whole):
        return False
    await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.SERVED)
    if not await connection.fetchval(is_whole):
        return False
    for _ in range(_MOST_BATCHES):
        if not await _take_up(connection, now, limit):
            return True
    return False


async def facts(connection: Any, since: datetime) -> Packed:
    """Return what is known of customers whom anything is told of since then, earlier facts of theirs included."""
    row = await connection.fetchrow(
        f"""
        SELECT {PACKED},
               (SELECT string_agg(fact, '') FROM served_tickets WHERE started_at >= $1) AS tickets,
               (SELECT array_agg(id ORDER BY id) FROM served_agents) AS agent_ids,
               (SELECT array_agg(name ORDER BY id) FROM served_agents) AS agent_names
        FROM served WHERE last_at >= $1
        """,  # noqa: S608 - a constant of this package
        since,
    )
    return packed(row)


# Whatever a version has projected that notes nothing, or not all that is noted here: see migrations 0014 and 0019.
_BY_OTHERS = "SELECT FROM projection_offsets WHERE least(noted_offset, effort_offset) < next_offset"
_DUE = "FROM served_changed WHERE (not_before IS NULL OR not_before < $1)"


async def _begin_anew_after_others(connection: Any) -> None:
    changed = await connection.fetch(
        f"""
        UPDATE projection_offsets SET noted_offset = next_offset, effort_offset = next_offset
        WHERE ctid = ANY(ARRAY({_BY_OTHERS.replace("SELECT", "SELECT ctid")} FOR UPDATE SKIP LOCKED)) RETURNING 1
        """  # noqa: S608 - a condition of this module
    )
    if changed:
        await connection.execute("UPDATE served_summary SET built_to = '', is_built = false")


async def _take_up(connection: Any, now: datetime, limit: int) -> int:
    """Return of how many customers notes were taken up. What is noted meanwhile is seen now or taken up later, or both.

    All notes of a customer go at once: where more is said than can be counted in time, they must not fill the disk.
    """
    rows = await connection.fetch(f"SELECT customer_id {_DUE} LIMIT $2", now, limit)
    ids = sorted({row["customer_id"] for row in rows})
    if ids:
        await connection.execute(f"DELETE {_DUE} AND customer_id = ANY($2::text[])", now, ids)
    await _sum_up(connection, ids, now)
    return len(ids)


async def _sum_up(connection: Any, ids: Sequence[str], now: datetime) -> None:
    """Count what these customers said, heard and bought until now anew in place of what was counted of them.

    What is to come (clocks differ by minutes) is noted for when it is there.
    """
    if not ids:
        return
    asked = (now - _KEPT, now, sorted(NOT_A_NEW_CONTACT), ids)
    await connection.execute(
        f"""
        WITH {customer_facts("customer_id = ANY($4::text[])")}, bought AS (
            SELECT customer_id, min(occurred_at) AS first_at, max(occurred_at) AS last_at,
                   string_agg(timestamptz_send(occurred_at), '') AS bought FROM orders
            WHERE customer_id = ANY($4::text[]) AND kind = 'placed' AND occurred_at >= $1 AND occurred_at < $2
            GROUP BY customer_id
        ), told AS MATERIALIZED (
            SELECT customer_id, least(f.first_at, b.first_at) AS first_at, greatest(f.last_at, b.last_at) AS last_at,
                   coalesce(f.facts, '') AS facts, coalesce(f.efforts, '') AS efforts, coalesce(b.bought, '') AS bought
            FROM ({BY_CUSTOMER}) AS f
            FULL JOIN bought AS b USING (customer_id)
        ), gone AS (
            DELETE FROM served WHERE customer_id = ANY($4::text[])
                AND NOT EXISTS (SELECT FROM told WHERE told.customer_id = served.customer_id)
        ), named AS (
            INSERT INTO served_agents (id, name)
            SELECT DISTINCT hashtextextended(agent, 0), agent FROM facts WHERE agent IS NOT NULL
            ON CONFLICT DO NOTHING
        ), later AS (
            INSERT INTO served_changed (customer_id, not_before)
            SELECT customer_id, min(occurred_at) FROM (
                SELECT customer_id, occurred_at FROM interactions
                WHERE customer_id = ANY($4::text[]) AND occurred_at >= $2
                UNION ALL
                SELECT customer_id, occurred_at FROM orders
                WHERE customer_id = ANY($4::text[]) AND kind = 'placed' AND occurred_at >= $2
            ) AS ahead GROUP BY customer_id
        )
        INSERT INTO served (customer_id, first_at, last_at, facts, efforts, bought)
        SELECT customer_id, first_at, last_at, facts, efforts, bought FROM told
        ON CONFLICT (customer_id) DO UPDATE SET
            first_at = excluded.first_at, last_at = excluded.last_at, facts = excluded.facts,
            efforts = excluded.efforts, bought = excluded.bought
        """,  # noqa: S608 - constants of this package
        *asked,
    )
    await _sum_up_tickets(connection, asked)


async def _sum_up_tickets(connection: Any, asked: tuple[Any, ...]) -> None:
    """A ticket may be of several customers: who is known to have had a part in it is looked at along with these."""
    rows = await connection.fetch(
        f"""
        WITH told AS (
            SELECT DISTINCT source, event ->> 'ticket_id' AS ticket FROM interactions
            WHERE customer_id = ANY($1::text[]) AND {TICKET_STEPS}
        )
        SELECT source, ticket, customer_ids FROM told LEFT JOIN served_tickets USING (source, ticket)
        UNION ALL
        SELECT source, ticket, customer_ids FROM served_tickets WHERE customer_ids && $1::text[]
        """,  # noqa: S608 - a constant of this package
        asked[3],
    )
    if not rows:
        return
    ids = sorted({one for row in rows for one in row["customer_ids"] or ()} | set(asked[3]))
    # Without three: kinds of messages are no matter to tickets.
    await connection.execute(
        f"""
        WITH concerned AS (
            SELECT DISTINCT source, ticket FROM unnest($4::text[], $5::text[]) AS t (source, ticket)
        ), {ticket_facts("customer_id = ANY($3::text[]) AND (source, event ->> 'ticket_id') IN (TABLE concerned)")},
        gone AS (
            DELETE FROM served_tickets AS t USING concerned AS c
            WHERE t.source = c.source AND t.ticket = c.ticket AND NOT EXISTS (
                SELECT FROM tickets WHERE tickets.source = t.source AND tickets.ticket = t.ticket)
        ), named AS (
            INSERT INTO served_agents (id, name)
            SELECT DISTINCT hashtextextended(agent, 0), agent FROM tickets WHERE agent IS NOT NULL
            ON CONFLICT DO NOTHING
        ), later AS (
            -- Another process, whose clock is ahead, may have counted a step of somebody who is not among these.
            INSERT INTO served_changed (customer_id, not_before)
            SELECT customer_id, min(occurred_at) FROM interactions
            WHERE customer_id = ANY($3::text[]) AND occurred_at >= $2 AND {TICKET_STEPS}
                AND (source, event ->> 'ticket_id') IN (TABLE concerned)
            GROUP BY customer_id
        )
        INSERT INTO served_tickets (source, ticket, customer_ids, started_at, fact)
        SELECT source, ticket, customer_ids, started_at, fact FROM tickets
        ON CONFLICT (source, ticket) DO UPDATE SET
            customer_ids = excluded.customer_ids, started_at = excluded.started_at, fact = excluded.fact
        """,  # noqa: S608 - constants of this package
        asked[0],
        asked[1],
        ids,
        [row["source"] for row in rows],
        [row["ticket"] for row in rows],
    )
