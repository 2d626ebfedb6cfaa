"""What an event adds to a customer's engagement, and two customers' engagement as one. Pure."""

import hashlib
from collections.abc import Mapping

from services.sentiment.engagement.model import (
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
from shared.contracts.event import CHANNEL_NAMES, CORRECTED, EVENT_CLASSES, NOT_A_NEW_CONTACT, EventBase

_DIRECTIONS = ("inbound", "outbound", "internal")
_CONTACT_CODE = {
    (channel, direction): 3 * i + j
    for i, channel in enumerate(CHANNEL_NAMES)
    for j, direction in enumerate(_DIRECTIONS)
}
_KIND_CODE = {event_class: i for i, event_class in enumerate(EVENT_CLASSES)}
_ASPECT_CODE = {aspect: i for i, aspect in enumerate(ASPECT_NAMES)}


def observe(event: EventBase, sentiment: Sentiment | None) -> Observation:
    """Return what an event adds. Only what the customer said himself counts as mood or complaint, and once."""
    actor = None if event.actor is None else event.actor.kind
    direction, score, aspects = event.direction, None, None
    is_customers = direction == "inbound" and (actor is None or actor == "customer")
    kind = event.attributes.get("kind") if event.attributes else None
    contact = None
    if event.channel is not None and direction is not None and kind not in NOT_A_NEW_CONTACT:
        contact = _CONTACT_CODE[event.channel, direction]
    if sentiment is not None and is_customers and kind != CORRECTED:
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
        [turn for turn in turns[-MAX_TURNS:] if turn >= 2 * (newest - WINDOW_DAYS + 1) * DAY_MS],
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
