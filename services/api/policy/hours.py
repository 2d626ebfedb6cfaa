"""Working time: from an instant so many minutes on, through weekends, holidays and make-up days. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
from msgspec import Struct

from services.api.policy.model import WEEKDAYS, Calendar, Hours
from shared.errors import Reject

# Longer than any public holiday anywhere by far: a calendar without work for so long has none.
_LONGEST_REST_DAYS = 400


class DayOverrides(Struct, frozen=True, forbid_unknown_fields=True):
    """A country's days that differ from what the holiday tables know, as when a year's make-up days are announced."""

    days_off: list[date] = []
    working_days: list[date] = []


Overrides = Mapping[str, DayOverrides]


def check(calendar: Calendar) -> None:
    """Raises `Reject` naming the member that makes no sense: no such zone, country or day, or no hour of work."""
    try:
        ZoneInfo(calendar.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise Reject("no such time zone", "/time_zone") from error
    if calendar.country is not None:
        try:
            _holidays(calendar.country, calendar.subdivision)
        except NotImplementedError as error:
            pointer = "/country" if calendar.subdivision is None else "/subdivision"
            raise Reject("no holidays are known for it", pointer) from error
    elif calendar.subdivision is not None:
        raise Reject("a subdivision needs its country", "/country")
    for weekday, spans in calendar.hours.items():
        ends = [moment for span in spans for moment in (span.start, span.end)]
        if ends != sorted(ends) or any(span.start == span.end for span in spans):
            raise Reject("spans end after they start, one after the other", f"/hours/{weekday}")
    if not any(calendar.hours.values()):
        raise Reject("a calendar has at least one span of work", "/hours")


def add_working_time(start: datetime, minutes: int, calendar: Calendar, overrides: Overrides) -> datetime:
    """Return the instant (UTC) at which `minutes` of the calendar's working time have passed since `start`.

    Raises `Reject` when the calendar has no working time for more than a year.
    """
    left = timedelta(minutes=minutes)
    n_days_of_rest = 0
    zone = ZoneInfo(calendar.time_zone)
    day = start.astimezone(zone).date()
    while n_days_of_rest <= _LONGEST_REST_DAYS:
        worked = timedelta()
        for begins, ends in _spans(day, calendar, zone, overrides):
            usable = ends - max(begins, start)
            if usable <= timedelta():
                continue
            if usable >= left:
                return max(begins, start) + left
            left -= usable
            worked += usable
        n_days_of_rest = 0 if worked else n_days_of_rest + 1
        day += timedelta(days=1)
    raise Reject(f"the calendar {calendar.name} has no working time for {_LONGEST_REST_DAYS} days")


def is_working_day(day: date, calendar: Calendar, overrides: Overrides) -> bool:
    """Return whether anybody works on a local day: the calendar's own days first, then overrides, then the country."""
    if day in calendar.working_days:
        return True
    if day in calendar.days_off:
        return False
    if calendar.country is not None:
        known = overrides.get(calendar.country, DayOverrides())
        if day in known.working_days:
            return True
        table = _holidays(calendar.country, calendar.subdivision)
        if day in known.days_off or day in table:
            return False
        # Asked after the look-up above, which makes the table of that year.
        if day in table.weekend_workdays:
            return True
    return bool(calendar.hours.get(WEEKDAYS[day.weekday()]))


def _spans(day: date, calendar: Calendar, zone: ZoneInfo, overrides: Overrides) -> Iterator[tuple[datetime, datetime]]:
    if not is_working_day(day, calendar, overrides):
        return
    spans = calendar.hours.get(WEEKDAYS[day.weekday()]) or _first_hours(calendar)
    for span in spans:
        yield _instant(day, span.start, zone), _instant(day, span.end, zone)


def _first_hours(calendar: Calendar) -> list[Hours]:
    return next((calendar.hours[weekday] for weekday in WEEKDAYS if calendar.hours.get(weekday)), [])


def _instant(day: date, clock_time: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, clock_time.split(":"))
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)


@lru_cache(maxsize=64)
def _holidays(country: str, subdivision: str | None) -> Any:
    return holidays.country_holidays(country, subdiv=subdivision)
