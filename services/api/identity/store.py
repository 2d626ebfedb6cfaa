"""Links in PostgreSQL: who belongs to whom, rows moved to and fro, conflicts. Called in the projection's transaction.

Every row remembers whose history it is, so a link is undone by the same statement that made it: all rows of a history
go to the customer at the root of its links.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.api.alert.store import move_alerts
from services.api.identity.decide import owning_history
from services.api.identity.model import Conflict, ConflictStatus, LinkChange
from services.api.identity.schemas import ConflictView, LinkEventView, LinkView
from services.api.interaction.search import text_terms

# Longer chains than a company makes in years; and what ends the walk should two ids ever point at each other.
_LONGEST_CHAIN = 64
_MOVED_TABLES = ("interactions", "orders", "handles", "sentiment_labels")
_INSERT_HANDLES = """
    INSERT INTO handles AS h (handle, customer_id, origin_id)
    SELECT handle, customer_id, nullif(origin_id, customer_id)
    FROM unnest($1::text[], $2::text[], $3::text[]) AS t (handle, customer_id, origin_id)
"""
_CONFLICT = (
    "id, linked_id, handle, owner_id, claimant_id, at, by, reason, version, status, decided_at, decided_by, note"
)


async def roots(connection: Any, ids: Iterable[str]) -> dict[str, str]:
    """Return whose each id is today, for those that were ever linked; an id that is free again is its own."""
    rows = await connection.fetch(
        f"""
        WITH RECURSIVE up AS (
            SELECT linked_id AS start, coalesce(into_id, linked_id) AS id, 1 AS depth
            FROM customer_links WHERE linked_id = ANY($1::text[])
            UNION ALL
            SELECT up.start, l.into_id, up.depth + 1 FROM up
            JOIN customer_links l ON l.linked_id = up.id AND l.into_id IS NOT NULL
            WHERE up.depth < {_LONGEST_CHAIN}
        )
        SELECT DISTINCT ON (start) start, id FROM up ORDER BY start, depth DESC
        """,  # noqa: S608 - a number of this module
        sorted(set(ids)),
    )
    return {row["start"]: row["id"] for row in rows}


async def joined_to(connection: Any, customer_id: str) -> list[str]:
    """Return every id that was joined to the customer, directly or along others, without its own."""
    rows = await connection.fetch(
        """
        WITH RECURSIVE below AS (
            SELECT linked_id FROM customer_links WHERE into_id = $1
            UNION SELECT l.linked_id FROM customer_links l JOIN below ON l.into_id = below.linked_id
        )
        SELECT linked_id FROM below WHERE linked_id <> $1 ORDER BY 1
        """,
        customer_id,
    )
    return [row["linked_id"] for row in rows]


async def apply_link(connection: Any, change: LinkChange) -> None:
    """Make or end a link and move every row of the histories concerned to the customer they belong to now."""
    before = (await roots(connection, [change.linked_id])).get(change.linked_id, change.linked_id)
    changed = await connection.fetchval(
        """
        INSERT INTO customer_links AS l (linked_id, into_id, handle, version, at, by, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (linked_id) DO UPDATE SET
            into_id = excluded.into_id, handle = coalesce(excluded.handle, l.handle), version = excluded.version,
            at = excluded.at, by = excluded.by, reason = excluded.reason
        WHERE l.version <= excluded.version
        RETURNING 1
        """,
        change.linked_id,
        change.other_id if change.kind == "linked" else None,
        change.handle,
        change.version,
        change.at,
        change.by,
        change.reason,
    )
    await connection.execute(
        """
        INSERT INTO link_events (linked_id, version, kind, other_id, handle, at, by, reason)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8
        WHERE NOT EXISTS (SELECT FROM erasures WHERE customer_id = $4 AND erased_at >= $6)
        ON CONFLICT DO NOTHING
        """,
        change.linked_id,
        change.version,
        change.kind,
        change.other_id,
        change.handle,
        change.at,
        change.by,
        change.reason,
    )
    if changed:
        await _settle(connection, change, before)


async def _settle(connection: Any, change: LinkChange, before: str) -> None:
    root = (await roots(connection, [change.linked_id])).get(change.linked_id, change.linked_id)
    ids = [change.linked_id, *await joined_to(connection, change.linked_id)]
    if change.handle is not None:
        await see_handles(connection, {(change.handle, change.linked_id): root})
    await move_histories(connection, ids, root)
    await connection.execute(
        """
        INSERT INTO customers (customer_id, first_seen_at, last_seen_at) VALUES ($1, $2, $2)
        ON CONFLICT (customer_id) DO UPDATE SET merged_into = NULL
        """,
        root,
        change.at,
    )
    await connection.execute(
        "UPDATE customers SET merged_into = nullif($1, customer_id) WHERE customer_id = ANY($2::text[])", root, ids
    )
    for customer_id in {root, before}:
        await _refresh(connection, customer_id)


async def _refresh(connection: Any, customer_id: str) -> None:
    """Tell a customer's first and last event, and what it is found by, from the rows that are its own now."""
    await connection.execute(
        """
        UPDATE customers SET
            first_seen_at = coalesce((SELECT min(occurred_at) FROM interactions WHERE customer_id = $1), first_seen_at),
            last_seen_at = coalesce((SELECT max(occurred_at) FROM interactions WHERE customer_id = $1), last_seen_at)
        WHERE customer_id = $1
        """,
        customer_id,
    )
    await refresh_names(connection, customer_id)


async def refresh_names(connection: Any, customer_id: str) -> None:
    """Tell what a customer is found by from the name and the handles that are its own now."""
    names = await connection.fetch(
        """
        SELECT handle AS name FROM handles WHERE customer_id = $1
        UNION ALL SELECT name FROM customers WHERE customer_id = $1 AND name IS NOT NULL
        """,
        customer_id,
    )
    await connection.execute(
        "UPDATE customers SET search = array_to_tsvector(string_to_array(nullif($2, ''), ' ')) WHERE customer_id = $1",
        customer_id,
        " ".join(text_terms(*(row["name"] for row in names))),
    )


async def see_handles(connection: Any, seen: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Store in whose histories handles were seen; return those that are another's than before, with whose they are now.

    `seen` says by handle and history whose that history is today.
    """
    pairs = sorted(seen)
    rows = await connection.fetch(
        """
        INSERT INTO handle_sightings (handle, origin_id) SELECT * FROM unnest($1::text[], $2::text[])
        ON CONFLICT DO NOTHING RETURNING handle, origin_id
        """,
        [handle for handle, _ in pairs],
        [origin_id for _, origin_id in pairs],
    )
    histories: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        histories[row["handle"]].append(row["origin_id"])
    if not histories:
        return {}
    chosen = {handle: owning_history(handle, histories[handle]) for handle in sorted(histories)}
    rows = await connection.fetch(
        f"{_INSERT_HANDLES} ON CONFLICT (handle) DO NOTHING RETURNING handle, customer_id",
        list(chosen),
        [seen[pair] for pair in chosen.items()],
        list(chosen.values()),
    )
    stored = {row["handle"]: row["customer_id"] for row in rows}
    return stored | await settle_handles(connection, [handle for handle in chosen if handle not in stored])


async def settle_handles(connection: Any, handles: Sequence[str]) -> dict[str, str]:
    """Let each handle go with the history that decides, of those it was seen in; return those that changed hands."""
    if not handles:
        return {}
    # Who stores a sighting of one of them meanwhile is waited for here and seen below, or waits and sees ours.
    rows = await connection.fetch(
        "SELECT handle, customer_id FROM handles WHERE handle = ANY($1::text[]) ORDER BY handle FOR UPDATE", handles
    )
    before = {row["handle"]: row["customer_id"] for row in rows}
    rows = await connection.fetch(
        """
        SELECT handle, array_agg(origin_id) AS histories FROM handle_sightings WHERE handle = ANY($1::text[])
        GROUP BY handle ORDER BY handle
        """,
        handles,
    )
    chosen = {row["handle"]: owning_history(row["handle"], row["histories"]) for row in rows}
    owners = await roots(connection, chosen.values())
    rows = await connection.fetch(
        f"""
        {_INSERT_HANDLES} ON CONFLICT (handle) DO UPDATE
        SET customer_id = excluded.customer_id, origin_id = excluded.origin_id
        WHERE coalesce(h.origin_id, h.customer_id) <> coalesce(excluded.origin_id, excluded.customer_id)
        RETURNING handle, customer_id
        """,  # noqa: S608 - a statement of this module
        list(chosen),
        [owners.get(origin_id, origin_id) for origin_id in chosen.values()],
        list(chosen.values()),
    )
    changed = {row["handle"]: row["customer_id"] for row in rows}
    for customer_id in sorted({*changed.values(), *(before[handle] for handle in changed if handle in before)}):
        await refresh_names(connection, customer_id)
    return changed


async def move_histories(connection: Any, ids: Sequence[str], customer_id: str) -> None:
    """Let every row of these histories be the customer's; each goes on remembering whose history it is of."""
    for table in _MOVED_TABLES:
        await connection.execute(
            f"""
            UPDATE {table} SET customer_id = $1, origin_id = customer_id
            WHERE customer_id = ANY($2::text[]) AND origin_id IS NULL AND customer_id <> $1
            """,  # noqa: S608 - names from a tuple of this module
            customer_id,
            list(ids),
        )
        await connection.execute(
            f"UPDATE {table} SET customer_id = $1 WHERE origin_id = ANY($2::text[]) AND customer_id <> $1",  # noqa: S608
            customer_id,
            list(ids),
        )
    await move_alerts(connection, ids, customer_id)


async def forget_links(connection: Any, customer_id: str) -> None:
    """Remove all that is known about the links of an erased customer."""
    await connection.execute("DELETE FROM customer_links WHERE linked_id = $1", customer_id)
    await connection.execute("DELETE FROM link_events WHERE linked_id = $1 OR other_id = $1", customer_id)
    await connection.execute(
        "DELETE FROM link_conflicts WHERE linked_id = $1 OR owner_id = $1 OR claimant_id = $1", customer_id
    )


async def add_conflicts(connection: Any, conflicts: Sequence[Conflict]) -> None:
    """Store conflicts; one that was told before stays as it is, decided or not."""
    await connection.executemany(
        """
        INSERT INTO link_conflicts (id, linked_id, handle, owner_id, claimant_id, at, by, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        conflicts,
    )


async def conflicts(
    connection: Any, *, status: ConflictStatus | None, before: tuple[datetime, str] | None, limit: int
) -> list[ConflictView]:
    """Return conflicts, newest first, older than the keyset `before`."""
    rows = await connection.fetch(
        f"""
        SELECT {_CONFLICT} FROM link_conflicts
        WHERE ($1::text IS NULL OR status = $1) AND ($2::timestamptz IS NULL OR (at, id) < ($2, $3))
        ORDER BY at DESC, id DESC LIMIT $4
        """,  # noqa: S608 - columns of this module
        status,
        *(before or (None, None)),
        limit,
    )
    return [ConflictView(**dict(row)) for row in rows]


async def conflict(connection: Any, conflict_id: str, *, for_update: bool = False) -> ConflictView | None:
    row = await connection.fetchrow(
        f"SELECT {_CONFLICT} FROM link_conflicts WHERE id = $1 {'FOR UPDATE' if for_update else ''}",  # noqa: S608
        conflict_id,
    )
    return None if row is None else ConflictView(**dict(row))


async def decide_conflict(
    connection: Any, conflict_id: str, status: ConflictStatus, by: str, at: datetime, note: str | None
) -> ConflictView:
    """Store a person's decision and return the conflict as it is then."""
    row = await connection.fetchrow(
        f"""
        UPDATE link_conflicts SET status = $2, decided_by = $3, decided_at = $4, note = $5, version = version + 1
        WHERE id = $1 RETURNING {_CONFLICT}
        """,  # noqa: S608 - columns of this module
        conflict_id,
        status,
        by,
        at,
        note,
    )
    return ConflictView(**dict(row))


async def links_of(connection: Any, customer_id: str) -> list[LinkView]:
    """Return the links by which others belong to the customer, the oldest first."""
    ids = await joined_to(connection, customer_id)
    rows = await connection.fetch(
        """
        SELECT linked_id, into_id, handle, at, by, reason FROM customer_links
        WHERE linked_id = ANY($1::text[]) ORDER BY at, linked_id
        """,
        ids,
    )
    return [LinkView(**dict(row)) for row in rows]


async def link(connection: Any, linked_id: str) -> LinkView | None:
    """Return the link of an id, or None when it is nobody's."""
    row = await connection.fetchrow(
        """
        SELECT linked_id, into_id, handle, at, by, reason FROM customer_links
        WHERE linked_id = $1 AND into_id IS NOT NULL
        """,
        linked_id,
    )
    return None if row is None else LinkView(**dict(row))


async def link_history(connection: Any, customer_id: str) -> list[LinkEventView]:
    """Return every link that was ever made to, from or under the customer, newest first."""
    rows = await connection.fetch(
        """
        SELECT linked_id, kind, other_id, handle, at, by, reason FROM link_events
        WHERE linked_id = ANY($1::text[]) OR other_id = ANY($1::text[])
        ORDER BY at DESC, version DESC, kind LIMIT 500
        """,
        [customer_id, *await joined_to(connection, customer_id)],
    )
    return [LinkEventView(**dict(row)) for row in rows]


async def is_known(connection: Any, customer_id: str) -> bool:
    """Return whether there is such a customer, linked or not."""
    return bool(await connection.fetchval("SELECT 1 FROM customers WHERE customer_id = $1", customer_id))
