"""A customer's engagement while events are added: the state, with the counts of each window kept as they change.

Any order and any repetition of the same events inside 90 days gives the same state: events are named by 8 bytes and
kept once a day, instants by minimum and maximum, everything else is an integer sum. An event older than 90 days before
the newest one moves the first contact and nothing else. What windows hold is kept up to date by what enters and what
leaves them, so that neither an event nor what is published of it costs a walk over 90 days.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Raw, Struct, field
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

_WINDOWS: Final = ((0, 7), (1, 30), (2, WINDOW_DAYS))
# Sentiment's trend compares a mean weighted e^(-age / 10 days) with the plain 90-day mean.
_TREND_DAYS: Final = 10.0
_RECENCY: Final = [math.exp(-age / _TREND_DAYS) for age in range(WINDOW_DAYS)]
# A reply a week later answers another question.
_LONGEST_RESPONSE_MS: Final = 7 * DAY_MS
# Beyond so many days at once, counting anew is cheaper than following each day out of its windows.
_FAR_DAYS: Final = 10

# Rows of the counts, three windows each.
_INBOUND: Final = len(CHANNEL_NAMES)
_OUTBOUND: Final = _INBOUND + 1
_COMPLAINTS: Final = _OUTBOUND + 1
_N_ROWS: Final = _COMPLAINTS + ANY_COMPLAINT + 1
# Contacts are coded by channel, then direction; internal ones count for their channel alone.
_ROWS_OF_CONTACT: Final = [
    tuple(3 * row for row in rows)
    for channel in range(len(CHANNEL_NAMES))
    for rows in ((channel, _INBOUND), (channel, _OUTBOUND), (channel,))
]
_ROW_OF_COMPLAINT: Final = [3 * (_COMPLAINTS + code) for code in range(ANY_COMPLAINT + 1)]
_ROW_OF_ANY: Final = _ROW_OF_COMPLAINT[ANY_COMPLAINT]
_NONE: Final = WindowCounts()
# Most days have one event: days share these counts, which nobody changes.
_NOTHING: Final[dict[int, int]] = {}
_ONE: Final = [{code: 1} for code in range(max(len(_ROWS_OF_CONTACT), len(EVENT_TYPES)))]
_NOT_YET: Final = Raw()

_encode: Final = msgspec.json.Encoder().encode


class Tally(Struct, eq=False, gc=False):
    """An `EngagementState` in hand. `add` changes it: a tally that others may hold is copied first."""

    newest_day: int = -1
    first_ms: int = 0
    last_ms: int = 0
    # In the order of days.
    days: dict[int, Day] = {}
    links: Links | None = None
    parts: dict[str, EngagementState] = {}
    _turns: list[int] = []
    _counts: list[int] = field(default_factory=lambda: [0] * (3 * _N_ROWS))
    # The channels with a contact in 90 days, in the contract's order.
    _channels: tuple[int, ...] = ()
    _score_30: int = 0
    _n_30: int = 0
    _score_90: int = 0
    _n_90: int = 0
    _silence_ms: int = 0
    _is_silence_known: bool = True
    _median_response_s: float | None = None
    _first_at: datetime | None = None
    # All days as bytes, in their order too, or none; `_stale` are those to be encoded (again).
    _encoded: dict[int, Raw] = {}
    _stale: tuple[int, ...] = ()

    @classmethod
    def of(cls, state: EngagementState) -> "Tally":
        """Return the tally of a state, counted anew."""
        days = dict(sorted(state.days.items()))
        tally = cls(state.newest_day, state.first_ms, state.last_ms, days, state.links, state.parts)
        tally._set_turns(state.turns)
        tally._stale = tuple(days)
        tally._is_silence_known = False
        tally._first_at = from_ms(state.first_ms) if state.last_ms else None
        tally._recount()
        return tally

    def copy(self) -> "Tally":
        """Return an equal tally to add to."""
        # Turns, stale days and parts are replaced, never changed.
        return replace(self, days=self.days.copy(), _counts=self._counts.copy(), _encoded=self._encoded.copy())

    def state(self) -> EngagementState:
        """Return the state as it is now; it is the tally's until the next `add`."""
        return EngagementState(
            self.newest_day, self.first_ms, self.last_ms, self.days, self._turns, self.links, self.parts
        )

    def encode(self) -> bytes:
        """Return the state's bytes; days that did not change are not encoded again."""
        encoded, days = self._encoded, self.days
        for day in self._stale:
            if day in days:
                encoded[day] = Raw(_encode(days[day]))
        self._stale = ()
        return _encode((self.newest_day, self.first_ms, self.last_ms, encoded, self._turns, self.links, self.parts))

    def knows(self, seen: Observation) -> bool:
        """Return whether this very event is included."""
        bucket = self.days.get(seen.at_ms // DAY_MS)
        return bucket is not None and _has(bucket.ids, seen.id)

    def add(self, seen: Observation) -> None:
        """Include one more event, one that is not known."""
        at_ms, contact, score = seen.at_ms, seen.contact, seen.score
        day = at_ms // DAY_MS
        if contact is not None:
            if at_ms > self.last_ms > 0:
                self.last_ms = at_ms
            elif not self.first_ms <= at_ms <= self.last_ms:
                self._contacted(at_ms)
        if day > self.newest_day:
            self._advance(day)
        elif day <= self.newest_day - WINDOW_DAYS:
            return
        bucket = self.days.get(day)
        self.days[day] = grown = _day_of(seen) if bucket is None else _with(bucket, seen)
        if day not in self._stale:
            self._stale = (*self._stale, day)
        if bucket is None:
            self._place(day)
        age = self.newest_day - day
        counts, rows = self._counts, () if contact is None else _ROWS_OF_CONTACT[contact]
        if seen.complaint_aspects is not None:
            rows = (*rows, *[_ROW_OF_COMPLAINT[code] for code in seen.complaint_aspects], _ROW_OF_ANY)
        for row in rows:
            counts[row + 2] += 1
            if age < 30:
                counts[row + 1] += 1
                if age < 7:
                    counts[row] += 1
        if contact is not None:
            if contact // 3 not in self._channels:
                self._find_channels()
            if seen.is_answer or seen.is_customers:
                self._turn(2 * at_ms + seen.is_answer)
        if score is not None:
            self._score_90 += score
            self._n_90 += 1
            if age < 30:
                self._score_30 += score
                self._n_30 += 1
        if grown.contacts and self._is_silence_known:
            self._follow_silence(day, bucket, grown)

    def engagement(self) -> Engagement:
        """Return the published counters, as of the newest event."""
        counts, last_ms, first_at = self._counts, self.last_ms, self._first_at
        last_at = as_of = None if first_at is None else from_ms(last_ms)
        bucket = self.days.get(self.newest_day)
        if as_of is None or (bucket is not None and bucket.last_ms > last_ms):
            as_of = from_ms(0 if bucket is None else bucket.last_ms)
        complaints, by_aspect = _NONE, {}
        if counts[_ROW_OF_ANY + 2]:
            complaints = _window(counts, _ROW_OF_ANY)
            rows = zip(ASPECT_NAMES, _ROW_OF_COMPLAINT, strict=False)
            by_aspect = {aspect: _window(counts, row) for aspect, row in rows if counts[row + 2]}
        if not self._is_silence_known:
            self._find_silence()
        n_30 = self._n_30
        return Engagement(
            as_of=as_of,
            first_contact_at=first_at,
            last_contact_at=last_at,
            inbound=_window(counts, 3 * _INBOUND),
            outbound=_window(counts, 3 * _OUTBOUND),
            complaints=complaints,
            by_channel={CHANNEL_NAMES[channel]: _window(counts, 3 * channel) for channel in self._channels},
            complaints_by_aspect=by_aspect,
            sentiment_mean_30d=round(self._score_30 / n_30 / SCORE_UNIT, 4) if n_30 else None,
            sentiment_trend=self._trend() if self._n_90 else None,
            longest_silence_days=round(self._silence_ms / DAY_MS, 2) if self._silence_ms else 0.0,
            median_response_s=self._median_response_s,
        )

    def _contacted(self, at_ms: int) -> None:
        if not self.last_ms or at_ms < self.first_ms:
            self.first_ms = at_ms
        self.last_ms = max(self.last_ms, at_ms)
        self._first_at = from_ms(self.first_ms) if self.last_ms else None

    def _place(self, day: int) -> None:
        """Put a day that is new where it belongs among the others."""
        if day != self.newest_day:
            self.days = dict(sorted(self.days.items()))
            self._encoded, self._stale = {}, tuple(self.days)
        elif self._encoded:
            self._encoded[day] = _NOT_YET

    def _find_channels(self) -> None:
        counts = self._counts
        self._channels = tuple(channel for channel in range(len(CHANNEL_NAMES)) if counts[3 * channel + 2])

    def _advance(self, day: int) -> None:
        """Make `day` the newest: what was in a window and is too old for it now leaves."""
        newest, days = self.newest_day, self.days
        self.newest_day = day
        if not days:
            return
        oldest = next(iter(days))
        is_far = day - newest > _FAR_DAYS
        if not is_far:
            for window, length in _WINDOWS:
                # Not one has left a window in which the oldest still is.
                if oldest <= day - length:
                    for leaving in range(newest - length + 1, day - length + 1):
                        if (bucket := days.get(leaving)) is not None:
                            self._shift(bucket, window, -1)
        if oldest <= day - WINDOW_DAYS:
            self._evict(day - WINDOW_DAYS)
        if self._turns and self._turns[0] < 2 * (day - WINDOW_DAYS + 1) * DAY_MS:
            self._set_turns(self._turns)
        if is_far:
            self._recount()

    def _evict(self, too_old: int) -> None:
        days = self.days
        while days and (oldest := next(iter(days))) <= too_old:
            gone = days.pop(oldest)
            self._encoded.pop(oldest, None)
            if gone.contacts and self._is_silence_known:
                following = next((bucket for bucket in days.values() if bucket.contacts), None)
                if following is not None and following.first_ms - gone.last_ms >= self._silence_ms:
                    self._is_silence_known = False
        self._find_channels()

    def _recount(self) -> None:
        self._counts = [0] * (3 * _N_ROWS)
        self._score_30 = self._n_30 = self._score_90 = self._n_90 = 0
        for day, bucket in self.days.items():
            age = self.newest_day - day
            for window, length in _WINDOWS:
                if age < length:
                    self._shift(bucket, window, 1)
        self._find_channels()

    def _shift(self, bucket: Day, window: int, sign: int) -> None:
        """Add a day to a window, or take it out."""
        counts = self._counts
        for code, n in bucket.contacts.items():
            for row in _ROWS_OF_CONTACT[code]:
                counts[row + window] += sign * n
        for code, n in bucket.complaints.items():
            counts[_ROW_OF_COMPLAINT[code] + window] += sign * n
        if bucket.n_scored:
            if window == 1:
                self._score_30 += sign * bucket.score_sum
                self._n_30 += sign * bucket.n_scored
            elif window == 2:
                self._score_90 += sign * bucket.score_sum
                self._n_90 += sign * bucket.n_scored

    def _follow_silence(self, day: int, bucket: Day | None, grown: Day) -> None:
        """Follow the longest silence where a day's contact has come after all others', else leave it to be found."""
        is_newest = day == self.newest_day
        if bucket is not None and bucket.contacts:
            is_same_end = is_newest or grown.last_ms == bucket.last_ms
            self._is_silence_known = is_same_end and grown.first_ms == bucket.first_ms
        elif not is_newest:
            self._is_silence_known = False
        else:
            for before in reversed(self.days.values()):
                if before.contacts and before is not grown:
                    self._silence_ms = max(self._silence_ms, grown.first_ms - before.last_ms)
                    break

    def _find_silence(self) -> None:
        active = [bucket for bucket in self.days.values() if bucket.contacts]
        self._silence_ms = max((later.first_ms - earlier.last_ms for earlier, later in pairwise(active)), default=0)
        self._is_silence_known = True

    def _trend(self) -> float:
        weighted = weight = 0.0
        newest = self.newest_day
        for day, bucket in self.days.items():
            if n := bucket.n_scored:
                recency = _RECENCY[newest - day]
                weighted += recency * bucket.score_sum
                weight += recency * n
        return round((weighted / weight - self._score_90 / self._n_90) / SCORE_UNIT, 4)

    def _turn(self, turn: int) -> None:
        """Keep who spoke when; which turns are kept does not depend on the order they came in."""
        turns = self._turns
        if turns and turn <= turns[-1]:
            at = bisect_left(turns, turn)
            if turns[at] != turn:
                self._set_turns([*turns[:at], turn, *turns[at:]])
        elif turn & 1 or len(turns) >= MAX_TURNS:
            self._set_turns([*turns, turn])
        else:
            # A question at the end answers nothing.
            self._turns = [*turns, turn]

    def _set_turns(self, turns: list[int]) -> None:
        oldest = 2 * (self.newest_day - WINDOW_DAYS + 1) * DAY_MS
        self._turns = [turn for turn in turns[-MAX_TURNS:] if turn >= oldest]
        self._median_response_s = _median_response_s(self._turns)


def engagement(state: EngagementState) -> Engagement:
    """Return the published counters of a state."""
    return Tally.of(state).engagement()


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


def _window(counts: list[int], row: int) -> WindowCounts:
    d90 = counts[row + 2]
    return WindowCounts(d7=counts[row], d30=counts[row + 1], d90=d90) if d90 else _NONE


def _median_response_s(turns: list[int]) -> float | None:
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
