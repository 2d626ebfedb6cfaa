"""Which customer an event belongs to. Pure, given the map of known handles."""

from collections.abc import Mapping

from shared.contracts.event import Customer
from shared.errors import Reject
from shared.ids import CustomerId, digest_id


def resolve(customer: Customer, known: Mapping[str, CustomerId]) -> CustomerId:
    """Return the customer's id: the company's own, else of the first known handle, else minted from the handles.

    A minted id depends on the least handle alone, so that two ingest processes agree without talking.

    Raises `Reject` when the event names nobody.
    """
    if customer.id is not None:
        return CustomerId(customer.id)
    if not customer.handles:
        raise Reject("needs an id or at least one handle", "/customer")
    for handle in customer.handles:
        if (owner := known.get(handle)) is not None:
            return owner
    return CustomerId(digest_id("cus", min(customer.handles)))
