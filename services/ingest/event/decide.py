"""What happens to each event of a request: accepted with its key and bytes, or rejected with its reason. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec

from services.ingest.identity.resolve import KnownHandles, resolve
from shared.contracts.codec import decode_event, encode
from shared.contracts.event import (
    Customer,
    CustomerIdentified,
    CustomerMerged,
    EventBase,
    OrderPlaced,
    OrderReturned,
    PaymentDue,
    PaymentLate,
    PaymentPaid,
    SurveyAnswered,
)
from shared.errors import Reject
from shared.handles import canonical, names_nobody
from shared.ids import CustomerId

MAX_EVENT_BYTES = 256 * 1024
MAX_EVENTS = 5_000
MAX_BODY_BYTES = 5 * 1024 * 1024
# Providers' clocks differ from ours by seconds; more than this is a mistake in the sender.
MAX_FUTURE = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_DUE = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event as it goes to Kafka: `value` is its JSON with `received_at` and `customer.id` set.

    `linked_id` is the id its handle stands for, where the handle belongs to a customer by a link.
    """

    customer_id: CustomerId
    event: EventBase
    value: bytes
    linked_id: CustomerId | None = None


class Rejected(msgspec.Struct, frozen=True):
    """Why the event at `index` of the request was refused; `pointer` is a JSON pointer into that event."""

    index: int
    pointer: str
    reason: str


@dataclass(slots=True)
class Verdict:
    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def decide(raw_events: Iterable[bytes], received_at: datetime, known: KnownHandles) -> Verdict:
    """Return the verdict on each raw event, in order; a bad one never affects its neighbours."""
    verdict = Verdict()
    for index, raw in enumerate(raw_events):
        try:
            verdict.accepted.append(_accept(raw, received_at, known))
        except Reject as reject:
            verdict.rejected.append(Rejected(index, reject.pointer, reject.reason))
    return verdict


def stamp(event: EventBase, received_at: datetime, known: KnownHandles) -> Accepted:
    """Return the event with `received_at` and its customer's id filled in, his handles as channels write them.

    Raises `Reject` when it names no customer, lies in the future, or is inconsistent.
    """
    if event.occurred_at > received_at + MAX_FUTURE:
        raise Reject("lies more than 5 minutes in the future", "/occurred_at")
    if event.occurred_at < EARLIEST:
        raise Reject("lies before 1970", "/occurred_at")
    addressed, customer_id, linked_id = address(event, known)
    stamped = msgspec.structs.replace(addressed, received_at=received_at)
    return Accepted(customer_id, stamped, encode(stamped), linked_id)


def address(event: EventBase, known: KnownHandles) -> tuple[EventBase, CustomerId, CustomerId | None]:
    """Return the event with its customer's id and usual handles, the id it goes to, and the id its handle stands for.

    Raises `Reject` when it names no customer or is inconsistent.
    """
    _check_consistent(event)
    customer = event.customer
    if customer.handles:
        customer = Customer(customer.id, list(dict.fromkeys(map(canonical, customer.handles))))
    customer_id, linked_id = resolve(customer, known)
    if isinstance(event, CustomerMerged):
        # The customer that is merged away decides, so the event is his, whoever it was sent for.
        customer_id, linked_id = CustomerId(event.from_id), None
    if customer.id != customer_id:
        customer = Customer(customer_id, customer.handles)
    if customer is event.customer or customer == event.customer:
        return event, customer_id, linked_id
    return msgspec.structs.replace(event, customer=customer), customer_id, linked_id


def _accept(raw: bytes, received_at: datetime, known: KnownHandles) -> Accepted:
    if len(raw) > MAX_EVENT_BYTES:
        raise Reject(f"an event has at most {MAX_EVENT_BYTES // 1024} KB")
    event = decode_event(raw)
    _check_amount(event)
    return stamp(event, received_at, known)


def is_negative(amount: str) -> bool:
    """Return whether a decimal text is less than nothing; of zero there is no other kind.

    >>> is_negative("-0.01"), is_negative("-0.00")
    (True, False)
    """
    return amount.startswith("-") and amount.strip("-0.") != ""


def _check_amount(event: EventBase) -> None:
    """Raise `Reject` for less than nothing; what costs nothing is real (samples, vouchers, full discounts).

    Of own events alone: a provider's sender cannot be told, so `connection.decide` reads what it means. ADR 0026.
    """
    match event:
        case OrderPlaced(amount=amount) if is_negative(amount):
            raise Reject(
                "is negative: what a customer gave back is order.returned, with its amount above zero", "/amount"
            )
        case (
            OrderReturned(amount=amount)
            | PaymentDue(amount=amount)
            | PaymentLate(amount=amount)
            | PaymentPaid(amount=amount)
        ) if is_negative(amount):
            raise Reject("is negative: the type says which way the money goes", "/amount")


def _check_consistent(event: EventBase) -> None:
    """Raise `Reject` where members contradict each other in a way no type can say."""
    if event.customer.id is not None and event.customer.id.isspace():
        raise Reject("is blank", "/customer/id")
    for place, handle in enumerate(event.customer.handles):
        if names_nobody(handle):
            raise Reject(
                "names nobody: a number has three digits or more, an address an @", f"/customer/handles/{place}"
            )
    match event:
        case SurveyAnswered(score=score, scale_min=low, scale_max=high):
            if not low < high:
                raise Reject("scale_max must be greater than scale_min", "/scale_max")
            if not low <= score <= high:
                raise Reject(f"must lie on the scale, {low:g} to {high:g}", "/score")
        case CustomerMerged(from_id=source, into_id=target):
            if source == target:
                raise Reject("a customer cannot be merged into itself", "/into_id")
        case CustomerIdentified(customer=customer, birthday=birthday):
            if customer.id is None:
                raise Reject("says whose handles these are, so it needs the company's own id", "/customer/id")
            if birthday is not None and not _is_day(birthday):
                raise Reject("not a time", "/birthday")
        case PaymentDue(due_at=due_at) | PaymentLate(due_at=due_at) | PaymentPaid(due_at=due_at):
            if due_at is not None and not EARLIEST <= due_at < LATEST_DUE:
                raise Reject("lies before 1970 or after 2200", "/due_at")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
