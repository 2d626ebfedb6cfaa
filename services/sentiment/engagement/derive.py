"""What is published of a customer's engagement: windows, mood, silence, response times, counted over the days. Pure."""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from services.sentiment.engagement.model import ANY_COMPLAINT, DAY_MS, SCORE_UNIT, WINDOW_DAYS, Day, EngagementState
from shared.clock import from_ms
from shared.contracts.enriched import ASPECT_NAMES, Engagement, WindowCounts
from shared.contracts.event import CHANNEL_NAMES

# Sentiment's trend compares a mean weighted e^(-age / 10 days) with the plain 90-day mean. The weights are whole
# numbers that grow from an anchor on, not fall from today on: so they do not depend on any order.
TREND_DAYS: Final = 10.0
_RECENCY: Final = [round(math.exp(days / TREND_DAYS) * (1 << 64)) for days in range(2 * WINDOW_DAYS)]
# A reply a week later answers another question.
_LONGEST_RESPONSE_MS: Final = 7 * DAY_MS
_N_DIRECTIONS: Final = 3
_INBOUND, _OUTBOUND = range(2)
# The counts of three windows are one number.
MANY_BITS: Final = 32
_UNIT_7, _UNIT_30, _UNIT_90 = 1, 1 << MANY_BITS, 1 << 2 * MANY_BITS
_MEMORY: Final = 20_000


class Windows(dict[int, WindowCounts]):
    """The counts of 7, 30 and 90 days by the number that holds them, kept as most customers have the same few."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def __missing__(self, number: int) -> WindowCounts:
        if len(self) >= _MEMORY:
            self.clear()
        bits, mask = self._bits, (1 << self._bits) - 1
        counts = self[number] = WindowCounts(d7=number & mask, d30=number >> bits & mask, d90=number >> 2 * bits)
        return counts


_windows: Final = Windows(MANY_BITS)


def engagement(state: EngagementState) -> Engagement:
    """Return the published counters of a state, as of its newest event."""
    newest, last_ms = state.newest_day, state.last_ms
    days = sorted(state.days.items())
    today = state.days.get(newest)
    first_at = from_ms(state.first_ms) if last_ms else None
    last_at = as_of = from_ms(last_ms) if last_ms else None
    if as_of is None or (today is not None and today.last_ms > last_ms):
        as_of = from_ms(0 if today is None else today.last_ms)
    directions, channels, complaints = [0] * _N_DIRECTIONS, [0] * len(CHANNEL_NAMES), [0] * (ANY_COMPLAINT + 1)
    n_30 = score_30 = 0
    for day, bucket in days:
        age = newest - day
        unit = _UNIT_90 + _UNIT_30 * (age < 30) + _UNIT_7 * (age < 7)
        for code, n in bucket.contacts.items():
            channels[code // _N_DIRECTIONS] += n * unit
            directions[code % _N_DIRECTIONS] += n * unit
        for code, n in bucket.complaints.items():
            complaints[code] += n * unit
        if age < 30:
            n_30 += bucket.n_scored
            score_30 += bucket.score_sum
    return Engagement(
        as_of=as_of,
        first_contact_at=first_at,
        last_contact_at=last_at,
        inbound=_windows[directions[_INBOUND]],
        outbound=_windows[directions[_OUTBOUND]],
        complaints=_windows[complaints[ANY_COMPLAINT]],
        by_channel={name: _windows[number] for name, number in zip(CHANNEL_NAMES, channels, strict=True) if number},
        complaints_by_aspect={
            name: _windows[number]
            for name, number in zip(ASPECT_NAMES, complaints[:ANY_COMPLAINT], strict=True)
            if number
        },
        sentiment_mean_30d=round(score_30 / n_30 / SCORE_UNIT, 4) if n_30 else None,
        sentiment_trend=trend(newest, [(day, bucket.n_scored, bucket.score_sum) for day, bucket in days]),
        longest_silence_days=round(_longest_silence_ms(bucket for _, bucket in days if bucket.contacts) / DAY_MS, 2),
        median_response_s=median_response_s(state.turns),
    )


def trend(newest_day: int, days: Iterable[tuple[int, int, int]]) -> float | None:
    """Return the recent mood less the usual one from (day, scores, their sum) of 90 days; None without scores."""
    # Less than two windows before the newest, and the same for long.
    anchor = (newest_day // WINDOW_DAYS - 1) * WINDOW_DAYS
    recent_n = recent_sum = n = total = 0
    for day, n_scored, score_sum in days:
        if n_scored:
            recency = _RECENCY[day - anchor]
            recent_n += recency * n_scored
            recent_sum += recency * score_sum
            n += n_scored
            total += score_sum
    return round((recent_sum / recent_n - total / n) / SCORE_UNIT, 4) if n else None


def median_response_s(turns: Iterable[int]) -> float | None:
    """Return the median time from the first unanswered message to the next answer by a person, in seconds."""
    responses: list[int] = []
    waiting_since: int | None = None
    for turn in turns:
        at_ms, is_answer = turn >> 1, turn & 1
        if not is_answer:
            waiting_since = at_ms if waiting_since is None else waiting_since
        elif waiting_since is not None:
            if at_ms - waiting_since <= _LONGEST_RESPONSE_MS:
                responses.append(at_ms - waiting_since)
            waiting_since = None
    if not responses:
        return None
    responses.sort()
    middle = len(responses) // 2
    median = responses[middle] if len(responses) % 2 else (responses[middle - 1] + responses[middle]) / 2
    return median / 1000


def _longest_silence_ms(active: Iterable[Day]) -> int:
    return max((later.first_ms - earlier.last_ms for earlier, later in pairwise(active)), default=0)
