"""When people buy: gamma gaps in operational time, bent by weekday, season and sales. Parameters: docs/simulator.md."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import cos, exp, factorial, pi
from random import Random
from typing import Final

from services.simulator.life.model import DAY_MS, HOUR_MS, Pause
from services.simulator.text.grammar import Language

# Orders a day: gamma with this shape and rate, so a mean gap of 18 days with a coefficient of variation of .63.
RATE_SHAPE: Final = 2.5
RATE_SCALE: Final = 1 / 45
REGULARITIES: Final = ((1, 0.35), (2, 0.35), (4, 0.2), (8, 0.1))

# Monday to Sunday, mean 1.
_WEEKDAYS: Final = (0.9, 0.9, 0.95, 1.0, 1.1, 1.15, 1.0)
_OFFSET_HOURS: Final[dict[Language, int]] = {"zh": 8, "en": 0}
# Orders by hour of the local day, relative.
_HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 9, 10, 9, 8, 8, 8, 9, 10, 12, 13, 12, 8, 4)
_YULE_DAY: Final = 345


@lru_cache(maxsize=4_096)
def intensity(day: int, language: Language) -> float:
    """Return how much more than usual people buy on a UTC day (days since 1970): weekday, season and sales."""
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    season = 1 + 0.12 * cos(2 * pi * (date.timetuple().tm_yday - _YULE_DAY) / 365.25)
    return season * _WEEKDAYS[date.weekday()] * _sale(date.month, date.day, language)


def _sale(month: int, day: int, language: Language) -> float:
    if language == "zh":
        if (month == 11 and day in (10, 11, 12)) or (month == 6 and day in (17, 18, 19)):
            return 1.8
        return 0.6 if month == 2 and day < 12 else 1.0
    if month == 11 and 24 <= day <= 29:
        return 1.7
    return 0.7 if month == 12 and day in (25, 26) else 1.0


def next_order(after_ms: int, gap: float, language: Language, pause: Pause | None, until_ms: int) -> int | None:
    """Return when a gap of operational days has passed since `after_ms`, or None if not before `until_ms`."""
    at_ms, left = after_ms, gap
    while at_ms < until_ms:
        if pause is not None and pause.from_ms <= at_ms < pause.until_ms:
            at_ms = pause.until_ms
            continue
        day_end = (at_ms // DAY_MS + 1) * DAY_MS
        if pause is not None and at_ms < pause.from_ms < day_end:
            day_end = pause.from_ms
        speed = intensity(at_ms // DAY_MS, language)
        passing = speed * (day_end - at_ms) / DAY_MS
        if passing >= left:
            return at_ms + max(int(left / speed * DAY_MS), 1)
        left -= passing
        at_ms = day_end
    return None


def p_gap_exceeds(days: float, rate: float, regularity: int) -> float:
    """Return the probability that a gap of an Erlang(regularity, regularity * rate) exceeds `days`."""
    x = regularity * rate * days
    return exp(-x) * sum(x**j / factorial(j) for j in range(regularity))


def time_of_day(at_ms: int, language: Language, chance: Random) -> int:
    """Return an instant on the same UTC day at an hour when people shop, by their own clock."""
    local_hour = chance.choices(range(24), _HOURS)[0]
    hour = (local_hour - _OFFSET_HOURS[language]) % 24
    return at_ms // DAY_MS * DAY_MS + hour * HOUR_MS + chance.randrange(HOUR_MS)


def office_hours(at_ms: int, language: Language) -> int:
    """Return the first instant from `at_ms` on at which the support desk works: 9 to 18 by its own clock, every day."""
    local_ms = at_ms + _OFFSET_HOURS[language] * HOUR_MS
    hour = local_ms % DAY_MS / HOUR_MS
    if hour < 9:
        return at_ms + int((9 - hour) * HOUR_MS)
    return at_ms if hour < 18 else at_ms + int((33 - hour) * HOUR_MS)
