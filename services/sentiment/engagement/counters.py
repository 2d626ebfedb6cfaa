"""The fold of events into a customer's engagement, and what is derived from it. Pure, commutative, idempotent.

Any order and any repetition of the same events inside 90 days gives the same state: events are named by 8 bytes and
kept once a day, instants by minimum and maximum, everything else is an integer sum. An event older than 90 days before
the newest one moves the first contact and nothing else.
"""

import hashlib
import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from itertools import pairwise

from services.sentiment.engagement.model import (
    ID_BYTES,
    MAX_IDS_A_DAY,
    MAX_TURNS,
    WINDOW_DAYS,
    Day,
    EngagementState,
    Observation,
)
from shared.clock import from_ms, to_ms
from shared.contracts.enriched import ASPECT_NAMES, Aspect, Engagement, Sentiment, WindowCounts
from shared.contracts.event import CHANNEL_NAMES, EVENT_TYPES, Channel, EventBase

DAY_MS = 86_400_000
_DIRECTIONS = ("inbound", "outbound", "internal")
_INBOUND, _OUTBOUND = 0, 1
_CONTACT_CODE = {
    (channel, direction): 3 * i + j
    for i, channel in enumerate(CHANNEL_NAMES)
    for j, direction in enumerate(_DIRECTIONS)
}
_KIND_CODE = {kind: i for i, kind in enumerate(EVENT_TYPES)}
_ASPECT_CODE = {aspect: i for i, aspect in enumerate(ASPECT_NAMES)}
_ANY_COMPLAINT = len(ASPECT_NAMES)
_SCORE_UNIT = 10_000
# Sentiment's trend compares a mean weighted e^(-age / 10 days) with the plain 90-day mean.
_TREND_DAYS = 10.0
_RECENCY = [math.exp(-age / _TREND_DAYS) for age in range(WINDOW_DAYS)]
# A reply a week later answers another question.
_LONGEST_RESPONSE_MS = 7 * DAY_MS


def observe(event: EventBase, sentiment: Sentiment | None) -> Observation:
    """Return what an event adds. Only what the customer said himself counts as mood or complaint."""
    actor = None if event.actor is None else event.actor.kind
    is_customers = event.direction == "inbound" and actor in (None, "customer")
    contact = None
    if event.channel is not None and event.direction is not None:
        contact = _CONTACT_CODE[event.channel, event.direction]
    name = hashlib.blake2b(f"{event.source}\x1f{event.id}".encode("utf-8", "surrogatepass"), digest_size=ID_BYTES)
    score, aspects = None, None
    if sentiment is not None and is_customers:
        score = round(sentiment.score * _SCORE_UNIT)
        if sentiment.is_complaint:
            aspects = tuple(sorted({_ASPECT_CODE[hit.aspect] for hit in sentiment.aspects}))
    return Observation(
        id=name.digest(),
        at_ms=to_ms(event.occurred_at),
        kind=_KIND_CODE[str(event.__struct_config__.tag)],
        contact=contact,
        is_answer=event.direction == "outbound" and actor in (None, "agent"),
        is_customers=is_customers,
        score=score,
        complaint_aspects=aspects,
    )


def fold(state: EngagementState | None, seen: Observation) -> EngagementState:
    """Return the state with one more event; the same state where the event is known already."""
    state = state or EngagementState()
    day = seen.at_ms // DAY_MS
    is_contact = seen.contact is not None
    newest = max(state.newest_day, day)
    bucket = state.days.get(day)
    is_old = day <= newest - WINDOW_DAYS
    if bucket is not None and _has(bucket.ids, seen.id):
        return state
    days = state.days
    if newest != state.newest_day:
        days = {known: kept for known, kept in days.items() if known > newest - WINDOW_DAYS}
    if not is_old:
        days = {**days, day: _add(bucket, seen)}
    first_ms, last_ms = state.first_ms, state.last_ms
    if is_contact:
        first_ms = min(first_ms, seen.at_ms) if last_ms else seen.at_ms
        last_ms = max(last_ms, seen.at_ms)
    turns = state.turns
    if is_contact and not is_old and (seen.is_answer or seen.is_customers):
        turns = _with_turn(turns, 2 * seen.at_ms + seen.is_answer, newest)
    return EngagementState(newest, first_ms, last_ms, days, turns, state.links, state.parts)


def is_known(state: EngagementState | None, seen: Observation) -> bool:
    """Return whether the state includes this very event."""
    if state is None:
        return False
    bucket = state.days.get(seen.at_ms // DAY_MS)
    return bucket is not None and _has(bucket.ids, seen.id)


def merge(one: EngagementState, other: EngagementState) -> EngagementState:
    """Return the engagement of two histories that turn out to be one customer's, as if folded together.

    Days of both are added; an event that stands in both histories is counted twice only where it came under both ids.
    Links and parts of either are left out.
    """
    newest = max(one.newest_day, other.newest_day)
    days = {day: kept for day, kept in one.days.items() if day > newest - WINDOW_DAYS}
    for day, added in other.days.items():
        if day > newest - WINDOW_DAYS:
            kept = days.get(day)
            days[day] = added if kept is None else _sum(kept, added)
    contacts = [state for state in (one, other) if state.last_ms]
    turns = sorted({*one.turns, *other.turns})
    return EngagementState(
        newest,
        min((state.first_ms for state in contacts), default=0),
        max((state.last_ms for state in contacts), default=0),
        days,
        _recent(turns, newest),
    )


def engagement(state: EngagementState) -> Engagement:
    """Return the published counters, as of the newest event."""
    newest = state.newest_day
    inbound, outbound, complaints = [0, 0, 0], [0, 0, 0], [0, 0, 0]
    by_channel: dict[Channel, list[int]] = {}
    by_aspect: dict[Aspect, list[int]] = {}
    score_30 = n_30 = score_90 = n_90 = 0
    weighted = weight = 0.0
    active: list[tuple[int, int, int]] = []
    newest_ms = state.last_ms
    for day, bucket in sorted(state.days.items()):
        age = newest - day
        newest_ms = max(newest_ms, bucket.last_ms)
        if bucket.contacts:
            active.append((day, bucket.first_ms, bucket.last_ms))
            for code, n in bucket.contacts.items():
                channel, direction = divmod(code, 3)
                _count(by_channel.setdefault(CHANNEL_NAMES[channel], [0, 0, 0]), n, age)
                if direction == _INBOUND:
                    _count(inbound, n, age)
                elif direction == _OUTBOUND:
                    _count(outbound, n, age)
        for code, n in bucket.complaints.items():
            if code == _ANY_COMPLAINT:
                _count(complaints, n, age)
            else:
                _count(by_aspect.setdefault(ASPECT_NAMES[code], [0, 0, 0]), n, age)
        if bucket.n_scored:
            score_90, n_90 = score_90 + bucket.score_sum, n_90 + bucket.n_scored
            weighted += _RECENCY[age] * bucket.score_sum
            weight += _RECENCY[age] * bucket.n_scored
            if age < 30:
                score_30, n_30 = score_30 + bucket.score_sum, n_30 + bucket.n_scored
    return Engagement(
        as_of=from_ms(newest_ms),
        first_contact_at=from_ms(state.first_ms) if state.last_ms else None,
        last_contact_at=from_ms(state.last_ms) if state.last_ms else None,
        inbound=_window(inbound),
        outbound=_window(outbound),
        complaints=_window(complaints),
        by_channel={channel: _window(counts) for channel, counts in by_channel.items()},
        complaints_by_aspect={aspect: _window(counts) for aspect, counts in by_aspect.items()},
        sentiment_mean_30d=round(score_30 / n_30 / _SCORE_UNIT, 4) if n_30 else None,
        sentiment_trend=round((weighted / weight - score_90 / n_90) / _SCORE_UNIT, 4) if n_90 else None,
        longest_silence_days=_longest_silence(active),
        median_response_s=_median_response_s(state.turns),
    )


def _has(ids: bytes, name: bytes) -> bool:
    at = ids.find(name)
    while at >= 0 and at % ID_BYTES:
        at = ids.find(name, at + 1)
    return at >= 0


def _add(bucket: Day | None, seen: Observation) -> Day:
    day = bucket or Day(first_ms=seen.at_ms, last_ms=seen.at_ms)
    return Day(
        _with_id(day.ids, seen.id),
        min(day.first_ms, seen.at_ms),
        max(day.last_ms, seen.at_ms),
        day.contacts if seen.contact is None else _bumped(day.contacts, (seen.contact,)),
        _bumped(day.kinds, (seen.kind,)),
        day.complaints
        if seen.complaint_aspects is None
        else _bumped(day.complaints, (*seen.complaint_aspects, _ANY_COMPLAINT)),
        day.n_scored + (seen.score is not None),
        day.score_sum + (seen.score or 0),
    )


def _with_id(ids: bytes, name: bytes) -> bytes:
    if len(ids) >= MAX_IDS_A_DAY * ID_BYTES:
        return ids
    names = [ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)]
    names.insert(bisect_left(names, name), name)
    return b"".join(names)


def _bumped(counts: Mapping[int, int], codes: Iterable[int]) -> dict[int, int]:
    bumped = dict(counts)
    for code in codes:
        bumped[code] = bumped.get(code, 0) + 1
    return dict(sorted(bumped.items())) if len(bumped) > len(counts) else bumped


def _sum(one: Day, other: Day) -> Day:
    names = sorted({ids[at : at + ID_BYTES] for ids in (one.ids, other.ids) for at in range(0, len(ids), ID_BYTES)})
    return Day(
        b"".join(names[:MAX_IDS_A_DAY]),
        min(one.first_ms, other.first_ms),
        max(one.last_ms, other.last_ms),
        _added(one.contacts, other.contacts),
        _added(one.kinds, other.kinds),
        _added(one.complaints, other.complaints),
        one.n_scored + other.n_scored,
        one.score_sum + other.score_sum,
    )


def _added(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {code: one.get(code, 0) + other.get(code, 0) for code in sorted({*one, *other})}


def _with_turn(turns: list[int], turn: int, newest: int) -> list[int]:
    if turn in turns:
        return _recent(turns, newest)
    grown = list(turns)
    insort(grown, turn)
    return _recent(grown, newest)


def _recent(turns: list[int], newest: int) -> list[int]:
    """Return the newest turns of the window; which ones does not depend on the order they came in."""
    oldest = 2 * (newest - WINDOW_DAYS + 1) * DAY_MS
    return [turn for turn in turns[-MAX_TURNS:] if turn >= oldest]


def _count(counts: list[int], n: int, age_days: int) -> None:
    counts[2] += n
    if age_days < 30:
        counts[1] += n
        if age_days < 7:
            counts[0] += n


def _window(counts: list[int]) -> WindowCounts:
    return WindowCounts(d7=counts[0], d30=counts[1], d90=counts[2])


def _longest_silence(active: list[tuple[int, int, int]]) -> float:
    longest = max((later[1] - earlier[2] for earlier, later in pairwise(active)), default=0)
    return round(longest / DAY_MS, 2)


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
