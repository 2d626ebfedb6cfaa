"""Reads a company's orders from CSV as companies export them, and says exactly what could not be read."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO

from services.churn_alerts.backtest.amounts import (
    AS_PROGRAMS_WRITE,
    NOTHING,
    AmountForm,
    AmountSurvey,
    NotPlain,
    PlainAmounts,
    UnclearColumn,
)
from services.churn_alerts.backtest.times import EPOCH_ORDINAL, FieldOrder, PlainTimes, TimeForm, Times, TimeSurvey
from services.churn_alerts.customer.history import CustomerDays
from services.churn_alerts.customer.model import PurchaseDay
from shared.table_file import (
    DAMAGED,
    Head,
    NoTable,
    UnknownEncoding,
    beginning_of,
    check_gb18030,
    decompressed,
    read_head,
    rows_of,
    utf_16_of,
)

PURCHASES = frozenset({"", "purchase", "purchased", "order", "order.placed", "sale"})
RETURNS = frozenset({"return", "returned", "order.returned", "refund"})
MAX_REJECTED_RATIO = 0.05
SHOWN_REJECTS = 20
PROGRESS_ROWS = 5_000
STRAY_GAP_DAYS = 400
MAX_STRAY_RATIO = 0.001
LEAST_DAYS_FOR_STRAYS = 20
COLUMNS = ("customer_id", "time", "event", "amount", "currency")
ORDER_IDS = ("order_id", "order_no", "invoice_no", "invoice", "transaction_id", "basket_id")
MAX_LINES_RATIO = 0.1


class UnreadableOrders(Exception):
    """The file is no order log: a column is missing, or too many rows make no sense. The message says what to do."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """`line` counts from 1, the head included; of a row with line breaks inside quotes it is the last."""

    line: int
    reason: str


@dataclass(slots=True)
class Repeats:
    """Rows that equal an earlier one in all columns: `n_dropped` were the same order again, `n_kept` were counted."""

    n_dropped: int = 0
    n_kept: int = 0


@dataclass(slots=True)
class Orders:
    """Purchases and returns by customer id, days since 1970-01-01 UTC. `time_form` is the finest form of time seen.

    Rows without a customer, such as sales to guests, are left out and counted apart from those that cannot be read.
    `n_in_currency` counts the amounts by what a column `currency` names; they are added as they stand.
    """

    purchases: dict[str, dict[int, int | None]] = field(default_factory=dict)
    returns: dict[str, list[int]] = field(default_factory=dict)
    time_form: TimeForm = "date"
    n_rows: int = 0
    n_without_amount: int = 0
    n_negative_amounts: int = 0
    n_without_customer: int = 0
    n_rejected: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    date_order: FieldOrder = "year first"
    amount_form: AmountForm = AS_PROGRAMS_WRITE
    columns_ignored: list[str] = field(default_factory=list)
    n_in_currency: Counter[str] = field(default_factory=Counter)

    def customers(self) -> list[CustomerDays]:
        """Return every customer with a purchase, by id, with purchase days and return days in order."""
        return [
            (
                customer_id,
                [PurchaseDay(day, days[day]) for day in sorted(days)],
                sorted(self.returns.get(customer_id, ())),
            )
            for customer_id, days in sorted(self.purchases.items())
        ]


def read_orders(path: Path, on_progress: Callable[[int], None] | None = None) -> Orders:
    """Return the orders of a CSV file, plain or gzip, in any row order; `on_progress` hears bytes read so far.

    Columns customer_id and time, optionally event (purchase or return), amount and currency; others are ignored. Times
    are ISO 8601 dates or date-times, or what else `Times` reads; without an offset they count as UTC. A purchase of
    negative amount is a return, as in credit notes. Where times or amounts are not written as programs write them, the
    whole columns are seen first, and say how they are to be read. Rows equal in all columns are the same order again
    where an order stands on one row (`_Repeated`). UTF-8 with or without BOM, UTF-16, else GB 18030; comma, semicolon,
    tab or bar.

    Raises `UnreadableOrders` when a needed column is missing, times or amounts can be read in two ways, more than 5 %
    of the rows cannot be read, a quote is never closed, or the file is cut off, no text or no CSV.
    """
    try:
        utf_16 = utf_16_of(beginning_of(path))
        if utf_16 is not None:
            return _read(path, utf_16, on_progress)
        try:
            return _read(path, "utf-8-sig", on_progress)
        except UnicodeDecodeError:
            check_gb18030(path)
            return _read(path, "gb18030", on_progress)
    except (UnknownEncoding, NoTable) as error:
        raise UnreadableOrders(str(error)) from error
    except UnicodeError as error:
        raise UnreadableOrders(f"{path.name} is no text in UTF-8, UTF-16 or GB 18030; save it as CSV UTF-8") from error
    except DAMAGED as error:
        raise UnreadableOrders(f"{path.name} is damaged or cut off: {error}") from error
    except csv.Error as error:
        raise UnreadableOrders(f"{path.name} is no CSV: {error}") from error
    except UnclearColumn as error:
        raise UnreadableOrders(f"{path.name}: {error}") from error


def _read(path: Path, encoding: str, on_progress: Callable[[int], None] | None) -> Orders:
    try:
        amounts = PlainAmounts()
        orders = _read_as(path, encoding, amounts, PlainTimes(), on_progress)
        amounts.conclude()
    except NotPlain:
        known_amounts, known_times = _survey(path, encoding)
        orders = _read_as(path, encoding, known_amounts, known_times, on_progress)
        orders.date_order, orders.amount_form = known_times.order, known_amounts
    if not orders.purchases:
        raise UnreadableOrders(f"no purchase in {path.name} could be read{_first_reject(orders)}")
    if orders.n_rejected > MAX_REJECTED_RATIO * orders.n_rows:
        raise UnreadableOrders(f"{orders.n_rejected} of {orders.n_rows} rows cannot be read{_first_reject(orders)}")
    return orders


@dataclass(frozen=True, slots=True)
class _Table:
    """An opened file, read up to its first row; where its columns are. `width` is that of the head."""

    raw: IO[bytes]
    text: IO[str]
    head: Head
    at: dict[str, int]
    order_id_at: int | None


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[_Table]:
    with path.open("rb") as raw, decompressed(raw) as plain, io.TextIOWrapper(plain, encoding, newline="") as text:
        head = read_head(text)
        names = [_plain_name(name) for name in head.names]
        for name in COLUMNS:
            if names.count(_plain_name(name)) > 1:
                raise UnreadableOrders(f"two columns {name} in {path.name}: leave one of them out")
        at = {name: names.index(_plain_name(name)) for name in COLUMNS if _plain_name(name) in names}
        missing = [name for name in ("customer_id", "time") if name not in at]
        if missing:
            raise UnreadableOrders(
                f"no column {' and '.join(missing)} in {path.name}; its first line names: "
                f"{', '.join(name.strip() for name in head.names) or 'nothing'}. "
                "Wanted: customer_id,time and optionally event (purchase or return) and amount."
            )
        order_id_at = next((names.index(_plain_name(name)) for name in ORDER_IDS if _plain_name(name) in names), None)
        yield _Table(raw, text, head, at, order_id_at)


def _plain_name(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _survey(path: Path, encoding: str) -> tuple[AmountForm, Times]:
    """Return how the columns of amounts and times are written. Raises `UnclearColumn`."""
    amounts, times = AmountSurvey(), TimeSurvey()
    with _opened(path, encoding) as table:
        time_at, amount_at = table.at["time"], table.at.get("amount")
        for line, row in rows_of(table.text, table.head):
            if len(row) > time_at:
                times.see(line, row[time_at].strip())
            if amount_at is not None and len(row) > amount_at:
                amounts.see(line, row[amount_at])
    return amounts.settle(), Times(times.settle())


def _read_as(
    path: Path,
    encoding: str,
    amounts: PlainAmounts | AmountForm,
    times: PlainTimes | Times,
    on_progress: Callable[[int], None] | None,
) -> Orders:
    with _opened(path, encoding) as table:
        orders = Orders(columns_ignored=_ignored(table))
        repeated = _Repeated(table.order_id_at)
        first_lines = _take_rows(table, amounts, times, orders, repeated, lambda: _tell(table.raw, on_progress))
    orders.repeats = repeated.settle(orders)
    _drop_stray_days(orders, first_lines)
    return orders


def _ignored(table: _Table) -> list[str]:
    used = {*table.at.values(), table.order_id_at}
    return [name.strip() for index, name in enumerate(table.head.names) if index not in used]


def _take_rows(
    table: _Table,
    amounts: PlainAmounts | AmountForm,
    times: PlainTimes | Times,
    orders: Orders,
    repeated: "_Repeated",
    on_rows: Callable[[], None],
) -> dict[int, int]:
    """Read the rows below the head into `orders`; return the line of each day's first purchase."""
    n_names = len(table.head.names)
    first_lines: dict[int, int] = {}
    id_at, time_at = table.at["customer_id"], table.at["time"]
    event_at, amount_at, currency_at = table.at.get("event"), table.at.get("amount"), table.at.get("currency")
    day_of, cents_of = times.day_of, amounts.cents
    is_return_of: dict[str, bool] = {}
    forms: set[TimeForm] = set()
    purchases, returns = orders.purchases, orders.returns
    n_rows = 0
    for line, row in rows_of(table.text, table.head):
        if not row:
            continue
        n_rows += 1
        if n_rows % PROGRESS_ROWS == 0:
            on_rows()
        n_cells = len(row)
        try:
            if n_cells > n_names and any(row[n_names:]):
                raise ValueError(f"{n_cells} values under {n_names} names; a comma inside a value needs quotes")
            customer_id, time = row[id_at].strip(), row[time_at].strip()
            if customer_id.lower() in NOTHING:
                orders.n_without_customer += 1
                continue
            day, form = day_of(time)
            event = row[event_at] if event_at is not None and event_at < n_cells else ""
            is_return = is_return_of.get(event)
            cents = cents_of(row[amount_at]) if amount_at is not None and amount_at < n_cells else None
            if is_return is None:
                is_return = is_return_of[event] = _is_return(event.strip().lower())
        except (ValueError, IndexError) as error:
            orders.n_rejected += 1
            if len(orders.rejected) < SHOWN_REJECTS:
                reason = "too few columns" if isinstance(error, IndexError) else str(error)
                orders.rejected.append(RejectedRow(line, reason))
            continue
        forms.add(form)
        if currency_at is not None and cents is not None and currency_at < n_cells:
            orders.n_in_currency[row[currency_at].strip().upper()] += 1
        is_back = is_return or (cents is not None and cents < 0)
        is_repeat = repeated.see(row, (customer_id, is_back), time, form)
        if is_back:
            orders.n_negative_amounts += not is_return
            returns.setdefault(customer_id, []).append(day)
            if is_repeat:
                repeated.returns.append((customer_id, day))
            continue
        if day not in first_lines:
            first_lines[day] = line
        orders.n_without_amount += cents is None
        if is_repeat:
            repeated.purchases.append((customer_id, day, cents or 0))
        days = purchases.get(customer_id)
        if days is None:
            purchases[customer_id] = {day: cents}
        else:
            known = days.get(day)
            days[day] = cents if known is None else known + (cents or 0)
    orders.n_rows = n_rows
    orders.time_form = "zoned" if "zoned" in forms else "naive" if "naive" in forms else "date"
    return first_lines


class _Repeated:
    """Finds rows that equal an earlier one, and says whether they are the same order again or lines of one.

    An order is told by its id, or without one by customer and clock time. Where nearly all rows of an order that came
    before equal it, an order stands on one row, and equal rows are exports laid over each other: they count once.
    Where they differ, the rows are lines of a basket, of which two may well be equal: they count as they stand, and so
    do rows of bare dates, for a customer may spend the same twice a day.
    """

    def __init__(self, order_id_at: int | None) -> None:
        self._order_id_at = order_id_at
        # Hashes, for a million rows of text would not fit beside the orders.
        self._rows: set[int] = set()
        self._orders: set[int] = set()
        self._n_other_lines = 0
        self._n_undated = 0
        self.purchases: list[tuple[str, int, int]] = []
        self.returns: list[tuple[str, int]] = []

    def see(self, row: list[str], of: tuple[str, bool], time: str, form: TimeForm) -> bool:
        """Note a row of a customer, purchase or return; return whether it repeats one whose order can be told."""
        whole = hash(tuple(row))
        is_equal = whole in self._rows
        self._rows.add(whole)
        if self._order_id_at is not None and self._order_id_at < len(row) and row[self._order_id_at].strip():
            order = hash((of, row[self._order_id_at]))
        elif form != "date":
            order = hash((of, time))
        else:
            self._n_undated += is_equal
            return False
        self._n_other_lines += order in self._orders and not is_equal
        self._orders.add(order)
        return is_equal

    def settle(self, orders: Orders) -> Repeats:
        """Take repeated orders out of `orders` and return how many were, and how many equal rows stay."""
        n_equal = len(self.purchases) + len(self.returns)
        if self._n_other_lines > MAX_LINES_RATIO * n_equal:
            return Repeats(n_kept=n_equal + self._n_undated)
        for customer_id, day, cents in self.purchases:
            known = orders.purchases[customer_id]
            total = known[day]
            known[day] = None if total is None else total - cents
        for customer_id, day in self.returns:
            orders.returns[customer_id].remove(day)
        return Repeats(n_dropped=n_equal, n_kept=self._n_undated)


def _drop_stray_days(orders: Orders, first_lines: dict[int, int]) -> None:
    """Reject the few days more than a year away from all others: zero dates of spreadsheets and mistyped years."""
    n_on_day = Counter(day for days in orders.purchases.values() for day in days)
    days = sorted(n_on_day)
    if n_on_day.total() < LEAST_DAYS_FOR_STRAYS:
        return
    allowed = max(MAX_STRAY_RATIO * n_on_day.total(), 1.0)
    early = _stray_end(days, n_on_day, allowed)
    late = _stray_end(days[::-1], n_on_day, allowed)
    for customer_id in [
        owner for owner, known in orders.purchases.items() if any(d in early or d in late for d in known)
    ]:
        known = orders.purchases[customer_id]
        for day in [day for day in known if day in early or day in late]:
            del known[day]
            orders.n_rejected += 1
            if len(orders.rejected) < SHOWN_REJECTS:
                when = date.fromordinal(day + EPOCH_ORDINAL).isoformat()
                orders.rejected.append(
                    RejectedRow(first_lines[day], f"{when} is more than a year away from all other orders")
                )
        if not known:
            del orders.purchases[customer_id]


def _stray_end(days: list[int], n_on_day: Counter[int], allowed: float) -> set[int]:
    # The last wide gap counts, not the first: zero dates of two spreadsheets, 1900 and 1970, lie apart themselves.
    n_seen, end = 0, 0
    for index in range(len(days) - 1):
        n_seen += n_on_day[days[index]]
        if n_seen > allowed:
            break
        if abs(days[index + 1] - days[index]) > STRAY_GAP_DAYS:
            end = index + 1
    return set(days[:end])


def _is_return(event: str) -> bool:
    if event in PURCHASES or event in RETURNS:
        return event in RETURNS
    raise ValueError(f"event {event[:40]!r} is neither purchase nor return")


def _tell(raw: IO[bytes], on_progress: Callable[[int], None] | None) -> None:
    if on_progress is not None:
        on_progress(raw.tell())


def _first_reject(orders: Orders) -> str:
    return f"; line {orders.rejected[0].line}: {orders.rejected[0].reason}" if orders.rejected else ""
