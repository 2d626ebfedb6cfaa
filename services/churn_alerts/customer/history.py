"""A company's past as the processor saw it: every customer's state at the end of each day that changed it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, row_of
from services.churn_alerts.customer.model import PurchaseDay, Purchases, Statistics
from services.churn_alerts.customer.purchases import append, no_purchases, observe_return, returns_at_purchase

FAR = 2**40
"""A day that never comes: there is no next purchase in the data."""

CustomerDays = tuple[str, Sequence[PurchaseDay], Sequence[int]]
"""A customer's id, his purchase days in order, and the days of his returns in order (one entry per return)."""


@dataclass(frozen=True, slots=True)
class History:
    """One row per customer and day on which his state changed, ordered by customer id and day.

    `columns` is the state at the end of `day`; it holds until `next_day` (exclusive). `next_purchase_day` is for labels
    alone: no decision may look at it. `customer` numbers the customers, whose ids are `customer_ids`; `id_hash` hashes
    each id alone, for samples that are the same on every run.
    """

    customer_ids: list[str]
    id_hash: NDArray[np.uint32]
    horizon_days: float
    columns: Columns
    customer: Days
    day: Days
    next_day: Days
    next_purchase_day: Days
    is_purchase: NDArray[np.bool_]

    def as_of(self, day: int) -> Days:
        """Return the row in force at the end of `day` of every customer who had bought by then."""
        return np.flatnonzero((self.day <= day) & (day < self.next_day))

    def columns_at_end(self) -> Columns:
        """Return the last state of every customer."""
        return self.columns.take(np.flatnonzero(self.next_day == FAR))

    def scored(self, day: int, min_purchases: int, lost_after_days: int) -> Days:
        """Return the rows of `as_of(day)` that a score is given for: enough purchase days, and not lost yet."""
        rows = self.as_of(day)
        enough = self.columns.n_gaps[rows] + 1 >= min_purchases
        return rows[enough & (day - self.columns.last_day[rows] < lost_after_days)]


def history_of(
    customers: Iterable[CustomerDays], horizon_days: float, on_progress: Callable[[int], None] | None = None
) -> History:
    """Return the history of customers given in the order of their ids; `on_progress` hears how many more are done."""
    return _history(
        (
            (owner, (_days_with_returns if returns else _days_of_purchases)(purchases, returns, horizon_days))
            for owner, purchases, returns in customers
        ),
        horizon_days,
        on_progress,
    )


def history_of_states(states: Iterable[tuple[str, Purchases]], horizon_days: float, until_day: int) -> History:
    """Return the history that the processor's states still tell, as of the end of `until_day`; by id, in that order.

    The recent days of each state (`model.recent_days`) give the rows that `history_of` gives of the whole past, to the
    bit (with returns older than those days: up to rounding); before them one row stands for all.
    """
    return _history(((owner, _days_of_state(state, until_day)) for owner, state in states), horizon_days, None)


_Days = Iterable[tuple[tuple[float, ...], int, bool]]


def _history(
    customers: Iterable[tuple[str, _Days]], horizon_days: float, on_progress: Callable[[int], None] | None
) -> History:
    ids: list[str] = []
    rows: list[tuple[float, ...]] = []
    owners: list[int] = []
    days: list[int] = []
    purchased: list[bool] = []
    reported = 0
    for number, (customer_id, days_of_customer) in enumerate(customers):
        ids.append(customer_id)
        for row, day, is_purchase in days_of_customer:
            rows.append(row)
            days.append(day)
            purchased.append(is_purchase)
            owners.append(number)
        if on_progress is not None and number - reported >= 1000:
            on_progress(number - reported)
            reported = number
    if on_progress is not None:
        on_progress(len(ids) - reported)
    customer = np.array(owners, dtype=np.int64)
    day_of_row = np.array(days, dtype=np.int64)
    is_purchase_row = np.array(purchased, dtype=bool)
    return History(
        customer_ids=ids,
        id_hash=np.array([crc32(customer_id.encode("utf-8", "surrogatepass")) for customer_id in ids], dtype=np.uint32),
        horizon_days=horizon_days,
        columns=Columns.from_rows(rows),
        customer=customer,
        day=day_of_row,
        next_day=_next(customer, day_of_row, np.ones(len(rows), dtype=bool)),
        next_purchase_day=_next(customer, day_of_row, is_purchase_row),
        is_purchase=is_purchase_row,
    )


def _days_of_purchases(
    purchases: Sequence[PurchaseDay], _returns: Sequence[int], horizon_days: float
) -> Iterable[tuple[tuple[float, ...], int, bool]]:
    run: Statistics | None = None
    for entry in purchases:
        run = append(run, entry, horizon_days)
        yield row_of(run), entry.day, True


def _days_with_returns(
    purchases: Sequence[PurchaseDay], returns: Sequence[int], horizon_days: float
) -> Iterable[tuple[tuple[float, ...], int, bool]]:
    bought = {entry.day: entry for entry in purchases}
    state = no_purchases(horizon_days)
    run: Statistics | None = None
    for day in sorted(bought.keys() | set(returns)):
        for _ in range(returns.count(day)):
            state = observe_return(state, day)
        if day in bought:
            run = append(run, bought[day], horizon_days)
        if run is not None:
            yield row_of(run, returns_at_purchase(state, run.last_day)), day, day in bought


def _days_of_state(state: Purchases, until_day: int) -> _Days:
    bought = {entry.day: entry for entry in state.recent if entry.day <= until_day}
    returned = {entry.day: entry.n_returns for entry in state.recent_returns if entry.day <= until_day}
    run = state.folded
    horizon_days = state.horizon_days
    if run is not None and run.last_day > until_day:
        return
    known = replace(
        no_purchases(horizon_days), folded_returns=state.folded_returns, folded_returns_day=state.folded_returns_day
    )
    if run is not None:
        for day in [day for day in sorted(returned) if day <= run.last_day]:
            for _ in range(returned.pop(day)):
                known = observe_return(known, day)
        yield row_of(run, returns_at_purchase(known, run.last_day)), run.last_day, True
    for day in sorted(bought.keys() | returned.keys()):
        for _ in range(returned.get(day, 0)):
            known = observe_return(known, day)
        if day in bought:
            run = append(run, bought[day], horizon_days)
        if run is not None:
            yield row_of(run, returns_at_purchase(known, run.last_day)), day, day in bought


def _next(customer: Days, day: Days, counts: NDArray[np.bool_]) -> Days:
    marked = np.flatnonzero(counts)
    at = np.searchsorted(marked, np.arange(len(day)), side="right")
    candidate = marked[np.minimum(at, len(marked) - 1)] if len(marked) else np.zeros(len(day), dtype=np.int64)
    is_own = (at < len(marked)) & (customer[candidate] == customer)
    return np.where(is_own, day[candidate], FAR)
