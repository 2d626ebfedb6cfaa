"""Which customer an event belongs to. Pure, given the map of known handles."""

from typing import Protocol

from shared.contracts.event import Customer
from shared.errors import Reject
from shared.ids import CustomerId
from shared.links import minted_id


class KnownHandles(Protocol):
    """Whom handles belong to, as far as this process has heard; a dict is one, and so is the live table."""

    def get(self, handle: str, /) -> CustomerId | None: ...


def resolve(customer: Customer, known: KnownHandles) -> tuple[CustomerId, CustomerId | None]:
    """Return the customer's id, and the id his handle stands for where that is another one.

    The customer is the company's own id, else whom the first known handle belongs to, else minted from the handles. A
    minted id depends on the least handle alone, so that two ingest processes agree without talking.

    Raises `Reject` when the event names nobody.
    """
    if customer.id is not None:
        return CustomerId(customer.id), None
    if not customer.handles:
        raise Reject("needs an id or at least one handle", "/customer")
    for handle in customer.handles:
        if (owner := known.get(handle)) is not None:
            linked_id = minted_id(handle)
            return owner, None if owner == linked_id else linked_id
    return minted_id(min(customer.handles)), None
