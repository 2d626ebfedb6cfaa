"""Rows of a company's own files as events. Pure: a row and a mapping in, an event or a plain reason out."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from services.churn_alerts.backtest.amounts import AmountSurvey, DecimalSign
from shared.errors import Reject

_WITH_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:([.' \u00a0\u202f])\d{3})(?:\1\d{3})*)(?:,\d+)?")
_THOUSANDS = re.compile(r"[.' \u00a0\u202f]")


@dataclass(frozen=True, slots=True)
class OrderColumns:
    """Which column holds what; an optional column that the file lacks is simply not used."""

    customer: str = "customer_id"
    time: str = "time"
    event: str = "event"
    amount: str = "amount"
    order: str = "order_id"
    currency: str = "currency"


@dataclass(frozen=True, slots=True)
class InteractionColumns:
    customer: str = "customer_id"
    time: str = "time"
    channel: str = "channel"
    direction: str = "direction"
    text: str = "text"
    subject: str = "subject"
    id: str = "id"


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is the line of the file the row ends on, counted from 1."""

    line: int
    values: Mapping[str, str]


class RowIds:
    """Names rows that have no id of their own: by content, and by occurrence among rows of equal content.

    The same file gives the same ids again, so importing it twice changes nothing.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def of(self, *content: str) -> str:
        digest = hashlib.blake2b("\x1f".join(content).encode("utf-8", "surrogatepass"), digest_size=12)
        self._seen[digest.digest()] += 1
        occurrence = self._seen[digest.digest()]
        return digest.hexdigest() if occurrence == 1 else f"{digest.hexdigest()}-{occurrence}"


def order_event(
    row: Row,
    columns: OrderColumns,
    ids: RowIds,
    *,
    source: str,
    currency: str,
    zone: tzinfo,
    decimal: DecimalSign = ".",
) -> dict[str, Any]:
    """Return the order.placed or order.returned event of a row.

    Raises `Reject` with the reason, the column as pointer.
    """
    customer = _required(row, columns.customer)
    occurred_at = parse_time(_required(row, columns.time), zone, columns.time)
    amount = parse_amount(_required(row, columns.amount), columns.amount, decimal)
    kind = (row.values.get(columns.event) or "purchase").strip().lower()
    if kind not in ("purchase", "return"):
        raise Reject(f"{kind!r} is neither purchase nor return", columns.event)
    if amount.startswith("-"):
        # As `backtest` reads it: a credit note.
        kind, amount = "return", amount.removeprefix("-")
    identifier = (row.values.get(columns.order) or "").strip() or ids.of(customer, occurred_at, kind, amount)
    return {
        "type": "order.placed" if kind == "purchase" else "order.returned",
        "id": f"{identifier}-return" if kind == "return" and columns.order in row.values else identifier,
        "source": source,
        "occurred_at": occurred_at,
        "customer": {"id": customer},
        "order_id": identifier,
        "amount": amount,
        "currency": (row.values.get(columns.currency) or currency).strip().upper(),
    }


def interaction_event(
    row: Row, columns: InteractionColumns, ids: RowIds, *, source: str, zone: tzinfo
) -> dict[str, Any]:
    """Return the interaction event of a row; channel defaults to chat, direction to inbound. Raises `Reject`."""
    customer = _required(row, columns.customer)
    occurred_at = parse_time(_required(row, columns.time), zone, columns.time)
    text = row.values.get(columns.text) or ""
    channel = (row.values.get(columns.channel) or "chat").strip().lower()
    event: dict[str, Any] = {
        "type": "interaction",
        "id": (row.values.get(columns.id) or "").strip() or ids.of(customer, occurred_at, channel, text),
        "source": source,
        "occurred_at": occurred_at,
        "customer": {"id": customer},
        "channel": channel,
        "direction": (row.values.get(columns.direction) or "inbound").strip().lower(),
    }
    if text:
        event["text"] = text
    if subject := row.values.get(columns.subject):
        event["subject"] = subject
    return event


def parse_time(value: str, zone: tzinfo, column: str) -> str:
    """Return an RFC 3339 instant in UTC; a time without zone is in `zone`, a bare date is its midnight.

    Raises `Reject` naming the column.
    """
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise Reject(f"{value!r} is not an ISO 8601 date or time", column) from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    try:
        return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise Reject(f"{value!r} is out of range", column) from error


def parse_amount(value: str, column: str, decimal: DecimalSign = ".") -> str:
    """Return the amount as a plain decimal string. Raises `Reject` naming the column."""
    text = value.strip()
    if decimal == ",":
        if _WITH_COMMA.fullmatch(text) is None:
            raise Reject(f"{value!r} does not fit the decimal comma of the others, like 1.234,50", column)
        text = _THOUSANDS.sub("", text).replace(",", ".")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise Reject(f"{value!r} is not a number; amounts are written like 1234.50", column) from error
    if not amount.is_finite():
        raise Reject(f"{value!r} is not a finite number", column)
    return f"{amount:f}"


def decimal_sign(amounts: Iterable[tuple[int, str]]) -> DecimalSign:
    """Return how a column writes decimals, from all its values and their lines.

    Raises `UnclearColumn` where there are commas and the values can be read in two ways.
    """
    survey, has_commas = AmountSurvey(), False
    for line, value in amounts:
        survey.see(line, value)
        has_commas = has_commas or "," in value
    return survey.settle().decimal if has_commas else "."


def is_sorted(times: Iterable[str]) -> bool:
    """Return whether the times stand in order, as text; ISO 8601 of one format sorts as text."""
    previous = ""
    for time in times:
        if time < previous:
            return False
        previous = time
    return True


def in_batches(events: Iterable[tuple[int, dict[str, Any]]], size: int) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield lists of at most `size` (line, event) pairs."""
    batch: list[tuple[int, dict[str, Any]]] = []
    for one in events:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _required(row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None or not value.strip():
        raise Reject(f"the row has no {column}", column)
    return value.strip()
