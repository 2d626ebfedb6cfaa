"""Sums over the days of many customers, as of each of a run's events, in a fixed number of numpy passes. Pure.

The rows of all customers of a run, each customer's new events behind his days, make one table in order of customer and
day. What an event's windows hold is the difference of two running sums, and bisection finds where they begin: nothing
is kept up to date from one run to the next.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.engagement.derive import MANY_BITS, TREND_DAYS, Windows, trend
from services.sentiment.engagement.model import DAY_MS, SCORE_UNIT, WINDOW_DAYS
from services.sentiment.engagement.packed import (
    COMPLAINTS,
    CONTACTS,
    FIRST_ASPECT,
    FIRST_CHANNEL,
    INBOUND,
    N_COUNTS,
    N_SCORED,
    OUTBOUND,
    ROW_BYTES,
)
from shared.contracts.enriched import WindowCounts
from shared.contracts.event import CHANNEL_NAMES

NO_CONTACT: Final = 3 * len(CHANNEL_NAMES)
"""Stands where an event is no contact; others are coded by channel, then direction."""
LATEST_MS: Final = 1 << 42
"""Instants from here on, in the year 2109, do not fit the table: below it an instant and a row's place make 64 bits."""
_ROW: Final = np.dtype(
    [("first_ms", "<i8"), ("last_ms", "<i8"), ("score", "<i8"), ("counts", "<i4", (N_COUNTS,)), ("", "V4")]
)
_ROW_SHIFT: Final = 42
# A customer's place and a day as one number, in order of both.
_CUSTOMER_SHIFT: Final = 20
_DAY_OFFSET: Final = 4_096
_WINDOWS: Final = (7, 30, WINDOW_DAYS)
# Three counts are one number; where they outgrow 64 bits, one of Python's.
_COUNT_BITS: Final = 21
# Nearer than that to where rounding turns, a quotient of approximate sums is not trusted.
_DOUBT: Final = 1e-6
# Smaller sums of weights, of days decades before the customer's newest one, have lost digits.
_LEAST_WEIGHT: Final = 1e-280

Places = NDArray[np.intp]
Numbers = NDArray[np.int64]


def _contact_rows() -> NDArray[np.int32]:
    """Return what a contact adds to a row, by its code."""
    rows = np.zeros((NO_CONTACT + 1, N_COUNTS), np.int32)
    for code in range(NO_CONTACT):
        rows[code, CONTACTS] = rows[code, FIRST_CHANNEL + code // 3] = 1
        if code % 3 < 2:
            rows[code, code % 3] = 1
    return rows


_of_contact: Final = _contact_rows()


class Table:
    """`rows` are those of each customer, an event's `of` is its customer's place among them.

    Events of one customer come in order of days, the first of them no earlier than the last row. `first_ms` and
    `last_ms` are an event's instant, or those of its whole day where it adds nothing.
    """

    def __init__(
        self,
        rows: Sequence[bytes],
        of: Sequence[int],
        first_ms: Sequence[int],
        last_ms: Sequence[int],
        contacts: Sequence[int],
        scores: Sequence[int | None],
        complaint_aspects: Sequence[tuple[int, ...] | None],
    ) -> None:
        customers = np.array(of)
        n_days = np.fromiter(map(len, rows), np.intp, len(rows)) // ROW_BYTES
        n_events = np.bincount(customers, minlength=len(rows))
        lengths = n_days + n_events
        ends = np.cumsum(lengths)
        self._starts = ends - lengths
        in_order = np.repeat(ends - np.cumsum(n_events), n_events)
        in_order += np.arange(len(of))
        self._at = at = np.empty(len(of), np.intp)
        at[customers.argsort(kind="stable")] = in_order
        blanks = [bytes(ROW_BYTES * n) for n in range(int(n_events.max()) + 1)]
        events_of = map(blanks.__getitem__, n_events.tolist())
        # One row more, that every stretch of rows may have an end.
        content = bytearray().join([*chain.from_iterable(zip(rows, events_of, strict=True)), blanks[1]])
        self._rows = table = np.frombuffer(content, _ROW)
        table["first_ms"][at], table["last_ms"][at] = first_ms, last_ms
        table["score"][at] = [score or 0 for score in scores]
        table["counts"][at] = _counts(contacts, scores, complaint_aspects)
        self._first_ms = np.ascontiguousarray(table["first_ms"])
        self._days = self._first_ms // DAY_MS
        # The newest day of each row's customer.
        self._newest = np.zeros(len(table), np.int64)
        self._newest[:-1] = self._days[ends - 1].repeat(lengths)
        keys = np.full(len(table), len(rows) << _CUSTOMER_SHIFT)
        keys[:-1] = (np.arange(len(rows)) << _CUSTOMER_SHIFT).repeat(lengths)
        keys += self._days
        keys += _DAY_OFFSET
        self._keys = keys
        # Sums before each row.
        self._counts = np.zeros((N_COUNTS, len(table) + 1), np.int32)
        table["counts"].cumsum(axis=0, out=self._counts.T[1:])
        self._scores = np.zeros(len(table) + 1, np.int64)
        table["score"].cumsum(out=self._scores[1:])
        # Where each event's windows begin, and where they all end.
        self._ends = at + 1
        self._begins = [keys.searchsorted(keys[at] - (days - 1)) for days in _WINDOWS]
        self._count_windows()
        self._group_days()

    def windows(self) -> tuple[list[WindowCounts], list[WindowCounts], list[WindowCounts]]:
        """Return the counts of inbound and outbound contacts and of complaints as of each event."""
        numbers = self._numbers
        inbound, outbound, complaints = (self._published(numbers[row]) for row in (INBOUND, OUTBOUND, COMPLAINTS))
        return inbound, outbound, complaints

    def windows_by(self, first: int, names: Sequence[Any]) -> list[dict[Any, WindowCounts]]:
        """Return the counts of the columns from `first` on that are not empty, by name, as of each event."""
        numbers = self._numbers[first : first + len(names)].T
        events, which = numbers.nonzero()
        # One for all who have none: nobody changes it.
        found: list[dict[Any, WindowCounts]] = [{}] * len(numbers)
        for event, name, counts in zip(
            events.tolist(), which.tolist(), self._published(numbers[events, which]), strict=True
        ):
            if found[event]:
                found[event][names[name]] = counts
            else:
                found[event] = {names[name]: counts}
        return found

    def means(self) -> list[float | None]:
        """Return the mean score of 30 days as of each event."""
        begin = self._begins[1]
        n = self._counts[N_SCORED, self._ends] - self._counts[N_SCORED, begin]
        total = self._scores[self._ends] - self._scores[begin]
        mean = total / np.maximum(n, 1) / SCORE_UNIT
        rounded = _rounded(mean, 4)
        found: list[float | None] = rounded.tolist()
        for number in np.flatnonzero(n == 0).tolist():
            found[number] = None
        return found

    def trends(self) -> list[float | None]:
        """Return the mood's trend as of each event.

        It is computed with approximate weights, and exactly where these leave it in doubt.
        """
        begin, table = self._begins[2], self._rows
        n = self._counts[N_SCORED, self._ends] - self._counts[N_SCORED, begin]
        total = self._scores[self._ends] - self._scores[begin]
        weights = np.exp((self._days - self._newest) / TREND_DAYS)
        stretches = _stretches(begin, self._ends)
        recent_n = np.add.reduceat(weights * table["counts"][:, N_SCORED], stretches)[::2]
        recent_total = np.add.reduceat(weights * table["score"], stretches)[::2]
        with np.errstate(divide="ignore", invalid="ignore"):
            trends = (recent_total / recent_n - total / np.maximum(n, 1)) / SCORE_UNIT
            scaled = trends * SCORE_UNIT
            whole = np.rint(scaled)
            # One score is its own mean.
            is_near = np.abs(np.abs(scaled - whole) - 0.5) <= _DOUBT
            is_sure = (n == 1) | ((recent_n > _LEAST_WEIGHT) & (whole != 0) & ~is_near)
        whole[n == 1] = 0
        found: list[float | None] = (whole / SCORE_UNIT).tolist()
        for number in np.flatnonzero(~is_sure).tolist():
            found[number] = self._exact_trend(number) if n[number] else None
        return found

    def silences_days(self) -> list[float]:
        """Return the longest time between days with contact as of each event."""
        at, of_day = self._at, self._of_day
        active = np.flatnonzero(self._is_active[self._day_ends])
        lasts = self._day_last_ms[active]
        gaps = np.zeros(len(active) + 2, np.int64)
        np.subtract(self._day_first_ms[active[1:]], lasts[:-1], out=gaps[1 : len(active)])
        # Of the days with contact that are over, in each event's window: the second one, and where they end.
        active_keys = self._keys[self._day_ends[active]]
        begin = active_keys.searchsorted(self._keys[at] - (WINDOW_DAYS - 1)) + 1
        end = active.searchsorted(of_day[at])
        silences = np.maximum.reduceat(gaps, _stretches(np.minimum(begin, len(active)), end))[::2]
        silences[begin >= end] = 0
        is_next = self._is_active[at] & (end >= begin)
        since = self._as_of_first_ms[at[is_next]] - lasts[end[is_next] - 1]
        silences[is_next] = np.maximum(silences[is_next], since)
        days: list[float] = _rounded(silences / DAY_MS, 2).tolist()
        return days

    def rows(self) -> tuple[list[bytes], list[int]]:
        """Return the rows that each customer has now, and their oldest days: what is too old has none."""
        starts, ends = self._day_starts[:-1], self._day_ends[:-1]
        days = self._rows[starts]
        grown = np.flatnonzero(starts != ends)
        first, after = starts[grown], ends[grown] + 1
        days["first_ms"][grown], days["last_ms"][grown] = self._day_first_ms[grown], self._day_last_ms[grown]
        days["score"][grown] = self._scores[after] - self._scores[first]
        days["counts"][grown] = (self._counts[:, after] - self._counts[:, first]).T
        keys = self._keys[starts]
        afters = np.empty(len(self._starts), np.intp)
        afters[:-1] = keys.searchsorted(self._keys[self._starts[1:]])
        afters[-1] = len(starts)
        begins = keys.searchsorted(keys[afters - 1] - (WINDOW_DAYS - 1))
        oldest: list[int] = self._days[starts[np.minimum(begins, len(starts) - 1)]].tolist()
        content = days.tobytes()
        places = zip((begins * ROW_BYTES).tolist(), (afters * ROW_BYTES).tolist(), strict=True)
        return [content[begin:end] for begin, end in places], oldest

    def _count_windows(self) -> None:
        d7, d30, d90 = (self._counts[:, self._ends] - self._counts[:, begin] for begin in self._begins)
        is_many = int(d90.max()) >> _COUNT_BITS > 0
        bits, kind = (MANY_BITS, np.dtype(object)) if is_many else (_COUNT_BITS, np.dtype(np.int64))
        self._windows = _many if is_many else _few
        self._numbers: NDArray[Any] = d90.astype(kind) << 2 * bits
        self._numbers |= d30.astype(kind) << bits
        self._numbers |= d7.astype(kind)

    def _published(self, numbers: NDArray[Any]) -> list[WindowCounts]:
        return list(map(self._windows.__getitem__, numbers.tolist()))

    def _group_days(self) -> None:
        """Find the rows of each day, and what is known of the day as of each of them."""
        keys = self._keys
        is_new = np.empty(len(keys), np.bool_)
        is_new[0] = True
        np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
        self._of_day = is_new.cumsum() - 1
        self._day_starts = is_new.nonzero()[0]
        self._day_ends = ends = np.empty(len(self._day_starts), np.intp)
        ends[:-1] = self._day_starts[1:] - 1
        ends[-1] = len(keys) - 1
        # A day's place above the instants keeps the days before it out of the greatest so far.
        base = self._of_day << _ROW_SHIFT
        self._as_of_first_ms = LATEST_MS - (np.maximum.accumulate(LATEST_MS - self._first_ms + base) - base)
        last_ms = np.maximum.accumulate(self._rows["last_ms"] + base)
        contacts = self._counts[CONTACTS]
        self._is_active = contacts[1:] > contacts[self._day_starts].take(self._of_day)
        self._day_first_ms, self._day_last_ms = self._as_of_first_ms[ends], last_ms[ends] - base[ends]

    def _exact_trend(self, number: int) -> float | None:
        stretch = slice(self._begins[2][number], self._ends[number])
        rows = self._rows[stretch]
        days = self._days[stretch].tolist(), rows["counts"][:, N_SCORED].tolist(), rows["score"].tolist()
        return trend(int(self._days[self._at[number]]), zip(*days, strict=True))


_few: Final = Windows(_COUNT_BITS)
_many: Final = Windows(MANY_BITS)


def _counts(
    contacts: Sequence[int], scores: Sequence[int | None], complaint_aspects: Sequence[tuple[int, ...] | None]
) -> NDArray[np.int32]:
    """Return what each event adds to its row."""
    counts: NDArray[np.int32] = _of_contact.take(contacts, axis=0)
    counts[:, N_SCORED] = [score is not None for score in scores]
    for number, aspects in enumerate(complaint_aspects):
        if aspects is not None:
            counts[number, COMPLAINTS] = 1
            for code in aspects:
                counts[number, FIRST_ASPECT + code] = 1
    return counts


def _stretches(begins: Places, ends: Places) -> Places:
    """Return what `reduceat` makes a result for each stretch of, at every second place."""
    stretches = np.empty(2 * len(begins), np.intp)
    stretches[::2], stretches[1::2] = begins, ends
    return stretches


def _rounded(values: NDArray[np.float64], places: int) -> NDArray[np.float64]:
    """Return what Python's `round` makes of each value."""
    unit = 10**places
    scaled = values * unit
    whole = np.rint(scaled)
    rounded: NDArray[np.float64] = whole / unit
    for number in np.flatnonzero(np.abs(np.abs(scaled - whole) - 0.5) <= _DOUBT).tolist():
        rounded[number] = round(float(values[number]), places)
    return rounded
