"""Customers over HTTP: one whole, its timeline, lists, search, export."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from msgspec import structs
from starlette.responses import Response, StreamingResponse

from services.api.address import Instant
from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.customer import store
from services.api.customer.schemas import (
    CustomerDetail,
    CustomerHit,
    CustomerHits,
    CustomerPage,
    CustomerSummary,
    TimelinePageView,
)
from services.api.openapi import answers, json_response
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from services.api.segment.decide import lets_through
from services.api.segment.model import LONGEST_DAYS, CustomerFilter, RiskState
from services.api.segment.routes import SegmentId, named_filter
from services.api.segment.store import conditions
from shared.clock import Clock
from shared.contracts.alert import Tier
from shared.contracts.event import EVENT_TYPES, Channel
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_NEWEST_CURSOR = "customers"
_AT_RISK_CURSOR = "at-risk"

Channels = Annotated[list[Channel] | None, Query(alias="channel", max_length=10)]
Types = Annotated[list[Literal[EVENT_TYPES]] | None, Query(alias="type", max_length=20)]  # type: ignore[valid-type]  # the contract's own tuple
Cursor = Annotated[str | None, Query(max_length=1024)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


def _filter(
    tier: Annotated[list[Tier] | None, Query(max_length=10)] = None,
    risk_state: Annotated[list[RiskState] | None, Query(max_length=10)] = None,
    min_p_churn: Annotated[float | None, Query(ge=0, le=1)] = None,
    min_expected_loss: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
    min_purchases: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    silent_for_days: Annotated[int | None, Query(ge=1, le=LONGEST_DAYS)] = None,
    no_purchase_for_days: Annotated[int | None, Query(ge=1, le=LONGEST_DAYS)] = None,
) -> CustomerFilter:
    """Read a segment's filter from the query: what may be asked is what may be kept."""
    return CustomerFilter(
        tiers=tier,
        risk_states=risk_state,
        min_p_churn=min_p_churn,
        min_expected_loss=min_expected_loss,
        min_purchases=min_purchases,
        silent_for_days=silent_for_days,
        no_purchase_for_days=no_purchase_for_days,
    )


Filtered = Annotated[CustomerFilter, Depends(_filter)]


def customer_routes(pool: Any, guard: Guard, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/customers", tags=["customers"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("customers:read"))]

    async def filters(
        connection: Any, principal: Principal, filtered: CustomerFilter, segment_id: str | None
    ) -> list[CustomerFilter]:
        saved = [] if segment_id is None else [await named_filter(connection, principal, segment_id)]
        return [filtered, *saved]

    @router.get(
        "",
        summary="List customers by their last event, or search them",
        description="`q` looks for an id, a handle, a name, then in what customers wrote; Chinese from two characters "
        "(one works too), a name's last word from three letters. A search answers its best matches in one page and "
        "leaves filters and segments aside.",
        responses=answers(CustomerHits, "A page"),
    )
    async def list_customers(
        principal: reader,
        filtered: Filtered,
        q: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        segment_id: SegmentId = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Response:
        before: Any = decode_cursor(cursor, _NEWEST_CURSOR, datetime, str)
        sees_held_out = principal.may("holdout:read")
        async with reading(pool) as connection:
            if q is not None and q.strip():
                hits = await store.find(connection, q.strip(), limit, sees_held_out=sees_held_out)
                return json_response(CustomerHits(items=hits, next_cursor=None))
            wanted = conditions(await filters(connection, principal, filtered, segment_id), clock.now())
            rows = await store.newest(connection, wanted, before=before, limit=limit + 1, sees_held_out=sees_held_out)
        page = [CustomerHit(**structs.asdict(row), match=None, snippet=None) for row in rows[:limit]]
        next_cursor = None
        if len(rows) > limit:
            next_cursor = encode_cursor(_NEWEST_CURSOR, page[-1].last_seen_at, page[-1].customer_id)
        return json_response(CustomerHits(items=page, next_cursor=next_cursor))

    @router.get(
        "/at-risk",
        summary="Customers by expected loss, most first",
        description="A list to work from: customers whose newest alert is held out from action are left out of it, for "
        "90 days or until they buy, and `n_held_out` says how many. `held_out=include`, which needs the scope "
        "holdout:read, has them too, marked.",
        responses=answers(CustomerPage, "A page; expected loss is the probability of leaving times residual value"),
    )
    async def at_risk(
        principal: reader,
        filtered: Filtered,
        segment_id: SegmentId = None,
        held_out: Literal["exclude", "include"] = "exclude",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Response:
        sees_held_out, has_held_out = principal.may("holdout:read"), held_out == "include"
        if has_held_out and not sees_held_out:
            raise ProblemError(403, "this needs the scope holdout:read")
        after: Any = decode_cursor(cursor, _AT_RISK_CURSOR, float, str)
        async with reading(pool) as connection:
            asked = await filters(connection, principal, filtered, segment_id)
            # PostgreSQL would look through everybody to find that the lost are not among those at risk.
            if not lets_through(asked, store.RANKED_STATES):
                return json_response(CustomerPage(items=[], next_cursor=None, n_held_out=None if has_held_out else 0))
            wanted = conditions(asked, clock.now())
            rows = await store.at_risk(
                connection,
                wanted,
                after=after,
                limit=limit + 1,
                sees_held_out=sees_held_out,
                has_held_out=has_held_out,
            )
            is_first = not has_held_out and cursor is None
            n_held_out = await store.n_held_out_at_risk(connection, wanted) if is_first else None
        page = rows[:limit]
        next_cursor = None
        if len(rows) > limit:
            next_cursor = encode_cursor(_AT_RISK_CURSOR, page[-1].expected_loss, page[-1].customer_id)
        return json_response(CustomerPage(items=page, next_cursor=next_cursor, n_held_out=n_held_out))

    @router.get(
        "/export",
        summary="All customers, or those asked for, as CSV or NDJSON, streamed",
        description="Everybody who is asked for, those held out from action included: who acts on an export leaves out "
        "the lines whose `is_held_out` is true (empty or null for a key without the scope holdout:read).",
        responses=answers(None, "One line a customer", media_type=("text/csv", "application/x-ndjson")),
    )
    async def export(
        principal: Annotated[Principal, Depends(guard.needs("export:read"))],
        filtered: Filtered,
        format: Literal["csv", "ndjson"] = "csv",  # noqa: A002 - the parameter's name on the wire
        segment_id: SegmentId = None,
    ) -> Response:
        async with transaction(pool) as connection:
            wanted = conditions(await filters(connection, principal, filtered, segment_id), clock.now())
            await audit(
                connection,
                principal,
                "customers.export",
                "customer",
                ["*"],
                request_id=correlation_id.get(),
                detail={"filter": filtered, "segment": segment_id},
            )
        batches = _batches(pool, wanted, sees_held_out=principal.may("holdout:read"))
        lines = _csv(batches) if format == "csv" else _ndjson(batches)
        media_type = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
        disposition = {"Content-Disposition": f'attachment; filename="customers.{format}"'}
        return StreamingResponse(lines, media_type=media_type, headers=disposition)

    @router.get(
        "/{customer_id:any_text}",
        summary="Everything about one customer",
        description="An id that was merged into another answers with the customer it is now. For the ids `at-risk` and "
        "`export`, whose addresses here are lists, `/v1/customers/{customer_id}/profile` answers the same.",
        responses=answers(CustomerDetail, "The customer", 404),
    )
    @router.get(
        "/{customer_id:any_text}/profile",
        name="profile",
        summary="Everything about one customer, whatever the id",
        description="The same as `/v1/customers/{customer_id}`, at an address that no list has.",
        responses=answers(CustomerDetail, "The customer", 404),
    )
    async def one(principal: reader, customer_id: str) -> Response:
        async with reading(pool) as connection:
            current = await store.current_id(connection, customer_id)
            sees_held_out = principal.may("holdout:read")
            customer = None if current is None else await store.load(connection, current, sees_held_out=sees_held_out)
        if customer is None:
            raise _unknown(customer_id)
        return json_response(customer)

    @router.get(
        "/{customer_id:any_text}/timeline",
        summary="A customer's events, newest first",
        responses=answers(TimelinePageView, "A page", 404),
    )
    async def timeline(
        _: reader,
        customer_id: str,
        event_type: Types = None,
        channel: Channels = None,
        since: Instant | None = None,
        until: Instant | None = None,
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Response:
        before: Any = decode_cursor(cursor, store.TIMELINE_CURSOR, datetime, UUID)
        async with reading(pool) as connection:
            current = await store.current_id(connection, customer_id)
            if current is None:
                raise _unknown(customer_id)
            items = await store.timeline(
                connection,
                current,
                types=event_type,
                channels=channel,
                since=since,
                until=until,
                before=before,
                limit=limit + 1,
            )
        return json_response(store.timeline_page(items, limit))

    return router


Batches = AsyncIterator[list[CustomerSummary]]


async def _batches(pool: Any, wanted: store.Asked, *, sees_held_out: bool) -> Batches:
    async with transaction(pool) as connection:
        async for batch in store.export(connection, wanted, sees_held_out=sees_held_out):
            yield batch


async def _ndjson(batches: Batches) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    async for batch in batches:
        yield encoder.encode_lines(batch)


async def _csv(batches: Batches) -> AsyncIterator[bytes]:
    yield (",".join(CustomerSummary.__struct_fields__) + "\r\n").encode()
    async for batch in batches:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([_cell(value) for value in msgspec.structs.astuple(row)] for row in batch)
        yield text.getvalue().encode()


def _cell(value: object) -> object:
    # A spreadsheet runs a cell that starts like a formula; a quote in front makes it text.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def _unknown(customer_id: str) -> ProblemError:
    return ProblemError(404, f"no customer {customer_id[:128]}")
