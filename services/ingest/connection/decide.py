"""What becomes of a verified delivery's events: kept apart by connection, dated, keyed; or left out. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from services.ingest.channel.draft import at_most_present
from services.ingest.event.decide import Accepted, stamp
from services.ingest.identity.resolve import KnownHandles
from shared.contracts.event import EventBase
from shared.errors import Reject


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
    event that names nobody (a withheld caller, a foreign CloudEvent) is left out; its neighbours are taken.
    """
    delivery = Delivery()
    for event in events:
        source = event.source if connection_id is None else f"{connection_id}:{event.source}"[:256]
        named = msgspec.structs.replace(event, source=source)
        try:
            delivery.accepted.append(stamp(at_most_present(named, received_at), received_at, known))
        except Reject as reject:
            delivery.left_out["nobody" if reject.pointer == "/customer" else "invalid"] += 1
    return delivery
