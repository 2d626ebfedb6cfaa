"""What becomes of a verified delivery's events: kept apart by connection, dated, keyed; or left out. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from services.ingest.channel.draft import at_most_present
from services.ingest.event.decide import Accepted, is_negative, stamp
from services.ingest.identity.resolve import KnownHandles
from shared.contracts.event import EventBase, OrderPlaced, OrderReturned
from shared.errors import Reject

# A record has room for a million bytes; what the processors add to an event needs some of it.
_MAX_EVENT_BYTES = 950_000


@dataclass(slots=True)
class Delivery:
    """`left_out` counts what was not taken, by reason."""

    accepted: list[Accepted] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def decide(
    events: Iterable[EventBase], connection_id: str | None, received_at: datetime, known: KnownHandles
) -> Delivery:
    """Return the delivery's events as they go to Kafka.

    The connection's id stands before the source, because two accounts of one provider may use the same message ids;
    without a connection (an API key sends) the source stays as it is. An
    event that names nobody (a withheld caller, a foreign CloudEvent), or that no record holds, is left out; its
    neighbours are taken.
    """
    delivery = Delivery()
    for event in events:
        source = event.source if connection_id is None else f"{connection_id}:{event.source}"[:256]
        named = msgspec.structs.replace(_meant(event), source=source)
        try:
            stamped = stamp(at_most_present(named, received_at), received_at, known)
        except Reject as reject:
            delivery.left_out["nobody" if reject.pointer == "/customer" else "invalid"] += 1
            continue
        if len(stamped.value) > _MAX_EVENT_BYTES:
            delivery.left_out["too_large"] += 1
        else:
            delivery.accepted.append(stamped)
    return delivery


def _meant(event: EventBase) -> EventBase:
    """Return an order of less than nothing as what was given back; everything else as it is."""
    match event:
        case OrderPlaced(amount=amount) if is_negative(amount):
            members = msgspec.structs.asdict(event)
            # Of another id than the order's, or it would be taken for the order told once more.
            return OrderReturned(**(members | {"id": f"{event.id[:121]}-return", "amount": amount.removeprefix("-")}))
        case OrderReturned(amount=amount) if is_negative(amount):
            return msgspec.structs.replace(event, amount=amount.removeprefix("-"))
        case _:
            return event
