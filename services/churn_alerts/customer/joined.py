"""Customers joined and parted: whose history is whose, kept apart beside the customer's whole so that it can go home.

Pure. `CustomerState` is what is judged: everybody's history as one. While anybody is joined, `own` and `parts` hold
each one's history for itself; they are fed and never judged.
"""

from dataclasses import dataclass, field
from functools import reduce

from msgspec import Raw
from msgspec.structs import replace

from services.churn_alerts.alert.decide import OpenAlert
from services.churn_alerts.customer.model import DAY_MS
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.state import (
    UNPLANNED,
    CustomerState,
    decode_state,
    encode_state,
    fingerprint_of,
    merge,
    new_state,
    with_contact,
)
from services.churn_alerts.signal import fold
from services.churn_alerts.signal.event import EventBase, OrderPlaced, OrderReturned, Sentiment
from shared.clock import to_ms
from shared.contracts.alert import ClearReason
from shared.contracts.identity import (
    CustomerLinked,
    CustomerUnlinked,
    History,
    HistoryErased,
    HistoryLeft,
    HistoryMoved,
)
from shared.ids import digest_id
from shared.links import Erased, Forwarded, Links, Member, had_come, is_newer, moved_out, take_left, take_moved

LinkRecord = CustomerLinked | CustomerUnlinked | HistoryMoved | HistoryLeft | HistoryErased

_NO_LINKS = Links()


@dataclass(slots=True)
class Turn:
    """The customer after a record about links (None: erased), what goes elsewhere, and alerts that end with it."""

    state: CustomerState | None
    sent: list[HistoryMoved | HistoryLeft] = field(default_factory=list)
    ended: list[OpenAlert] = field(default_factory=list)
    ended_by: ClearReason = "merged"
    is_restated: bool = False


def hear(key: str, state: CustomerState, record: LinkRecord, offset: int, erased: Erased | None = None) -> Turn:
    """Return what a record about links means for the customer; a repetition changes nothing.

    `erased` is the customer's erasure, if there was one: histories that were on their way then end here.
    """
    if erased is not None and to_ms(record.at) <= erased.heard_ms:
        if isinstance(record, HistoryMoved):
            if had_come(erased, record):
                return Turn(state)
            brought = [decode_state(bytes(history.state)).alert for history in record.histories]
            return Turn(state, ended=[alert for alert in brought if alert is not None], ended_by="erased")
        if isinstance(record, HistoryLeft):
            return Turn(state)
    links = state.links or _NO_LINKS
    match record:
        case CustomerLinked():
            # Ending a link and making another may be one decision, with one version.
            is_known = record.version < links.version or (record.version, record.into_id) == (
                links.version,
                links.merged_into,
            )
            return Turn(state) if is_known else _depart(key, state, record, offset)
        case CustomerUnlinked():
            if record.version <= links.version:
                return Turn(state)
            freed = replace(links, merged_into="", version=record.version)
            return Turn(replace(state, merged_into="", links=freed), is_restated=True)
        case HistoryMoved():
            return _arrive(key, state, record)
        case HistoryLeft():
            return _part(key, state, record)
        case HistoryErased():
            return Turn(None if links.merged_into in record.ids else state)


def remember(
    state: CustomerState, linked_id: str, event: EventBase, sentiment: Sentiment | None, horizons: tuple[int, int]
) -> None:
    """Add an event to the history it belongs to, the customer's own for an empty `linked_id`.

    `horizons` are those of orders and of contacts, in days, for a history that begins. Does nothing while nobody is
    joined.
    """
    if not linked_id and not state.parts:
        return
    day = to_ms(event.occurred_at) // DAY_MS
    if state.own is None:
        state.own = _history_of(state)
    if linked_id:
        part = state.parts.get(linked_id)
        part = new_state(day) if part is None else part.copied()
        state.parts = {**state.parts, linked_id: part}
    else:
        part = state.own = state.own.copied()
    _observe(part, event, sentiment, day, horizons)


def _observe(
    part: CustomerState, event: EventBase, sentiment: Sentiment | None, day: int, horizons: tuple[int, int]
) -> None:
    at_ms = to_ms(event.occurred_at)
    if part.has_seen(fingerprint_of(event.source, event.id), day):
        return
    for_orders, for_contacts = horizons
    part.clock_ms = max(part.clock_ms, at_ms)
    part.next_check = UNPLANNED
    if isinstance(event, OrderPlaced):
        part.purchases = observe(part.purchases or no_purchases(for_orders), day, event.amount)
        part.contacts = None
        part.currency = event.currency
    elif isinstance(event, OrderReturned):
        part.purchases = observe_return(part.purchases or no_purchases(for_orders), day)
    elif fold.is_contact(event):
        part.contact_days = with_contact(part.contact_days, day)
        if part.purchases is None and (part.contacts is None or part.contacts.last_day != day):
            part.contacts = observe(part.contacts or no_purchases(for_contacts), day)
    fold.observe(part.signals, event, sentiment, at_ms, day)


def _depart(key: str, state: CustomerState, linked: CustomerLinked, offset: int) -> Turn:
    """Return the customer without its history, which is on its way to the one it belongs to now."""
    links = state.links or _NO_LINKS
    own = state.own or _history_of(state)
    # Sent even when there is nothing: the way it came is what parts it again.
    histories = [_history(key, Member(), own, state.alert)]
    histories.extend(
        _history(of_id, links.members.get(of_id, Member(key)), part, None)
        for of_id, part in sorted(state.parts.items())
    )
    name = digest_id("mov", "churn", key, str(offset))
    order = HistoryMoved(id=name, at=linked.at, to_id=linked.into_id, histories=[])
    kept, moved = moved_out(key, links, histories, into_id=linked.into_id, version=linked.version, cause=order)
    left = new_state(own.signals.since_day)
    left.links, left.merged_into = kept, linked.into_id
    # What the stage before repeats after a crash was counted in the history that has gone.
    left.seen_day, left.seen_today, left.seen_earlier = state.seen_day, state.seen_today, state.seen_earlier
    return Turn(left, [moved])


def _arrive(key: str, state: CustomerState, moved: HistoryMoved) -> Turn:
    links = state.links or _NO_LINKS
    # Versions are told by the stage before; one that this partition counted would hide what it tells later.
    verdict = take_moved(key, links, moved, links.version)
    if verdict is None:
        return Turn(state)
    if isinstance(verdict, Forwarded):
        kept = state if verdict.links is links else replace(state, links=verdict.links)
        return Turn(kept, [verdict.moved])
    own, parts = state.own or _history_of(state), dict(state.parts)
    turn = Turn(state, list(verdict.returned), is_restated=True)
    alert, alert_home, parked = state.alert, state.alert_home, state.parked
    for history in verdict.histories:
        arrived = decode_state(bytes(history.state))
        brought, arrived.alert = arrived.alert, None
        if history.of_id == key:
            own, parked = merge(own, arrived), arrived.parked or parked
        else:
            known = parts.get(history.of_id)
            parts[history.of_id] = arrived if known is None else _merged(known, arrived)
        if brought is not None and alert is None:
            alert, alert_home = brought, "" if history.of_id == key else history.of_id
        elif brought is not None:
            turn.ended.append(brought)
            if history.of_id != key:
                parts[history.of_id].parked = replace(brought, revision=brought.revision + 1)
    joined = _joined(own, parts, state)
    joined.alert, joined.alert_home, joined.parked = alert, alert_home, parked
    joined.links = verdict.links
    # A verdict of the least id in a circle ends its own link; otherwise nobody who is linked accepts anything.
    joined.merged_into = ""
    turn.state = joined
    return turn


def _part(key: str, state: CustomerState, left: HistoryLeft) -> Turn:
    links = state.links or _NO_LINKS
    verdict = take_left(key, links, left)
    if isinstance(verdict, HistoryLeft):
        return Turn(state, [verdict])
    # Histories that are known by events alone stand in no list of members.
    ids = [of_id for of_id in dict.fromkeys([*verdict.ids, *_unlisted(left, links)]) if of_id in state.parts]
    if not ids:
        return Turn(replace(state, links=verdict.links))
    histories = [
        _history(
            of_id,
            Member() if of_id == left.linked_id else links.members.get(of_id, Member(left.linked_id)),
            state.parts[of_id],
            state.alert if of_id == state.alert_home else None,
        )
        for of_id in ids
    ]
    home = HistoryMoved(
        id=digest_id("mov", "churn", left.id, key), at=left.at, to_id=left.linked_id, histories=histories
    )
    parts = {of_id: part for of_id, part in state.parts.items() if of_id not in ids}
    rest = _joined(state.own or _history_of(state), parts, state)
    rest.links, rest.parked = verdict.links, state.parked
    if state.alert_home not in ids:
        rest.alert, rest.alert_home = state.alert, state.alert_home
    return Turn(rest, [home], is_restated=True)


def _unlisted(left: HistoryLeft, links: Links) -> list[str]:
    return [] if is_newer(links, left) else [one for one in (left.linked_id, *left.ids) if one not in links.members]


def _joined(own: CustomerState, parts: dict[str, CustomerState], before: CustomerState) -> CustomerState:
    """Return the whole of the histories, to be judged anew from the next day's end on; `before` is who was judged."""
    state = reduce(merge, (parts[of_id] for of_id in sorted(parts)), own.copied())
    state.judged_day = max(before.judged_day, state.judged_day)
    state.signals.evidence_day = max(state.signals.evidence_day, state.judged_day + 1)
    state.settle_ms = max(before.settle_ms, state.settle_ms)
    state.cleared_ms = max(before.cleared_ms, state.cleared_ms)
    state.is_disarmed = before.is_disarmed
    state.next_check = UNPLANNED
    state.own, state.parts = (own, parts) if parts else (None, {})
    return state


def _merged(one: CustomerState, other: CustomerState) -> CustomerState:
    both = merge(one, other)
    both.parked = other.parked or one.parked
    return both


def _history_of(state: CustomerState) -> CustomerState:
    """Return a customer's history for itself: nothing of links, no alert."""
    history = state.copied()
    history.alert = history.links = history.own = None
    history.parts, history.merged_into, history.alert_home, history.told = {}, "", "", ""
    return history


def _history(of_id: str, member: Member, state: CustomerState, alert: OpenAlert | None) -> History:
    carried = state if alert is None else replace(state, alert=alert)
    return History(of_id=of_id, under=member.under, version=member.version, state=Raw(encode_state(carried)))
