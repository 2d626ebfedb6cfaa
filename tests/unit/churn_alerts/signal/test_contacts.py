"""What counts as a contact: the customer, anew."""

import msgspec
from msgspec.structs import replace

from services.churn_alerts.signal.event import Event, EventBase
from services.churn_alerts.signal.fold import is_contact
from shared.contracts import event as contract
from shared.contracts.codec import encode
from tests.factories.churn_log import at, message, order


def read(event: contract.EventBase) -> EventBase:
    read: EventBase = msgspec.json.decode(encode(event), type=Event)
    return read


def test_a_message_is_a_contact_and_more_about_a_known_one_is_not() -> None:
    first = read(message("a", at(0)))

    assert is_contact(first)
    assert is_contact(replace(first, attributes={"kind": "message"}))
    assert not is_contact(replace(first, attributes={"kind": "edit"}))
    assert not is_contact(replace(first, direction="outbound"))
    assert not is_contact(read(order("a", at(0))))
