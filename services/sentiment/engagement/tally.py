"""A customer's engagement while events are added: the state, with the counts of each window kept as they change.

Any order and any repetition of the same events inside 90 days gives the same state: events are named by 8 bytes and
kept once a day, instants by minimum and maximum, everything else is an integer sum. An event older than 90 days before
the newest one moves the first contact and nothing else. What windows hold is kept up to date by what enters and what
leaves them, and days that are over are shared between versions, as objects and as bytes, so that neither an event, nor
what is published of it, nor the state's bytes cost a walk over 90 days.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.sentiment.engagement.model import (
    ANY_COMPLAINT,
    DAY_MS,
    ID_BYTES,
    MAX_IDS_A_DAY,
    MAX_TURNS,
    SCORE_UNIT,
    WINDOW_DAYS,
    Day,
    EngagementState,
    Observation,
)
from shared.clock import from_ms
from shared.contracts.enriched import ASPECT_NAMES, Engagement, WindowCounts
from shared.contracts.event import CHANNEL_NAMES, EVENT_TYPES
from shared.links import Links

# All sums are one number, which is added to and copied at once where a list of counts would be dozens of objects. It
# has a row of three fields for each thing that is counted: its sums over 7, 30 and 90 days. What is added to a row's
# first field is added to as many fields as its age says when it is multiplied by that age's unit. A field has room for
# the scores of some 10^10 events.
_BITS: Final = 48
_MASK: Final = (1 << _BITS) - 1
_ROW_BITS: Final = 3 * _BITS
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
_UNIT_7, _UNIT_30, _UNIT_90 = 1, 1 << _BITS, 1 << 2 * _BITS
_UNITS: Final = [_UNIT_90 + _UNIT_30 * (age < 30) + _UNIT_7 * (age < 7) for age in range(WINDOW_DAYS)]
# Sentiment's trend compares a mean weighted e^(-age / 10 days) with the plain 90-day mean. The weights are whole
# numbers that grow from an anchor on, not fall from today on: so the sums need no change when a day passes, and do not
# depend on any order.
_TREND_DAYS: Final = 10.0
_RECENCY: Final = [round(math.exp(days / _TREND_DAYS) * (1 << 64)) for days in range(2 * WINDOW_DAYS)]
# A reply a week later answers another question.
_LONGEST_RESPONSE_MS: Final = 7 * DAY_MS
# So many days that are past their windows may lie before the others.
_SLACK: Final = WINDOW_DAYS

# Where rows begin: what most customers have first, since a number is as long as its last row. Scores are summed with
# one unit more each, so that none is negative.
_INBOUND: Final = 0
_OUTBOUND, _N_SCORED, _SCORES, _COMPLAINTS = (n * _ROW_BITS for n in range(1, 5))
_BY_CHANNEL: Final = [(5 + n) * _ROW_BITS for n in range(len(CHANNEL_NAMES))]
_BY_ASPECT: Final = [(5 + len(CHANNEL_NAMES) + n) * _ROW_BITS for n in range(len(ASPECT_NAMES))]
# What a score adds beside itself.
_OF_SCORE: Final = (1 << _N_SCORED) + (SCORE_UNIT << _SCORES)
# What a complaint adds, by aspect; the last is a complaint of any kind.
_OF_COMPLAINT: Final = [1 << row for row in (*_BY_ASPECT, _COMPLAINTS)]
# What a contact adds. Contacts are coded by channel, then direction; internal ones count for their channel alone.
_OF_CONTACT: Final = [
    added for row in _BY_CHANNEL for added in (1 << row | 1 << _INBOUND, 1 << row | 1 << _OUTBOUND, 1 << row)
]
# Most days have one event: days share these counts, which nobody changes.
_NOTHING: Final[dict[int, int]] = {}
_ONE: Final = [{code: 1} for code in range(max(len(_OF_CONTACT), len(EVENT_TYPES)))]
_DAY_END: Final = b"],"
_MEMORY: Final = 20_000

_encode: Final = msgspec.json.Encoder().encode
_decode_turns: Final = msgspec.json.Decoder(list[int]).decode


class _Windows(dict[int, WindowCounts]):
    """The counts that a row's number holds, kept as most customers have the same few."""

    def __missing__(self, number: int) -> WindowCounts:
        if len(self) >= _MEMORY:
            self.clear()
        d7, d30, d90 = number & _MASK, number >> _BITS & _MASK, number >> 2 * _BITS
        counts = self[number] = WindowCounts(d7=d7, d30=d30, d90=d90)
        return counts


_windows: Final = _Windows()
_shared: Final[dict[tuple[int, ...], tuple[int, ...]]] = {}


class Tally(Struct, eq=False, gc=False):
    """An `EngagementState` in hand. `add` changes it: a tally that others may hold is copied first.

    The days before the newest are a stretch of a list that is shared with copies. Whoever is first appends to it, past
    the others' ends; whoever comes second, or changes a day that is over, goes on with a list of its own.
    """

    newest_day: int = -1
    first_ms: int = 0
    last_ms: int = 0
    links: Links | None = None
    parts: dict[str, EngagementState] = {}
    # The newest day's; None before the first event.
    _today: Day | None = None
    _past: list[Day] = []
    # Where in `_past` the windows of 90, 30 and 7 days begin, and where they all end.
    _from_90: int = 0
    _from_30: int = 0
    _from_7: int = 0
    _end: int = 0
    # The days before the newest as bytes, up to one of them; the newest day as bytes, empty after a change.
    _past_bytes: bytes = b""
    _encoded_end: int = 0
    _today_bytes: bytes = b""
    # As in the state's bytes, without brackets.
    _turns: bytes = b""
    _sums: int = 0
    # The channels with a contact in 90 days, in the contract's order.
    _channels: tuple[int, ...] = ()
    # The aspects with a complaint in 90 days, as well.
    _aspects: tuple[int, ...] = ()
    _recent_score: int = 0
    _recent_n: int = 0
    _silence_ms: int = 0
    _is_silence_known: bool = True
    _median_response_s: float | None = None
    _first_at: datetime | None = None

    @classmethod
    def of(cls, state: EngagementState) -> "Tally":
        """Return the tally of a state, counted anew."""
        tally = cls(state.newest_day, state.first_ms, state.last_ms, state.links, state.parts)
        tally._past = [bucket for day, bucket in sorted(state.days.items()) if day != state.newest_day]
        tally._end = len(tally._past)
        tally._today = state.days.get(state.newest_day)
        tally._set_turns(state.turns)
        tally._is_silence_known = False
        tally._first_at = from_ms(state.first_ms) if state.last_ms else None
        tally._recount()
        return tally

    def copy(self) -> "Tally":
        """Return an equal tally to add to."""
        return replace(self)

    def state(self) -> EngagementState:
        """Return the state as it is now."""
        days = {_day(bucket): bucket for bucket in self._days()}
        return EngagementState(
            self.newest_day, self.first_ms, self.last_ms, days, _turns(self._turns), self.links, self.parts
        )

    def encode(self) -> bytes:
        """Return the state's bytes, those of `encode_state`; days that did not change are not encoded again."""
        today = self._today
        if self._encoded_end < self._end:
            new = self._past[max(self._encoded_end, self._from_90) : self._end]
            self._past_bytes += b"".join([_member(bucket) + b"," for bucket in new])
            self._encoded_end = self._end
        if today is not None and not self._today_bytes:
            self._today_bytes = _member(today)
        return b"[%d,%d,%d,{%b%b},[%b],%b,%b]" % (
            self.newest_day,
            self.first_ms,
            self.last_ms,
            self._past_bytes if self._today_bytes else self._past_bytes[:-1],
            self._today_bytes,
            self._turns,
            b"null" if self.links is None else _encode(self.links),
            _encode(self.parts) if self.parts else b"{}",
        )

    def knows(self, seen: Observation) -> bool:
        """Return whether this very event is included."""
        day = seen.at_ms // DAY_MS
        if day > self.newest_day:
            return False
        bucket = self._today if day == self.newest_day else self._bucket(day)
        return bucket is not None and _has(bucket.ids, seen.id)

    def add(self, seen: Observation) -> None:
        """Include one more event, one that is not known."""
        at_ms, contact, score, aspects = seen.at_ms, seen.contact, seen.score, seen.complaint_aspects
        day = at_ms // DAY_MS
        is_last = False
        if contact is not None:
            is_last = at_ms > self.last_ms > 0
            if is_last:
                self.last_ms = at_ms
            elif not self.first_ms <= at_ms <= self.last_ms:
                self._contacted(at_ms)
        if day >= self.newest_day:
            if day > self.newest_day:
                self._advance(day)
            bucket = self._today
            self._today = grown = _day_of(seen) if bucket is None else _with(bucket, seen)
            self._today_bytes = b""
            if grown.contacts and self._is_silence_known:
                self._follow_silence(bucket, grown)
        elif day <= self.newest_day - WINDOW_DAYS:
            return
        else:
            self._add_to_past(day, seen)
        added = 0
        if contact is not None:
            added = _OF_CONTACT[contact]
            if seen.is_answer or seen.is_customers:
                self._turn(2 * at_ms + seen.is_answer, is_last)
        if aspects is not None:
            for code in (*aspects, ANY_COMPLAINT):
                added += _OF_COMPLAINT[code]
        if score is not None:
            added += _OF_SCORE + (score << _SCORES)
            recency = _RECENCY[day - _anchor(self.newest_day)]
            self._recent_score += recency * score
            self._recent_n += recency
        self._sums += added * _UNITS[self.newest_day - day]
        if contact is not None and contact // 3 not in self._channels:
            channels = tuple(sorted((*self._channels, contact // 3)))
            self._channels = _shared.setdefault(channels, channels)
        if aspects:
            self._aspects = tuple(sorted({*self._aspects, *aspects}))

    def engagement(self) -> Engagement:
        """Return the published counters, as of the newest event."""
        sums, last_ms, first_at, today = self._sums, self.last_ms, self._first_at, self._today
        last_at = as_of = None if first_at is None else from_ms(last_ms)
        if as_of is None or (today is not None and today.last_ms > last_ms):
            as_of = from_ms(0 if today is None else today.last_ms)
        if not self._is_silence_known:
            self._find_silence()
        n_30 = sums >> _N_SCORED + _BITS & _MASK
        return Engagement(
            as_of=as_of,
            first_contact_at=first_at,
            last_contact_at=last_at,
            inbound=_windows[sums & _ROW_MASK],
            outbound=_windows[sums >> _OUTBOUND & _ROW_MASK],
            complaints=_windows[sums >> _COMPLAINTS & _ROW_MASK],
            by_channel={
                CHANNEL_NAMES[channel]: _windows[sums >> _BY_CHANNEL[channel] & _ROW_MASK] for channel in self._channels
            },
            complaints_by_aspect={
                ASPECT_NAMES[code]: _windows[sums >> _BY_ASPECT[code] & _ROW_MASK] for code in self._aspects
            },
            sentiment_mean_30d=_mean(sums >> _SCORES + _BITS & _MASK, n_30) if n_30 else None,
            sentiment_trend=self._trend() if self._recent_n else None,
            longest_silence_days=round(self._silence_ms / DAY_MS, 2) if self._silence_ms else 0.0,
            median_response_s=self._median_response_s,
        )

    def _days(self) -> list[Day]:
        """Return all days in their order."""
        past = self._past[self._from_90 : self._end]
        return past if self._today is None else [*past, self._today]

    def _contacted(self, at_ms: int) -> None:
        if not self.last_ms or at_ms < self.first_ms:
            self.first_ms = at_ms
        self.last_ms = max(self.last_ms, at_ms)
        self._first_at = from_ms(self.first_ms) if self.last_ms else None

    def _find_channels(self) -> None:
        self._channels = self._found(_BY_CHANNEL)

    def _find_aspects(self) -> None:
        self._aspects = self._found(_BY_ASPECT)

    def _found(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Return which of the rows are not empty; customers share the answers."""
        sums = self._sums
        found = tuple(code for code, row in enumerate(rows) if sums >> row & _ROW_MASK)
        return _shared.setdefault(found, found)

    def _bucket(self, day: int) -> Day | None:
        at = bisect_left(self._past, day * DAY_MS, self._from_90, self._end, key=_first_ms)
        bucket = self._past[at] if at < self._end else None
        return bucket if bucket is not None and _day(bucket) == day else None

    def _add_to_past(self, day: int, seen: Observation) -> None:
        """Add an event to a day that is over; copies keep their list."""
        past = self._past[self._from_90 : self._end]
        at = bisect_left(past, day * DAY_MS, key=_first_ms)
        if at < len(past) and _day(past[at]) == day:
            past[at] = grown = _with(past[at], seen)
        else:
            grown = _day_of(seen)
            past.insert(at, grown)
        self._past, self._from_90, self._end = past, 0, len(past)
        self._find_windows()
        self._past_bytes, self._encoded_end = b"", 0
        if grown.contacts:
            self._is_silence_known = False

    def _find_windows(self) -> None:
        """Find where in the past the shorter windows begin."""
        past, newest, end = self._past, self.newest_day, self._end
        self._from_30 = bisect_left(past, (newest - 29) * DAY_MS, self._from_90, end, key=_first_ms)
        self._from_7 = bisect_left(past, (newest - 6) * DAY_MS, self._from_30, end, key=_first_ms)

    def _advance(self, day: int) -> None:
        """Make `day` the newest: what was in a window and is too old for it now leaves."""
        before, self.newest_day = self.newest_day, day
        if self._today is not None:
            self._close(self._today)
        elif self._from_90 == self._end:
            return
        past, end, at = self._past, self._end, self._from_7
        while at < end and past[at].first_ms < (day - 6) * DAY_MS:
            self._shift(past[at], -_UNIT_7)
            at += 1
        self._from_7, at = at, self._from_30
        while at < end and past[at].first_ms < (day - 29) * DAY_MS:
            self._shift(past[at], -_UNIT_30)
            at += 1
        self._from_30 = at
        if past[self._from_90].first_ms < (day - WINDOW_DAYS + 1) * DAY_MS:
            self._evict(before)
        if self._turns and self.first_ms < (day - WINDOW_DAYS + 1) * DAY_MS:
            self._forget_turns()
        if day // WINDOW_DAYS != before // WINDOW_DAYS:
            # The anchor is another one.
            self._weigh()

    def _close(self, today: Day) -> None:
        """Put the day that is over behind those before it."""
        if len(self._past) != self._end or self._from_90 > _SLACK:
            gone = self._from_90
            self._past = self._past[gone : self._end]
            self._from_90 = 0
            self._from_30 -= gone
            self._from_7 -= gone
            self._end -= gone
            self._encoded_end = max(0, self._encoded_end - gone)
        if self._today_bytes and self._encoded_end == self._end:
            self._past_bytes += self._today_bytes + b","
            self._encoded_end += 1
        self._past.append(today)
        self._end += 1
        self._today, self._today_bytes = None, b""

    def _evict(self, before: int) -> None:
        """Let go of the days that are over for the longest window; `before` was the newest day."""
        past, end, at = self._past, self._end, self._from_90
        oldest_ms, anchor = (self.newest_day - WINDOW_DAYS + 1) * DAY_MS, _anchor(before)
        while at < end and (gone := past[at]).first_ms < oldest_ms:
            self._shift(gone, -_UNIT_90)
            if gone.n_scored:
                recency = _RECENCY[_day(gone) - anchor]
                self._recent_score -= recency * gone.score_sum
                self._recent_n -= recency * gone.n_scored
            if at < self._encoded_end:
                self._past_bytes = self._past_bytes[self._past_bytes.index(_DAY_END) + len(_DAY_END) :]
            at += 1
            if gone.contacts and self._is_silence_known:
                following = next((past[later] for later in range(at, end) if past[later].contacts), None)
                if following is not None and following.first_ms - gone.last_ms >= self._silence_ms:
                    self._is_silence_known = False
        self._from_90 = at
        self._find_channels()
        self._find_aspects()

    def _recount(self) -> None:
        self._find_windows()
        self._sums = 0
        for bucket in self._days():
            self._shift(bucket, _UNITS[self.newest_day - _day(bucket)])
        self._weigh()
        self._find_channels()
        self._find_aspects()

    def _weigh(self) -> None:
        anchor = _anchor(self.newest_day)
        self._recent_score = self._recent_n = 0
        for bucket in self._days():
            recency = _RECENCY[_day(bucket) - anchor]
            self._recent_score += recency * bucket.score_sum
            self._recent_n += recency * bucket.n_scored

    def _shift(self, bucket: Day, unit: int) -> None:
        """Add a day to the windows of a unit, or take it out."""
        added = bucket.n_scored * _OF_SCORE + (bucket.score_sum << _SCORES)
        for code, n in bucket.contacts.items():
            added += _OF_CONTACT[code] * n
        for code, n in bucket.complaints.items():
            added += _OF_COMPLAINT[code] * n
        self._sums += added * unit

    def _follow_silence(self, bucket: Day | None, grown: Day) -> None:
        """Follow the longest silence where the newest day has grown, or leave it to be found."""
        if bucket is not None and bucket.contacts:
            self._is_silence_known = grown.first_ms == bucket.first_ms
            return
        for at in range(self._end - 1, self._from_90 - 1, -1):
            before = self._past[at]
            if before.contacts:
                self._silence_ms = max(self._silence_ms, grown.first_ms - before.last_ms)
                break

    def _find_silence(self) -> None:
        active = [bucket for bucket in self._days() if bucket.contacts]
        self._silence_ms = max((later.first_ms - earlier.last_ms for earlier, later in pairwise(active)), default=0)
        self._is_silence_known = True

    def _trend(self) -> float:
        sums = self._sums
        n_90 = sums >> _N_SCORED + 2 * _BITS & _MASK
        score_90 = (sums >> _SCORES + 2 * _BITS & _MASK) - n_90 * SCORE_UNIT
        return round((self._recent_score / self._recent_n - score_90 / n_90) / SCORE_UNIT, 4)

    def _turn(self, turn: int, is_last: bool) -> None:
        """Keep who spoke when; which turns are kept does not depend on the order they came in."""
        if not self._turns and not turn & 1:
            self._turns = b"%d" % turn
            return
        if is_last and not turn & 1 and self._turns.count(b",") < MAX_TURNS - 1:
            # A question at the end answers nothing.
            self._turns += b",%d" % turn
            return
        turns = _turns(self._turns)
        at = bisect_left(turns, turn)
        if turns[at : at + 1] != [turn]:
            turns.insert(at, turn)
            self._set_turns(turns)

    def _forget_turns(self) -> None:
        """Let go of turns that are too old."""
        oldest = int(self._turns.split(b",", 1)[0])
        if oldest < 2 * (self.newest_day - WINDOW_DAYS + 1) * DAY_MS:
            self._set_turns(_turns(self._turns))

    def _set_turns(self, turns: Sequence[int]) -> None:
        oldest = 2 * (self.newest_day - WINDOW_DAYS + 1) * DAY_MS
        kept = [turn for turn in turns[-MAX_TURNS:] if turn >= oldest]
        self._turns = _encode(kept)[1:-1]
        self._median_response_s = _median_response_s(kept)


def engagement(state: EngagementState) -> Engagement:
    """Return the published counters of a state."""
    return Tally.of(state).engagement()


def _turns(members: bytes) -> list[int]:
    return _decode_turns(b"[%b]" % members)


def _mean(total: int, n: int) -> float:
    """Return the mean of `n` scores from their row's field."""
    return round((total - n * SCORE_UNIT) / n / SCORE_UNIT, 4)


def _anchor(newest_day: int) -> int:
    """Return the day from which recency grows: less than two windows before the newest, and the same for long."""
    return (newest_day // WINDOW_DAYS - 1) * WINDOW_DAYS


def _day(bucket: Day) -> int:
    return bucket.first_ms // DAY_MS


def _first_ms(bucket: Day) -> int:
    return bucket.first_ms


def _member(bucket: Day) -> bytes:
    """Return the day as a member of the days' JSON object."""
    return b'"%d":%b' % (bucket.first_ms // DAY_MS, _encode(bucket))


def _has(ids: bytes, name: bytes) -> bool:
    at = ids.find(name)
    while at >= 0 and at % ID_BYTES:
        at = ids.find(name, at + 1)
    return at >= 0


def _day_of(seen: Observation) -> Day:
    """Return the day of its first event."""
    aspects, contact, score = seen.complaint_aspects, seen.contact, seen.score
    contacts = _NOTHING if contact is None else _ONE[contact]
    complaints = _NOTHING if aspects is None else dict.fromkeys((*aspects, ANY_COMPLAINT), 1)
    is_scored = score is not None
    return Day(seen.id, seen.at_ms, seen.at_ms, contacts, _ONE[seen.kind], complaints, int(is_scored), score or 0)


def _with(bucket: Day, seen: Observation) -> Day:
    """Return the day with one more event."""
    at_ms, contact, score = seen.at_ms, seen.contact, seen.score
    complaints = bucket.complaints
    if seen.complaint_aspects is not None:
        for code in (*seen.complaint_aspects, ANY_COMPLAINT):
            complaints = _bumped(complaints, code)
    first_ms, last_ms = bucket.first_ms, bucket.last_ms
    return Day(
        _with_id(bucket.ids, seen.id),
        min(first_ms, at_ms),
        max(last_ms, at_ms),
        bucket.contacts if contact is None else _bumped(bucket.contacts, contact),
        _bumped(bucket.kinds, seen.kind),
        complaints,
        bucket.n_scored + (score is not None),
        bucket.score_sum + (score or 0),
    )


def _with_id(ids: bytes, name: bytes) -> bytes:
    if len(ids) >= MAX_IDS_A_DAY * ID_BYTES:
        return ids
    first, end = 0, len(ids)
    while first < end:
        middle = (first + end) // (2 * ID_BYTES) * ID_BYTES
        if ids[middle : middle + ID_BYTES] < name:
            first = middle + ID_BYTES
        else:
            end = middle
    return ids[:first] + name + ids[first:]


def _bumped(counts: Mapping[int, int], code: int) -> dict[int, int]:
    if code in counts:
        return {**counts, code: counts[code] + 1}
    return dict(sorted({**counts, code: 1}.items()))


def _median_response_s(turns: Iterable[int]) -> float | None:
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
