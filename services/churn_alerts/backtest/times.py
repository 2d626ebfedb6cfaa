"""How a column writes times: year, day or month first. Decided over all of it; every time becomes a UTC day."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

from services.churn_alerts.backtest.amounts import MOST_STRAYS, NotPlain, UnclearColumn

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

TimeForm = Literal["date", "naive", "zoned"]

FieldOrder = Literal["year first", "day first", "month first"]

ORDERS: tuple[FieldOrder, ...] = ("year first", "day first", "month first")

_FIRST_YEAR_OF_TWO_DIGITS = 1969
"""As POSIX has it: 69 to 99 are of the last century."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = (
    r"(?:(?:[T,] ?| )(?P<half>上午|下午)? ?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: ?(?P<meridian>[ap]\.?m\.?))?(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:[-/.] ?|年)(?P<month>\d{1,2})(?:[-/.] ?|月)(?P<day>\d{1,2})日?" + _CLOCK, re.IGNORECASE
)
_RUN_TOGETHER = re.compile(r"\d{14}", re.ASCII)
_YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[-/.]) ?(?P<second_field>\d{1,2})(?P=mark) ?(?P<year>\d{4}|(?<!-)\d{2})" + _CLOCK,
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:[a-z]{3,9},? )?(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?[-/ ]?(?P<month>[a-z]{3,9})\.?,?[-/ ]?"
    r"|(?P<month_first>[a-z]{3,9})\.? (?P<day_after>\d{1,2})(?:st|nd|rd|th)?,? )(?P<year>\d{4}|\d{2})" + _CLOCK,
    re.IGNORECASE,
)
_SECONDS = re.compile(r"\d{10}(?:\.\d+)?")
_TICKS_A_SECOND = {13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
"""By their number of digits: milli-, micro- and nanoseconds since 1970, of the years 2001 to 2286."""

_ISO_CLOCK = re.compile(r"[ T](?:[01]?\d|2[0-3]):[0-5]?\d(?::[0-5]?\d)?", re.ASCII)
_SHEET_DAY = re.compile(r"[2-6]\d{4}(?:[.,]\d+)?")


class PlainTimes:
    """Reads times as programs write them, ISO 8601, and stops at the first that is not."""

    def __init__(self) -> None:
        # Files hold the same few days over and over: each is understood once.
        self._days: dict[str, int] = {}

    def day_of(self, text: str) -> tuple[int, TimeForm]:
        """Return the UTC day since 1970 and the form. Raises `NotPlain`."""
        day = self._days.get(text)
        if day is not None:
            return day, "date"
        try:
            return _iso_day(text, self._days)
        except (ValueError, OverflowError):
            raise NotPlain from None


class Times:
    """Reads the times of a column whose order of day, month and year is known."""

    def __init__(self, order: FieldOrder) -> None:
        self.order: FieldOrder = order
        self._days: dict[str, int] = {}

    def day_of(self, text: str) -> tuple[int, TimeForm]:
        """Return the UTC day since 1970 and the form. Raises ValueError saying what is wrong."""
        day = self._days.get(text)
        if day is not None:
            return day, "date"
        try:
            day, form = self._read(text)
        except (ValueError, OverflowError):
            raise ValueError(self._complaint(text)) from None
        if form == "date":
            self._days[text] = day
        return day, form

    def is_date(self, text: str) -> bool:
        """Return whether a time can be read in this order."""
        try:
            self._read(text)
        except (ValueError, OverflowError):
            return False
        return True

    def _read(self, text: str) -> tuple[int, TimeForm]:
        if self.order == "year first":
            try:
                return _iso_day(text, self._days)
            except (ValueError, OverflowError):
                if _RUN_TOGETHER.fullmatch(text):
                    text = f"{text[:8]}T{text[8:]}"
                    return datetime.fromisoformat(text).toordinal() - EPOCH_ORDINAL, "naive"
                found = _YEAR_FIRST.fullmatch(text)
            if found is not None:
                return _utc_day(int(found["year"]), int(found["month"]), int(found["day"]), found)
        else:
            found = _YEAR_LAST.fullmatch(text)
            if found is not None:
                fields = int(found["first"]), int(found["second_field"])
                day, month = fields if self.order == "day first" else fields[::-1]
                return _utc_day(_year(found["year"]), month, day, found)
        found = _NAMED.fullmatch(text)
        if found is not None:
            month = _MONTHS.index((found["month"] or found["month_first"])[:3].lower()) + 1
            return _utc_day(_year(found["year"]), month, int(found["day"] or found["day_after"]), found)
        return int(_since_1970(text) // 86400), "zoned"

    def _complaint(self, text: str) -> str:
        if _SHEET_DAY.fullmatch(text):
            return f"time {text!r} looks like a spreadsheet's day number: format the column as a date, like 2024-12-31"
        if any(Times(order).is_date(text) for order in ORDERS):
            return f"time {text[:40]!r} is not written {self.order} like the others"
        return f"time {text[:40]!r} is no date or date-time such as 2024-12-31 or 2024-12-31T17:00:00Z"


@dataclass(slots=True)
class TimeSurvey:
    """Sees every value of a column, and then says in what order the parts of its dates stand."""

    _n_other: int = 0
    _n_open: int = 0
    _n_day_first: int = 0
    _n_month_first: int = 0
    _year_first: Times = field(default_factory=lambda: Times("year first"))
    _first: dict[str, str] = field(default_factory=dict)

    def see(self, line: int, text: str) -> None:
        found = _YEAR_LAST.fullmatch(text)
        if found is None:
            if self._year_first.is_date(text):
                self._n_other += 1
                self._note("other", line, text)
            return
        first, second = int(found["first"]), int(found["second_field"])
        # 31.12.2024: no country writes the month first with full stops.
        if max(first, second) > 31:
            return
        self._note("year last", line, text)
        if first > 12 >= second or (found["mark"] == "." and second <= 12):
            self._n_day_first += 1
            self._note("day first", line, text)
        elif second > 12 >= first:
            self._n_month_first += 1
            self._note("month first", line, text)
        elif max(first, second) <= 12:
            self._n_open += 1

    def settle(self) -> FieldOrder:
        """Return the order of all dates. Raises `UnclearColumn` when it cannot be told from the values."""
        n_sure = self._n_day_first + self._n_month_first
        n_last = n_sure + self._n_open
        if min(n_last, self._n_other) > MOST_STRAYS * (n_last + self._n_other):
            raise UnclearColumn(
                f"times are written in two ways ({self._first['year last']}; {self._first['other']}), as spreadsheets "
                "leave them that swapped day and month of some: write all of them like 2024-12-31"
            )
        if n_last <= self._n_other:
            return "year first"
        if min(self._n_day_first, self._n_month_first) > MOST_STRAYS * n_sure:
            raise UnclearColumn(
                f"some times have the day first ({self._first['day first']}), others the month "
                f"({self._first['month first']}): write all of them like 2024-12-31"
            )
        if not n_sure:
            raise UnclearColumn(
                f"times may have the day or the month first ({self._first['year last']}), and no value tells which: "
                "write them like 2024-12-31"
            )
        return "day first" if self._n_day_first >= self._n_month_first else "month first"

    def _note(self, kind: str, line: int, text: str) -> None:
        self._first.setdefault(kind, f"line {line}: {text[:40]!r}")


def _iso_day(text: str, days_of_date: dict[str, int]) -> tuple[int, TimeForm]:
    """Read ISO 8601, also with / or . in dates; remember the days of bare dates."""
    date_part, rest = text[:10], text[10:]
    if not rest or (len(rest) <= 9 and "+" not in rest and "-" not in rest and not rest.endswith(("Z", "z"))):
        day = days_of_date.get(date_part)
        if day is None:
            if date_part.isdigit() and len(date_part) != len("20241231"):
                raise ValueError  # date.fromisoformat makes some day of seconds since 1970
            iso = date.fromisoformat(date_part.replace("/", "-").replace(".", "-"))
            day = days_of_date[date_part] = iso.toordinal() - EPOCH_ORDINAL
        if rest and _ISO_CLOCK.fullmatch(rest) is None:
            raise ValueError
        return day, "naive" if rest else "date"
    instant = datetime.fromisoformat(text.replace("/", "-").replace(" UTC", "+00:00"))
    if instant.tzinfo is None:
        return instant.toordinal() - EPOCH_ORDINAL, "naive"
    return instant.astimezone(UTC).toordinal() - EPOCH_ORDINAL, "zoned"


def _since_1970(text: str) -> float:
    if _SECONDS.fullmatch(text):
        return float(text)
    if text.isascii() and text.isdigit() and len(text) in _TICKS_A_SECOND:
        return int(text) / _TICKS_A_SECOND[len(text)]
    raise ValueError


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (1900 if year + 1900 >= _FIRST_YEAR_OF_TWO_DIGITS else 2000)


def _utc_day(year: int, month: int, day: int, found: re.Match[str]) -> tuple[int, TimeForm]:
    if found["hour"] is None:
        return date(year, month, day).toordinal() - EPOCH_ORDINAL, "date"
    hour, is_second_half = int(found["hour"]), found["half"] == "下午"
    if found["meridian"]:
        is_second_half = found["meridian"][0] in "pP"
    if found["meridian"] or found["half"]:
        hour = hour % 12 + 12 * is_second_half
    zone = UTC if found["zone"] is None else _zone(found["zone"])
    instant = datetime(year, month, day, hour, int(found["minute"]), int(found["second"] or 0), tzinfo=zone)
    form: TimeForm = "naive" if found["zone"] is None else "zoned"
    return instant.astimezone(UTC).toordinal() - EPOCH_ORDINAL, form


def _zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
