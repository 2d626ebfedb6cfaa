"""Reads of customers: one whole, lists, searches. The projection writes them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from services.api.alert.holdout import HELD_OUT_FOR
from services.api.alert.model import STATUSES
from services.api.alert.store import search as search_alerts
from services.api.customer.schemas import (
    CustomerHit,
    CustomerSummary,
    CustomerView,
    OrderTotals,
    SentimentWeek,
    TimelineItem,
    TimelinePage,
)
from services.api.identity.store import joined_to, links_of, roots
from services.api.interaction.search import as_tsquery, query_terms, unfinished_word
from services.api.paging import encode_cursor
from services.api.segment.model import RiskState
from shared.handles import canonical

# Conditions on rows of customers with `{}` for their argument, and that; see segment.store.
Asked = Sequence[tuple[str, Any]]
TIMELINE_CURSOR = "timeline"
FIRST_TIMELINE_PAGE = 20
_OPEN = [status for status in STATUSES if status not in ("resolved", "expired")]
_COLUMNS = ", ".join(name for name in CustomerSummary.__struct_fields__ if name != "is_held_out")
# Of his alerts the newest counts, until he buys or the horizon is over: as long as the comparison waits for him.
_HELD_OUT = f"""
    coalesce((
        SELECT is_held_out AND NOT EXISTS (
            SELECT FROM orders
            WHERE orders.customer_id = alerts.customer_id AND kind = 'placed' AND occurred_at > raised_at
        ) FROM alerts
        WHERE alerts.customer_id = customers.customer_id AND NOT is_historical
            AND raised_at > now() - interval '{HELD_OUT_FOR.days} days'
        ORDER BY raised_at DESC, alert_id DESC LIMIT 1
    ), false)
"""  # noqa: S608 - a constant
# For who looks at everybody: the few with such an alert are found once.
_AMONG_HELD_OUT = f"""
    (customers.customer_id IN (
        SELECT customer_id FROM alerts
        WHERE is_held_out AND NOT is_historical AND raised_at > now() - interval '{HELD_OUT_FOR.days} days'
    ) AND {_HELD_OUT})
"""  # noqa: S608 - constants
_SENTIMENT_WEEKS = 26
# Of the customers that may still be kept: the index customers_at_risk is of these alone.
RANKED_STATES: tuple[RiskState, ...] = ("active", "at_risk")
# A text search stops after this many matching texts; the newest are the ones people look for, so it goes back in time
# by stretches that end so long before the newest event, each about twice as long as the one before.
_TEXT_SCAN = 1_000
_TEXT_STRETCHES_DAYS = (31, 93, 217, 465, 961)


def _summary(sees_held_out: bool, held_out: str = _HELD_OUT) -> str:
    """Return the columns of a customer in a line, as far as they may be seen."""
    return f"{_COLUMNS}, {held_out if sees_held_out else 'NULL::boolean'} AS is_held_out"


async def current_id(connection: Any, customer_id: str) -> str | None:
    """Return the id under which the customer is kept today, following links; None for nobody."""
    owners = await roots(connection, [customer_id])
    if customer_id in owners:
        return owners[customer_id]
    found = await connection.fetchval("SELECT customer_id FROM customers WHERE customer_id = $1", customer_id)
    return None if found is None else str(found)


async def load(connection: Any, customer_id: str, *, sees_held_out: bool) -> CustomerView | None:
    """Return the whole customer, or None."""
    row = await connection.fetchrow(
        f"SELECT {_summary(sees_held_out)}, birthday, consent, engagement, risk FROM customers WHERE customer_id = $1",  # noqa: S608
        customer_id,
    )
    if row is None:
        return None
    handles = await connection.fetch("SELECT handle FROM handles WHERE customer_id = $1 ORDER BY handle", customer_id)
    items = await timeline(connection, customer_id, limit=FIRST_TIMELINE_PAGE + 1)
    open_alerts = await search_alerts(
        connection,
        statuses=_OPEN,
        customer_id=customer_id,
        is_historical=None,
        sees_held_out=sees_held_out,
        limit=20,
    )
    return CustomerView(
        **{name: row[name] for name in CustomerSummary.__struct_fields__},
        birthday=row["birthday"],
        consent=row["consent"],
        handles=[handle["handle"] for handle in handles],
        engagement=row["engagement"],
        risk=row["risk"],
        orders=await _order_totals(connection, customer_id),
        sentiment_by_week=await _sentiment_by_week(connection, customer_id, row["last_seen_at"]),
        open_alerts=open_alerts,
        timeline=timeline_page(items, FIRST_TIMELINE_PAGE),
        merged_from=await joined_to(connection, customer_id),
        links=await links_of(connection, customer_id),
    )


async def timeline(
    connection: Any,
    customer_id: str,
    *,
    types: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[tuple[UUID, TimelineItem]]:
    """Return a customer's events, newest first, older than the keyset `before`."""
    conditions = ["customer_id = $1"]
    arguments: list[Any] = [customer_id]
    for condition, values in (
        ("type = ANY({})", (types,)),
        ("channel = ANY({})", (channels,)),
        ("occurred_at >= {}", (since,)),
        ("occurred_at < {}", (until,)),
        ("(occurred_at, event_key) < ({}, {})", before or (None,)),
    ):
        if values[0]:
            numbers = range(len(arguments) + 1, len(arguments) + len(values) + 1)
            conditions.append(condition.format(*(f"${number}" for number in numbers)))
            arguments.extend(values)
    if before is not None:
        # Implied by the keyset, but this form lets the planner skip whole months.
        arguments.append(before[0])
        conditions.append(f"occurred_at <= ${len(arguments)}")
    arguments.append(limit)
    rows = await connection.fetch(
        f"{_TIMELINE} WHERE {' AND '.join(conditions)} "
        f"ORDER BY occurred_at DESC, event_key DESC LIMIT ${len(arguments)}",
        *arguments,
    )
    return [(row["event_key"], timeline_item(row)) for row in rows]


_TIMELINE = """
SELECT event_key, event_id, source, type, occurred_at, received_at, channel, direction, conversation_id, actor_kind,
       actor_id, subject, body, language, sentiment_label, sentiment_score::numeric::float8 AS sentiment_score,
       is_complaint, sentiment, event
FROM interactions
"""


def timeline_item(row: Any) -> TimelineItem:
    return TimelineItem(
        id=row["event_id"],
        text=row["body"],
        **{name: row[name] for name in TimelineItem.__struct_fields__ if name not in ("id", "text")},
    )


def timeline_page(items: Sequence[tuple[UUID, TimelineItem]], limit: int) -> TimelinePage:
    """Return a page of `limit` from `limit` + 1 rows; the extra one only says that there is more."""
    page = items[:limit]
    next_cursor = None
    if len(items) > limit:
        key, last = page[-1]
        next_cursor = encode_cursor(TIMELINE_CURSOR, last.occurred_at, key)
    return TimelinePage(items=[item for _, item in page], next_cursor=next_cursor)


_AT_RISK = "expected_loss IS NOT NULL AND risk_state IN ('active', 'at_risk')"


async def at_risk(
    connection: Any,
    asked: Asked = (),
    *,
    after: tuple[float, str] | None,
    limit: int,
    sees_held_out: bool,
    has_held_out: bool,
) -> list[CustomerSummary]:
    """Return customers by the money their leaving would cost, most first; with those who are held out or without."""
    where, arguments = _where(asked, 3)
    rows = await connection.fetch(
        f"""
        SELECT {_summary(sees_held_out)} FROM customers
        WHERE {_AT_RISK} AND {where} AND {"true" if has_held_out else f"NOT {_HELD_OUT}"}
            AND ($1::float8 IS NULL OR expected_loss < $1 OR (expected_loss = $1 AND customer_id > $2))
        ORDER BY expected_loss DESC, customer_id LIMIT $3
        """,  # noqa: S608 - the columns are the row type's own
        *(after or (None, None)),
        limit,
        *arguments,
    )
    return [CustomerSummary(**dict(row)) for row in rows]


async def n_held_out_at_risk(connection: Any, asked: Asked = ()) -> int:
    """Return how many customers `at_risk` leaves out because they are held out."""
    where, arguments = _where(asked, 0)
    query = f"SELECT count(*) FROM customers WHERE {_AT_RISK} AND {where} AND {_AMONG_HELD_OUT}"  # noqa: S608
    return int(await connection.fetchval(query, *arguments))


async def newest(
    connection: Any,
    asked: Asked = (),
    *,
    before: tuple[datetime, str] | None,
    limit: int,
    sees_held_out: bool,
) -> list[CustomerSummary]:
    """Return customers by their last event, newest first."""
    where, arguments = _where(asked, 3)
    rows = await connection.fetch(
        f"""
        SELECT {_summary(sees_held_out)} FROM customers
        WHERE {where} AND ($1::timestamptz IS NULL OR (last_seen_at, customer_id) < ($1, $2))
        ORDER BY last_seen_at DESC, customer_id DESC LIMIT $3
        """,  # noqa: S608 - the columns are the row type's own
        *(before or (None, None)),
        limit,
        *arguments,
    )
    return [CustomerSummary(**dict(row)) for row in rows]


def _where(asked: Asked, n_before: int) -> tuple[str, list[Any]]:
    """Return the condition for a customer who is somebody today and all that is asked, and its arguments."""
    parts = [condition.format(f"${number}") for number, (condition, _) in enumerate(asked, n_before + 1)]
    return " AND ".join(["merged_into IS NULL", *parts]), [value for _, value in asked]


async def find(connection: Any, query: str, limit: int, *, sees_held_out: bool) -> list[CustomerHit]:
    """Return customers by id, handle, name or what they wrote, surest first."""
    hits: dict[str, CustomerHit] = {}
    columns = _summary(sees_held_out)

    def add(rows: Sequence[Any], match: str) -> None:
        for row in rows:
            if len(hits) < limit and row["customer_id"] not in hits:
                summary = {name: row[name] for name in CustomerSummary.__struct_fields__}
                snippet = row["snippet"] if match == "text" else None
                hits[row["customer_id"]] = CustomerHit(**summary, match=match, snippet=snippet)  # type: ignore[arg-type]  # a literal

    add(
        await connection.fetch(
            f"SELECT {columns} FROM customers WHERE customer_id = $1 AND merged_into IS NULL",  # noqa: S608
            query,
        ),
        "id",
    )
    add(
        await connection.fetch(
            f"""
            SELECT {columns} FROM customers JOIN handles USING (customer_id)
            WHERE handle = ANY($1)
            """.replace("first_seen_at", "customers.first_seen_at"),  # noqa: S608
            [query, *(canonical(f"{kind}{query}") for kind in ("", "mailto:", "tel:"))],
        ),
        "handle",
    )
    terms = query_terms(query)
    if not terms:
        return list(hits.values())
    add(
        await connection.fetch(
            f"""
            SELECT {columns} FROM customers WHERE search @@ $1::tsquery AND merged_into IS NULL
            ORDER BY last_seen_at DESC LIMIT $2
            """,  # noqa: S608
            as_tsquery(terms, unfinished_word(query)),
            limit,
        ),
        "profile",
    )
    # Whoever types an id or a handle means that customer, not those who mention it.
    is_named = any(hit.match in ("id", "handle") for hit in hits.values())
    if len(hits) < limit and not is_named:
        add(await _find_by_text(connection, query, as_tsquery(terms), limit, columns), "text")
    return list(hits.values())


async def _find_by_text(connection: Any, query: str, tsquery: str, limit: int, columns: str) -> list[Any]:
    """Return customers by what they wrote, from the newest stretch of time back until enough texts were seen."""
    newest = await connection.fetchval("SELECT max(last_seen_at) FROM customers WHERE merged_into IS NULL")
    if newest is None:
        return []
    texts: list[Any] = []
    edges = [None, *(newest - timedelta(days=days) for days in _TEXT_STRETCHES_DAYS), None]
    for until, since in pairwise(edges):
        texts += await connection.fetch(
            """
            SELECT customer_id, occurred_at, left(coalesce(body, subject), 200) AS snippet FROM interactions
            WHERE search @@ $1::tsquery
                AND (coalesce(body, '') ILIKE $2 OR coalesce(subject, '') ILIKE $2 OR $3)
                AND occurred_at >= coalesce($4::timestamptz, '-infinity')
                AND occurred_at < coalesce($5::timestamptz, 'infinity')
            LIMIT $6
            """,
            tsquery,
            f"%{_like(query)}%",
            # Pairs of characters prove a two-character word; a longer one may be put together from different places.
            len(query) <= 2 or not _is_one_run(query),
            since,
            until,
            _TEXT_SCAN - len(texts),
        )
        if len(texts) >= _TEXT_SCAN:
            break
    newest_of = {text["customer_id"]: text for text in sorted(texts, key=lambda text: text["occurred_at"])}
    found = sorted(newest_of.values(), key=lambda text: text["occurred_at"], reverse=True)
    rows = await connection.fetch(
        f"SELECT {columns} FROM customers WHERE customer_id = ANY($1::text[]) AND merged_into IS NULL",  # noqa: S608
        [text["customer_id"] for text in found],
    )
    known = {row["customer_id"]: dict(row) for row in rows}
    hits = [known[text["customer_id"]] | {"snippet": text["snippet"]} for text in found if text["customer_id"] in known]
    return hits[:limit]


def _is_one_run(query: str) -> bool:
    return not any(character.isspace() for character in query.strip())


def _like(text: str) -> str:
    return text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def export(
    connection: Any, asked: Asked = (), batch: int = 1_000, *, sees_held_out: bool
) -> AsyncIterator[list[CustomerSummary]]:
    """Yield the customers in order of id, in batches, from one snapshot; the caller holds a transaction."""
    where, arguments = _where(asked, 0)
    # Along the index of ids the first lines leave at once; sorted, a million customers would keep the client waiting.
    await connection.execute("SET LOCAL enable_sort = off")
    cursor = connection.cursor(
        f"SELECT {_summary(sees_held_out, _AMONG_HELD_OUT)} FROM customers WHERE {where} ORDER BY customer_id",  # noqa: S608
        *arguments,
        prefetch=batch,
    )
    rows: list[CustomerSummary] = []
    async for row in cursor:
        rows.append(CustomerSummary(**dict(row)))
        if len(rows) == batch:
            yield rows
            rows = []
    if rows:
        yield rows


async def _order_totals(connection: Any, customer_id: str) -> list[OrderTotals]:
    rows = await connection.fetch(
        """
        SELECT currency,
               count(*) FILTER (WHERE kind = 'placed') AS n_placed,
               coalesce(sum(amount) FILTER (WHERE kind = 'placed'), 0) AS amount_placed,
               count(*) FILTER (WHERE kind = 'returned') AS n_returned,
               coalesce(sum(amount) FILTER (WHERE kind = 'returned'), 0) AS amount_returned
        FROM orders WHERE customer_id = $1 GROUP BY currency ORDER BY currency
        """,
        customer_id,
    )
    return [
        OrderTotals(
            currency=row["currency"],
            n_placed=row["n_placed"],
            amount_placed=f"{row['amount_placed'].normalize():f}",
            n_returned=row["n_returned"],
            amount_returned=f"{row['amount_returned'].normalize():f}",
        )
        for row in rows
    ]


async def _sentiment_by_week(connection: Any, customer_id: str, until: datetime) -> list[SentimentWeek]:
    rows = await connection.fetch(
        """
        SELECT date_trunc('week', occurred_at, 'UTC') AS week_start, count(*) AS n,
               count(*) FILTER (WHERE sentiment_label = 'negative') AS n_negative,
               round(avg(sentiment_score::numeric), 4)::float8 AS mean_score
        FROM interactions
        WHERE customer_id = $1 AND sentiment_score IS NOT NULL AND direction IS DISTINCT FROM 'outbound'
            AND occurred_at > $2::timestamptz - make_interval(weeks => $3) AND occurred_at <= $2
        GROUP BY 1 ORDER BY 1
        """,
        customer_id,
        until,
        _SENTIMENT_WEEKS,
    )
    return [SentimentWeek(**dict(row)) for row in rows]
