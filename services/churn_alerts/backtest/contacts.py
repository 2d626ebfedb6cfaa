"""Interactions beside the orders: who had been in touch, complained or rated low before an alert."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from services.churn_alerts.customer.model import day_of_ms
from shared.clock import to_ms
from shared.contracts.codec import decode_event
from shared.contracts.event import EventBase, Interaction, SurveyAnswered, TicketOpened, TicketReopened
from shared.errors import Reject
from shared.table_file import decompressed

LOOK_BACK_DAYS = 30


@dataclass(slots=True)
class Contacts:
    """Days (since 1970-01-01 UTC) by customer id on which he got in touch, and on which something was wrong."""

    inbound: dict[str, list[int]] = field(default_factory=dict)
    trouble: dict[str, list[int]] = field(default_factory=dict)
    n_read: int = 0
    n_rejected: int = 0

    def inbound_before(self, customer_id: str, day: int) -> int:
        """Return the contacts of the 30 days that end with `day`."""
        return _count(self.inbound.get(customer_id, ()), day)

    def trouble_before(self, customer_id: str, day: int) -> int:
        """Return tickets and low ratings of the 30 days that end with `day`."""
        return _count(self.trouble.get(customer_id, ()), day)


def read_contacts(path: Path) -> Contacts:
    """Return the contacts in a file of events, plain or gzip, one JSON object a line, as `pulseline replay` reads them.

    Events without a customer id, and lines that are no event, are counted as rejected.
    """
    contacts = Contacts()
    with path.open("rb") as raw, decompressed(raw) as lines:
        for line in lines:
            if not line.strip():
                continue
            contacts.n_read += 1
            try:
                event = decode_event(line)
            except Reject:
                contacts.n_rejected += 1
                continue
            customer_id = event.customer.id
            if customer_id is None:
                contacts.n_rejected += 1
                continue
            day = day_of_ms(to_ms(event.occurred_at))
            if isinstance(event, Interaction) and event.direction == "inbound":
                contacts.inbound.setdefault(customer_id, []).append(day)
            elif _is_trouble(event):
                contacts.trouble.setdefault(customer_id, []).append(day)
    for days in (*contacts.inbound.values(), *contacts.trouble.values()):
        days.sort()
    return contacts


def _is_trouble(event: EventBase) -> bool:
    if isinstance(event, SurveyAnswered):
        return event.score < (event.scale_min + event.scale_max) / 2
    return isinstance(event, TicketOpened | TicketReopened)


def _count(days: list[int] | tuple[()], day: int) -> int:
    return bisect_right(days, day) - bisect_left(days, day - LOOK_BACK_DAYS + 1)
