"""Writes a batch's rows and the offsets they end at in one transaction; the only writer of the projected tables."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as replace_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import msgspec

from services.api.alert.store import append_records, move_alerts
from services.api.identity.model import LinkChange
from services.api.identity.store import (
    add_conflicts,
    apply_link,
    forget_links,
    joined_to,
    move_histories,
    refresh_names,
    roots,
    see_handles,
    settle_handles,
)
from services.api.interaction.search import text_terms, tsvector
from services.api.kpi import buyers, served
from services.api.projection.model import (
    Changes,
    CustomerChange,
    Erasure,
    InteractionRow,
    OrderRow,
    RiskDayRow,
    RiskRow,
    Sighting,
)
from shared.contracts.alert import AlertRecord
from shared.contracts.codec import encode
from shared.contracts.enriched import Engagement
from shared.errors import PulselineError
from shared.kafka.consumer import Partition
from shared.postgres.advisory import AdvisoryLock

_COLUMNS = ", ".join(InteractionRow._fields)
_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS incoming_interactions (
    occurred_at timestamptz, event_key uuid, customer_id text, source text, event_id text, type text, channel text,
    direction text, conversation_id text, actor_kind text, actor_id text, language text, sentiment_label text,
    sentiment_score real, is_complaint boolean, urgency text, aspects text[], received_at timestamptz, subject text,
    body text, event jsonb, sentiment jsonb, origin_id text, search tsvector
) ON COMMIT DELETE ROWS
"""
_FIRST_MONTH = (1990, 1)
_LAST_MONTH = (2100, 12)

# An alert bears its event's time; so far a clock may be ahead of ours before ingest refuses what it stamps.
_AHEAD = timedelta(minutes=5)
_BY_THEN = "<= $2::timestamptz + interval '5 minutes'"
# Whose history a row is of, whoever he is linked to.
_OF_HISTORY = "((customer_id = $1 AND origin_id IS NULL) OR origin_id = $1)"
# What a customer did after his erasure may be read before it, from another partition or topic: it stays.
_ERASED_IN_TIME = (
    f"""
    DELETE FROM orders AS o WHERE {_OF_HISTORY} AND (occurred_at <= $2 OR EXISTS (
        SELECT FROM interactions i
        WHERE i.event_key = o.event_key AND i.occurred_at = o.occurred_at AND i.received_at <= $2
    ))
    """,  # noqa: S608 - a condition of this module
    f"DELETE FROM interactions WHERE {_OF_HISTORY} AND least(occurred_at, received_at) <= $2",  # noqa: S608
    f"""
    DELETE FROM alert_events WHERE alert_id IN (
        SELECT alert_id FROM alerts WHERE {_OF_HISTORY} AND raised_at {_BY_THEN}
    )
    """,  # noqa: S608
    f"DELETE FROM alerts WHERE {_OF_HISTORY} AND raised_at {_BY_THEN}",  # noqa: S608
    f"DELETE FROM early_clearances WHERE customer_id = $1 AND (record ->> 'at')::timestamptz {_BY_THEN}",  # noqa: S608
)
_ERASED_WHOLLY = (
    f"DELETE FROM sentiment_labels WHERE {_OF_HISTORY}",  # noqa: S608
    """
    DELETE FROM alert_events AS e
    WHERE customer_id = $1 AND NOT EXISTS (SELECT FROM alerts a WHERE a.alert_id = e.alert_id AND a.customer_id = $1)
    """,
    """
    DELETE FROM alert_timers AS t
    WHERE customer_id = $1 AND NOT EXISTS (SELECT FROM alerts a WHERE a.alert_id = t.alert_id AND a.customer_id = $1)
    """,
    """
    DELETE FROM notification_jobs AS j
    WHERE customer_id = $1 AND NOT EXISTS (SELECT FROM alert_events e WHERE e.seq = j.seq)
    """,
    "DELETE FROM customer_risk_daily WHERE customer_id = $1",
    "DELETE FROM customers WHERE customer_id = $1",
)
# Who did what and when stays; about whom, and what was written about him, does not. Told before his alerts and labels
# are deleted, which say what of the audit log is about him.
_WORK_ON_HIM = (
    "UPDATE audit_log SET target_id = 'erased', detail = '{}' WHERE target_type = 'customer' AND target_id = $1",
    f"""
    UPDATE audit_log SET detail = '{{}}' WHERE target_type = 'alert' AND target_id IN (
        SELECT alert_id FROM alerts WHERE {_OF_HISTORY} AND raised_at {_BY_THEN}
    )
    """,  # noqa: S608
    f"""
    UPDATE audit_log SET target_id = 'erased', detail = '{{}}' WHERE target_type = 'event' AND target_id IN (
        SELECT source || '/' || event_id FROM sentiment_labels WHERE {_OF_HISTORY}
    )
    """,  # noqa: S608
)
_NAMED_IN_WORK = (
    # Of a link, the entries about either customer name both.
    """
    UPDATE audit_log SET detail = '{}'
    WHERE action LIKE 'identity.%' AND strpos(detail::text, to_json($1::text)::text) > 0
    """,
    "DELETE FROM idempotency_keys WHERE position(convert_to(to_json($1::text)::text, 'UTF8') IN body) > 0",
)
# They go to whoever else was seen with them.
_HANDLES_LEFT = f"""
    DELETE FROM handles AS h WHERE {_OF_HISTORY} AND NOT EXISTS (
        SELECT FROM handle_sightings AS s WHERE s.handle = h.handle AND s.origin_id = $1
    ) RETURNING h.handle
"""  # noqa: S608

Month = tuple[int, int]
MovedRow = TypeVar("MovedRow", InteractionRow, OrderRow)


class FencedError(PulselineError):
    """Somebody else has moved these partitions on: nothing was written, and this process must let go of them."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        super().__init__(f"another process projects {partitions}")
        self.partitions = partitions


async def prepare(connection: Any, *, is_durable: bool = True) -> None:
    """Make the connection ready to write batches.

    Without `is_durable` a commit does not wait for the disk: should PostgreSQL crash, the last batches are lost with
    their offsets and projected again (ADR 0018). Never for alerts, which people and webhooks have seen by then.
    """
    if not is_durable:
        await connection.execute("SET synchronous_commit = off")
    await connection.execute(_STAGING)
    await connection.set_type_codec("tsvector", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)


async def stored_offsets(connection: Any, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Return the next offset of each partition, registering those never seen at 0."""
    topics = [topic for topic, _ in partitions]
    numbers = [number for _, number in partitions]
    await connection.execute(
        """
        INSERT INTO projection_offsets (topic, partition, next_offset)
        SELECT topic, partition, 0 FROM unnest($1::text[], $2::int[]) AS t (topic, partition)
        ON CONFLICT DO NOTHING
        """,
        topics,
        numbers,
    )
    rows = await connection.fetch(
        """
        SELECT topic, partition, next_offset FROM projection_offsets
        JOIN unnest($1::text[], $2::int[]) AS t (topic, partition) USING (topic, partition)
        """,
        topics,
        numbers,
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def write(
    connection: Any,
    groups: Sequence[Changes],
    moves: Mapping[Partition, tuple[int, int]],
    holdout_ratio: float = 0.0,
) -> int:
    """Write the rows and move each partition from its expected offset to its next one, all or nothing.

    Returns how many alert events were appended. Raises `FencedError` when a partition is not where this process left
    it: comparing in the same transaction keeps a twin that lost its lease out, however late it wakes up.
    """
    months = {month for group in groups for row in group.interactions if (month := _month(row.occurred_at))}
    await create_months(connection, months)
    is_joining = any(group.link is not None or group.erasure is not None for group in groups)
    async with connection.transaction():
        # Rows that another lane writes for a customer meanwhile would be neither moved here nor know where to go.
        lock = "pg_advisory_xact_lock" if is_joining else "pg_advisory_xact_lock_shared"
        await connection.execute(f"SELECT {lock}($1)", AdvisoryLock.JOINS)
        await _move_offsets(connection, moves)
        n_alert_events = 0
        for group in groups:
            n_alert_events += await _write_group(connection, group, holdout_ratio)
        return n_alert_events


async def create_months(connection: Any, months: Iterable[Month]) -> None:
    """Create the interactions partitions of these months where they are missing."""
    names = {_partition_name(month): month for month in months}
    if not names:
        return
    rows = await connection.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1::text[])", list(names))
    missing = sorted(set(names) - {row["relname"] for row in rows})
    if not missing:
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.INTERACTION_MONTHS)
        for name in missing:
            year, month = names[name]
            next_year, next_month = (year, month + 1) if month < 12 else (year + 1, 1)
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF interactions FOR VALUES "
                f"FROM ('{year:04}-{month:02}-01 00:00+00') TO ('{next_year:04}-{next_month:02}-01 00:00+00')"
            )


async def drop_months_before(connection: Any, oldest_kept: Month) -> list[str]:
    """Drop the interactions partitions of earlier months and return their names."""
    rows = await connection.fetch(
        """
        SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
        WHERE inhparent = 'interactions'::regclass AND c.relname ~ '^interactions_[0-9]{4}_[0-9]{2}$'
            AND c.relname < $1 ORDER BY 1
        """,
        _partition_name(oldest_kept),
    )
    names = [str(row["relname"]) for row in rows]
    for name in names:
        # A drop waits for readers; better later than holding everybody up behind it.
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(f"DROP TABLE IF EXISTS {name}")
            await served.note_before(connection, datetime(*oldest_kept, 1, tzinfo=UTC))
    return names


async def _move_offsets(connection: Any, moves: Mapping[Partition, tuple[int, int]]) -> None:
    moved = await connection.fetch(
        """
        UPDATE projection_offsets AS o SET updated_at = now(), next_offset = t.next_offset,
            noted_offset = CASE WHEN o.noted_offset = o.next_offset THEN t.next_offset ELSE o.noted_offset END,
            effort_offset = CASE WHEN o.effort_offset = o.next_offset THEN t.next_offset ELSE o.effort_offset END
        FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS t (topic, partition, expected, next_offset)
        WHERE o.topic = t.topic AND o.partition = t.partition AND o.next_offset = t.expected
        RETURNING o.topic, o.partition
        """,
        [topic for topic, _ in moves],
        [number for _, number in moves],
        [expected for expected, _ in moves.values()],
        [next_offset for _, next_offset in moves.values()],
    )
    fenced = set(moves) - {(row["topic"], row["partition"]) for row in moved}
    if fenced:
        raise FencedError(sorted(fenced))


async def _write_group(connection: Any, group: Changes, holdout_ratio: float) -> int:
    group = await _without_erased_and_linked(connection, group)
    if group.interactions:
        await _write_interactions(connection, group.interactions)
    if group.orders:
        await connection.execute(
            """
            INSERT INTO orders (event_key, customer_id, order_id, kind, amount, currency, occurred_at, origin_id)
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::text[],
                                 $7::timestamptz[], $8::text[])
            ON CONFLICT DO NOTHING
            """,
            *map(list, zip(*group.orders, strict=True)),
        )
    new_handles = await _write_sightings(connection, group.sightings, group.customers) if group.sightings else {}
    if group.customers:
        await _write_customers(connection, group.customers, new_handles)
    if group.risks:
        await _write_risks(connection, group.risks.values())
    if group.risk_days:
        await _write_risk_days(connection, group.risk_days.values())
    if group.dead_letters:
        await _write_dead_letters(connection, group)
    if group.restated:
        await _restate(connection, group.restated)
    if group.conflicts:
        await add_conflicts(connection, group.conflicts)
    if group.link is not None:
        await apply_link(connection, group.link)
    if group.erasure is not None:
        await _erase(connection, group.erasure)
    return await _append_alerts(connection, group.alerts, holdout_ratio) if group.alerts else 0


async def _append_alerts(connection: Any, alerts: Sequence[AlertRecord], holdout_ratio: float) -> int:
    n_appended = await append_records(connection, alerts, holdout_ratio)
    owners = await roots(connection, {record.customer_id for record in alerts})
    for customer_id, owner in owners.items():
        if owner != customer_id:
            await move_alerts(connection, [customer_id], owner)
    return n_appended


async def _restate(connection: Any, restated: Mapping[str, Engagement]) -> None:
    await connection.executemany(
        "UPDATE customers SET engagement = $2 WHERE customer_id = $1",
        [(customer_id, encode(engagement)) for customer_id, engagement in sorted(restated.items())],
    )


async def _write_interactions(connection: Any, rows: Sequence[InteractionRow]) -> None:
    await served.note(connection, rows)
    distinct = list({(row.event_key, row.occurred_at): row for row in reversed(rows)}.values())
    try:
        # Straight into the table, half the work of a staging table; what was projected before shows as a violation.
        async with connection.transaction():
            await connection.copy_records_to_table("interactions", columns=InteractionRow._fields, records=distinct)
    except asyncpg.UniqueViolationError:
        await connection.copy_records_to_table("incoming_interactions", records=distinct)
        await connection.execute(
            f"INSERT INTO interactions ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming_interactions "  # noqa: S608 - the columns are the row type's own
            "ON CONFLICT DO NOTHING"
        )
        await connection.execute("TRUNCATE incoming_interactions")


async def _write_customers(
    connection: Any, changes: Mapping[str, CustomerChange], new_handles: Mapping[str, Sequence[str]]
) -> None:
    ids = sorted(changes)
    rows = [changes[customer_id] for customer_id in ids]
    vectors = [
        tsvector(text_terms(changes[customer_id].name, *new_handles.get(customer_id, ())))
        if customer_id in new_handles or changes[customer_id].name is not None
        else None
        for customer_id in ids
    ]
    await connection.execute(
        """
        INSERT INTO customers AS c
            (customer_id, first_seen_at, last_seen_at, engagement, name, birthday, consent, search, is_demo)
        SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::jsonb[], $5::text[], $6::text[],
                             $7::boolean[], $8::tsvector[], $9::boolean[])
        ON CONFLICT (customer_id) DO UPDATE SET
            first_seen_at = least(c.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
            engagement = coalesce(excluded.engagement, c.engagement),
            name = coalesce(excluded.name, c.name),
            birthday = coalesce(excluded.birthday, c.birthday),
            consent = coalesce(excluded.consent, c.consent),
            is_demo = c.is_demo OR excluded.is_demo,
            search = CASE WHEN excluded.search IS NULL THEN c.search
                          ELSE coalesce(c.search, ''::tsvector) || excluded.search END
        """,
        ids,
        [row.first_seen_at for row in rows],
        [row.last_seen_at for row in rows],
        [None if row.engagement is None else encode(row.engagement) for row in rows],
        [row.name for row in rows],
        [row.birthday for row in rows],
        [row.consent for row in rows],
        vectors,
        [row.is_demo for row in rows],
    )
    await _name_after_senders(connection, {one: changes[one].sender_name for one in ids})


async def _name_after_senders(connection: Any, names: Mapping[str, str | None]) -> None:
    """Give customers whom nobody has named the name that a channel knows them by: the first one stays."""
    nameless = await connection.fetch(
        "SELECT customer_id FROM customers WHERE customer_id = ANY($1::text[]) AND name IS NULL",
        [customer_id for customer_id, name in names.items() if name],
    )
    told = {customer_id: names[customer_id] for (customer_id,) in nameless}
    await connection.execute(
        """
        UPDATE customers AS c SET name = told.name, search = coalesce(c.search, ''::tsvector) || told.search
        FROM unnest($1::text[], $2::text[], $3::tsvector[]) AS told (customer_id, name, search)
        WHERE c.customer_id = told.customer_id
        """,
        list(told),
        list(told.values()),
        [tsvector(text_terms(name)) for name in told.values()],
    )


async def _write_sightings(
    connection: Any, sightings: Mapping[tuple[str, str], Sighting], changes: Mapping[str, CustomerChange]
) -> dict[str, list[str]]:
    """Store where handles were seen; return those that are another's than before, by whose they are now."""
    seen = {key: sighting.customer_id for key, sighting in sightings.items()}
    new_handles: defaultdict[str, list[str]] = defaultdict(list)
    for handle, customer_id in (await see_handles(connection, seen)).items():
        new_handles[customer_id].append(handle)
    for customer_id in sorted(set(new_handles) - set(changes)):
        await refresh_names(connection, customer_id)
    return new_handles


async def _write_risks(connection: Any, risks: Iterable[RiskRow]) -> None:
    await connection.execute(
        """
        INSERT INTO customers AS c (customer_id, first_seen_at, last_seen_at, risk, risk_state, p_churn, expected_loss,
                                    tier, n_purchases, last_purchase_at, currency)
        SELECT customer_id, coalesce(last_purchase_at, as_of), coalesce(last_purchase_at, as_of), risk, state, p_churn,
               expected_loss, tier, n_purchases, last_purchase_at, currency
        FROM unnest($1::text[], $2::timestamptz[], $3::jsonb[], $4::text[], $5::float8[], $6::float8[], $7::text[],
                    $8::int[], $9::timestamptz[], $10::text[])
            AS t (customer_id, as_of, risk, state, p_churn, expected_loss, tier, n_purchases, last_purchase_at,
                  currency)
        ON CONFLICT (customer_id) DO UPDATE SET
            risk = excluded.risk, risk_state = excluded.risk_state, p_churn = excluded.p_churn,
            expected_loss = excluded.expected_loss, tier = coalesce(excluded.tier, c.tier),
            n_purchases = excluded.n_purchases, last_purchase_at = excluded.last_purchase_at,
            currency = coalesce(excluded.currency, c.currency)
        """,
        *map(list, zip(*sorted(risks), strict=True)),
    )


async def _write_risk_days(connection: Any, rows: Iterable[RiskDayRow]) -> None:
    await connection.execute(
        """
        INSERT INTO customer_risk_daily AS d (customer_id, day, p_leave, generation)
        SELECT * FROM unnest($1::text[], $2::date[], $3::float8[], $4::int[])
        ON CONFLICT (customer_id, day) DO UPDATE SET p_leave = excluded.p_leave, generation = excluded.generation
        WHERE excluded.p_leave >= d.p_leave
        """,
        *map(list, zip(*sorted(rows), strict=True)),
    )


async def forget_risk_before(connection: Any, oldest_kept: date, limit: int = 50_000) -> int:
    """Delete up to `limit` of the oldest days of risk before `oldest_kept` and return how many."""
    deleted = await connection.execute(
        """
        DELETE FROM customer_risk_daily WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM customer_risk_daily WHERE day < $1 ORDER BY day LIMIT $2
        ))
        """,
        oldest_kept,
        limit,
    )
    return int(str(deleted).rpartition(" ")[2])


async def _write_dead_letters(connection: Any, group: Changes) -> None:
    await connection.executemany(
        """
        INSERT INTO dead_letters (id, stage, topic, partition, "offset", reason, error, pointer, first_seen_at,
                                  attempts, key, value, headers)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (id) DO UPDATE SET attempts = greatest(dead_letters.attempts, excluded.attempts)
        """,
        [
            (
                letter.id,
                letter.stage,
                letter.topic,
                letter.partition,
                letter.offset,
                _storable(letter.reason),
                _storable(letter.error),
                _storable(letter.pointer),
                letter.first_seen_at,
                letter.attempts,
                letter.key,
                letter.value,
                msgspec.json.encode([(_storable(name), value) for name, value in letter.headers]),
            )
            for letter in group.dead_letters
        ],
    )


def _storable(text: str) -> str:
    # A reason may quote the bad input, and a dead letter must never fail on what it reports.
    return text.replace("\x00", "\\u0000")


async def _without_erased_and_linked(connection: Any, group: Changes) -> Changes:
    """Return the group without what is erased, its rows with whom their histories belong to now."""
    ids = {row.customer_id for row in group.interactions} | {
        row.origin_id for row in group.interactions if row.origin_id
    }
    ids |= set(group.risks) | {record.customer_id for record in group.alerts}
    ids |= {one for conflict in group.conflicts for one in (conflict.owner_id, conflict.claimant_id)}
    if group.link is not None:
        ids.add(group.link.other_id)
    if not ids:
        return group
    rows = await connection.fetch(
        "SELECT customer_id, erased_at FROM erasures WHERE customer_id = ANY($1::text[])", sorted(ids)
    )
    erased = {row["customer_id"]: row["erased_at"] for row in rows}
    owners = await roots(connection, ids)
    if not erased and not owners:
        return group
    # A clock that is ahead must not save what was heard of before the erasure.
    heard = {
        row.event_key: min(row.occurred_at, row.received_at)
        for row in group.interactions
        if erased and row.received_at is not None
    }

    def is_kept(customer_id: str, at: datetime) -> bool:
        return customer_id not in erased or at > erased[customer_id]

    def is_row_kept(row: InteractionRow | OrderRow) -> bool:
        return is_kept(row.origin_id or row.customer_id, heard.get(row.event_key, row.occurred_at))

    def is_link_kept(link: LinkChange) -> bool:
        # The processors erase along whoever was joined to an erased customer before they knew.
        return link.kind == "unlinked" or is_kept(link.other_id, link.at)

    def owner_of(origin_id: str, customer_id: str) -> str:
        return owners.get(origin_id, owners.get(customer_id, customer_id))

    def moved(row: MovedRow) -> MovedRow:
        origin_id = row.origin_id or row.customer_id
        owner = owner_of(origin_id, row.customer_id)
        return row._replace(customer_id=owner, origin_id=None if owner == origin_id else origin_id)

    kept_risks = {
        customer_id
        for customer_id, row in group.risks.items()
        if owners.get(customer_id, customer_id) == customer_id and is_kept(customer_id, row.as_of)
    }
    return Changes(
        interactions=[moved(row) for row in group.interactions if is_row_kept(row)],
        orders=[moved(row) for row in group.orders if is_row_kept(row)],
        customers=_moved_customers(group.customers, erased, owners),
        sightings={
            (handle, origin_id): sighting._replace(customer_id=owner_of(origin_id, sighting.customer_id))
            for (handle, origin_id), sighting in group.sightings.items()
            if is_kept(origin_id, sighting.heard_at)
        },
        risks={customer_id: row for customer_id, row in group.risks.items() if customer_id in kept_risks},
        risk_days={key: row for key, row in group.risk_days.items() if row.customer_id in kept_risks},
        alerts=[record for record in group.alerts if is_kept(record.customer_id, record.at - _AHEAD)],
        dead_letters=group.dead_letters,
        erasure=group.erasure,
        link=group.link if group.link is None or is_link_kept(group.link) else None,
        conflicts=[
            one for one in group.conflicts if is_kept(one.owner_id, one.at) and is_kept(one.claimant_id, one.at)
        ],
        restated=group.restated,
    )


def _moved_customers(
    customers: Mapping[str, CustomerChange], erased: Mapping[str, datetime], owners: Mapping[str, str]
) -> dict[str, CustomerChange]:
    kept: dict[str, CustomerChange] = {}
    for customer_id, change in customers.items():
        if customer_id in erased and change.last_seen_at <= erased[customer_id]:
            continue
        owner = owners.get(customer_id, customer_id)
        if owner == customer_id:
            kept[customer_id] = change
        elif owner not in customers:
            # A straggler under the linked id: its engagement snapshot and its sender's name are not its owner's.
            kept[owner] = replace_dataclass(change, engagement=None, sender_name=None)
    return kept


async def _erase(connection: Any, erasure: Erasure) -> None:
    """Remove everything known about a customer, and remember that it was removed.

    Of those joined to him the processors tell one by one: who they were at that point of the log is not known here,
    where partitions are read at different speeds.
    """
    customer_id = erasure.customer_id
    await connection.execute("SELECT set_config('pulseline.is_erasing', 'on', true)")
    for statement in _WORK_ON_HIM:
        arguments = (customer_id, erasure.at) if "$2" in statement else (customer_id,)
        await connection.execute(statement, *arguments)
    for statement in _NAMED_IN_WORK:
        await connection.execute(statement, customer_id)
    for statement in _ERASED_IN_TIME:
        await connection.execute(statement, customer_id, erasure.at)
    # Triggers forget here what nothing is left of: his part in service figures, and where his handles were seen.
    await connection.execute(
        """
        INSERT INTO erasures AS e (customer_id, erased_at) VALUES ($1, $2)
        ON CONFLICT (customer_id) DO UPDATE SET erased_at = greatest(e.erased_at, excluded.erased_at)
        """,
        customer_id,
        erasure.at,
    )
    for statement in _ERASED_WHOLLY:
        await connection.execute(statement, customer_id)
    await forget_links(connection, customer_id)
    handles = await connection.fetch(_HANDLES_LEFT, customer_id)
    await settle_handles(connection, [row["handle"] for row in handles])
    # What stays, of him and of who is joined to him, may have gone on over a link that is forgotten now.
    await move_histories(connection, [customer_id, *await joined_to(connection, customer_id)], customer_id)
    await buyers.forget(connection, customer_id)
    await connection.execute("SELECT set_config('pulseline.is_erasing', 'off', true)")


def _month(instant: datetime) -> Month | None:
    at = instant.astimezone(UTC)
    month = (at.year, at.month)
    return month if _FIRST_MONTH <= month <= _LAST_MONTH else None


def _partition_name(month: Month) -> str:
    return f"interactions_{month[0]:04}_{month[1]:02}"
