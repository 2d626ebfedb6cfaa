"""What counts as a contact: the customer, anew."""

from msgspec.structs import replace

from services.churn_alerts.signal.fold import is_contact
from tests.factories.churn_log import at, message, order


def test_a_message_is_a_contact_and_more_about_a_known_one_is_not() -> None:
    first = message("a", at(0))

    assert is_contact(first)
    assert is_contact(replace(first, attributes={"kind": "message"}))
    assert not is_contact(replace(first, attributes={"kind": "edit"}))
    assert not is_contact(replace(first, direction="outbound"))
    assert not is_contact(order("a", at(0)))
