"""What an event adds to a customer's engagement, and two customers' engagement as one. Pure."""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

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
from shared.clock import to_ms
from shared.contracts.enriched import ASPECT_NAMES, Sentiment
from shared.contracts.event import CHANNEL_NAMES, EVENT_CLASSES, EventBase

_DIRECTIONS = ("inbound", "outbound", "internal")
_CONTACT_CODE = {
    (channel, direction): 3 * i + j
    for i, channel in enumerate(CHANNEL_NAMES)
    for j, direction in enumerate(_DIRECTIONS)
}
_KIND_CODE = {event_class: i for i, event_class in enumerate(EVENT_CLASSES)}
_ASPECT_CODE = {aspect: i for i, aspect in enumerate(ASPECT_NAMES)}
# Most days have one event: days share these counts, which nobody changes.
_NOTHING: Final[dict[int, int]] = {}
_ONE: Final = [{code: 1} for code in range(max(len(_CONTACT_CODE), len(EVENT_CLASSES)))]


def observe(event: EventBase, sentiment: Sentiment | None) -> Observation:
    """Return what an event adds. Only what the customer said himself counts as mood or complaint."""
    actor = None if event.actor is None else event.actor.kind
    direction, score, aspects = event.direction, None, None
    is_customers = direction == "inbound" and (actor is None or actor == "customer")
    contact = None
    if event.channel is not None and direction is not None:
        contact = _CONTACT_CODE[event.channel, direction]
    if sentiment is not None and is_customers:
        score = round(sentiment.score * SCORE_UNIT)
        if sentiment.is_complaint:
            aspects = tuple(sorted({_ASPECT_CODE[hit.aspect] for hit in sentiment.aspects}))
    name = f"{event.source}\x1f{event.id}".encode("utf-8", "surrogatepass")
    return Observation(
        hashlib.blake2b(name, digest_size=ID_BYTES).digest(),
        to_ms(event.occurred_at),
        _KIND_CODE[type(event)],
        contact,
        direction == "outbound" and (actor is None or actor == "agent"),
        is_customers,
        score,
        aspects,
    )


def knows(state: EngagementState, seen: Observation) -> bool:
    """Return whether this very event is included."""
    day = state.days.get(seen.at_ms // DAY_MS)
    return day is not None and has_id(day.ids, seen.id)


def added(state: EngagementState, seen: Observation) -> EngagementState:
    """Return the engagement with one more event, one that is not known.

    Any order and any repetition of the same events inside 90 days gives the same state: events are named by 8 bytes and
    kept once a day, instants by minimum and maximum, everything else is an integer sum. An event older than 90 days
    before the newest one moves the first contact and nothing else.
    """
    day, newest = seen.at_ms // DAY_MS, state.newest_day
    first_ms, last_ms = state.first_ms, state.last_ms
    if seen.contact is not None:
        first_ms, last_ms = with_contact(first_ms, last_ms, seen.at_ms)
    days, turns = state.days, state.turns
    if day > newest:
        newest = day
        days = {kept: bucket for kept, bucket in days.items() if kept > newest - WINDOW_DAYS}
        turns = kept_turns(turns, newest)
    if day > newest - WINDOW_DAYS:
        bucket = days.get(day)
        grown = day_of(seen) if bucket is None else with_event(bucket, seen)
        days = dict(sorted({**days, day: grown}.items()))
        if is_turn(seen):
            turns = with_turn(turns, turn_of(seen), newest)
    return EngagementState(newest, first_ms, last_ms, days, list(turns), state.links, state.parts)


def with_contact(first_ms: int, last_ms: int, at_ms: int) -> tuple[int, int]:
    """Return the instants of first and last contact with one more; `last_ms` 0 is none yet."""
    if first_ms <= at_ms <= last_ms:
        return first_ms, last_ms
    return at_ms if not last_ms or at_ms < first_ms else first_ms, max(last_ms, at_ms)


def has_id(ids: bytes, name: bytes) -> bool:
    at = ids.find(name)
    while at >= 0 and at % ID_BYTES:
        at = ids.find(name, at + 1)
    return at >= 0


def day_of(seen: Observation) -> Day:
    """Return the day of its first event."""
    aspects, contact, score = seen.complaint_aspects, seen.contact, seen.score
    contacts = _NOTHING if contact is None else _ONE[contact]
    complaints = _NOTHING if aspects is None else dict.fromkeys((*aspects, ANY_COMPLAINT), 1)
    is_scored = score is not None
    return Day(seen.id, seen.at_ms, seen.at_ms, contacts, _ONE[seen.kind], complaints, int(is_scored), score or 0)


def with_event(bucket: Day, seen: Observation) -> Day:
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


def is_turn(seen: Observation) -> bool:
    """Return whether the event is one of who spoke when, of which response times are made."""
    return seen.contact is not None and (seen.is_answer or seen.is_customers)


def turn_of(seen: Observation) -> int:
    return 2 * seen.at_ms + seen.is_answer


def with_turn(turns: Sequence[int], turn: int, newest_day: int) -> list[int]:
    """Return the turns with one more; which are kept does not depend on the order they came in."""
    at = bisect_left(turns, turn)
    if turns[at : at + 1] == [turn]:
        return list(turns)
    return kept_turns([*turns[:at], turn, *turns[at:]], newest_day)


def kept_turns(turns: Sequence[int], newest_day: int) -> list[int]:
    """Return the newest turns of the 90 days."""
    oldest = 2 * (newest_day - WINDOW_DAYS + 1) * DAY_MS
    return [turn for turn in turns[-MAX_TURNS:] if turn >= oldest]


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
        kept_turns(turns, newest),
    )


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
