"""What counts as a contact: the customer, anew."""

import msgspec
import pytest
from msgspec.structs import replace

from services.churn_alerts.signal.event import Event, EventBase, Sentiment
from services.churn_alerts.signal.fold import is_contact, observe
from services.churn_alerts.signal.state import SignalState
from shared.clock import to_ms
from shared.contracts import event as contract
from shared.contracts.codec import encode
from tests.factories.churn_log import at, complaint, message, order


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


def test_a_complaint_that_is_corrected_is_one_complaint() -> None:
    event, told = complaint("a", at(0))
    sentiment = msgspec.json.decode(encode(told), type=Sentiment)
    said, corrected = read(event), replace(read(event), id="edit", attributes={"kind": "edit"})
    state, once = SignalState(0), SignalState(0)

    observe(once, said, sentiment, to_ms(said.occurred_at), 0)
    for one in (said, corrected):
        observe(state, one, sentiment, to_ms(one.occurred_at), 0)

    assert state == once


@pytest.mark.parametrize(("amount", "is_owed"), [("12.50", True), ("0", False), ("-12.50", False)])
def test_nobody_owes_an_invoice_over_nothing_or_a_credit_note(amount: str, is_owed: bool) -> None:
    said = contract.PaymentDue(
        id="p",
        source="s",
        occurred_at=at(0),
        customer=contract.Customer("c"),
        invoice_id="1",
        amount=amount,
        due_at=at(5),
    )
    state = SignalState(0)

    observe(state, read(said), None, to_ms(said.occurred_at), 0)

    assert (state != SignalState(0)) is is_owed
