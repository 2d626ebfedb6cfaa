"""The event: what a channel saw, as one tagged union by `type`. Version 1 of the `interactions` topic's contract."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Channel = Literal["phone", "email", "chat", "social", "sms", "web", "app", "in_person"]
Direction = Literal["inbound", "outbound", "internal"]
ActorKind = Literal["customer", "agent", "bot", "system"]
SurveyKind = Literal["csat", "nps", "ces"]

NOT_A_NEW_CONTACT: frozenset[str] = frozenset(
    {
        "edit",
        "deletion",
        "reaction",
        "call_started",
        "recording",
        "transcript",
        "auto_reply",
        "bounce",
        "cloudevent",
        "track",
        "page",
        "screen",
        "group",
    }
)
"""Values of the attribute `kind` that tell more about a contact already counted: counting contacts leaves them out."""

CORRECTED = "edit"
"""The attribute `kind` of words said before: whoever counts moods and complaints has counted them already."""

CHANNEL_NAMES: tuple[Channel, ...] = ("phone", "email", "chat", "social", "sms", "web", "app", "in_person")

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Handle = Annotated[str, Meta(min_length=3, max_length=320, pattern="^[a-z][a-z0-9_+.-]*:.+")]
Instant = Annotated[datetime, Meta(tz=True)]
Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$", extra_json_schema={"format": "decimal"})]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Text = Annotated[str, Meta(max_length=200_000)]
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]


class Customer(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Who it is about: the company's own id, or handles (`tel:+86…`, `mailto:…`, `wechat:<account>/<openid>`), or both.

    Ingest resolves handles and always writes `id` before the event reaches Kafka.
    """

    id: Identifier | None = None
    handles: Annotated[list[Handle], Meta(max_length=16)] = []


class Actor(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    kind: ActorKind
    id: Name | None = None
    name: Name | None = None


class Attachment(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """An attachment's description; its content is never stored."""

    name: Annotated[str, Meta(max_length=512)] = ""
    media_type: Annotated[str, Meta(max_length=128)] = ""
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    url: Annotated[str, Meta(max_length=2048)] | None = None


class Call(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    duration_s: NonNegative | None = None
    wait_s: NonNegative | None = None
    disposition: Name | None = None
    transcript: Text | None = None


class OrderItem(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    sku: Name
    category: Name | None = None
    quantity: Annotated[float, Meta(ge=0, le=1e9)] = 1
    price: Decimal | None = None


class EventBase(
    Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="",
):
    """What every event has. `(source, id)` is unique; `received_at` is set by ingest."""

    id: Identifier
    source: Name
    occurred_at: Instant
    received_at: Instant | UnsetType = UNSET
    customer: Customer
    channel: Channel | None = None
    direction: Direction | None = None
    conversation_id: Name | None = None
    actor: Actor | None = None
    text: Text | None = None
    subject: Annotated[str, Meta(max_length=2_000)] | None = None
    language: Annotated[str, Meta(pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] | None = None
    attachments: Annotated[list[Attachment], Meta(max_length=64)] = []
    attributes: Annotated[dict[Name, Annotated[str, Meta(max_length=4_096)]], Meta(max_length=64)] = {}


class Interaction(EventBase, frozen=True, kw_only=True, tag="interaction"):
    """A message, post, mail or call, either way."""

    call: Call | None = None
    reply_to: Name | None = None


class Inquiry(EventBase, frozen=True, kw_only=True, tag="inquiry"):
    """A pre-sale question about a product or category, with no order yet."""

    product: Name | None = None
    category: Name | None = None


class OrderPlaced(EventBase, frozen=True, kw_only=True, tag="order.placed"):
    order_id: Identifier
    amount: Decimal
    currency: Currency = "USD"
    items: Annotated[list[OrderItem], Meta(max_length=500)] = []


class OrderReturned(EventBase, frozen=True, kw_only=True, tag="order.returned"):
    order_id: Identifier
    amount: Decimal
    currency: Currency = "USD"
    items: Annotated[list[OrderItem], Meta(max_length=500)] = []


class PaymentDue(EventBase, frozen=True, kw_only=True, tag="payment.due"):
    invoice_id: Identifier
    amount: Decimal
    currency: Currency = "USD"
    due_at: Instant


class PaymentLate(EventBase, frozen=True, kw_only=True, tag="payment.late"):
    invoice_id: Identifier
    amount: Decimal
    currency: Currency = "USD"
    due_at: Instant


class PaymentPaid(EventBase, frozen=True, kw_only=True, tag="payment.paid"):
    invoice_id: Identifier
    amount: Decimal
    currency: Currency = "USD"
    due_at: Instant | None = None


class SurveyAnswered(EventBase, frozen=True, kw_only=True, tag="survey.answered"):
    kind: SurveyKind
    score: Annotated[float, Meta(ge=-1_000, le=1_000)]
    scale_min: Annotated[float, Meta(ge=-1_000, le=1_000)]
    scale_max: Annotated[float, Meta(ge=-1_000, le=1_000)]


class TicketOpened(EventBase, frozen=True, kw_only=True, tag="ticket.opened"):
    ticket_id: Identifier
    priority: Name | None = None


class TicketReplied(EventBase, frozen=True, kw_only=True, tag="ticket.replied"):
    ticket_id: Identifier
    priority: Name | None = None


class TicketResolved(EventBase, frozen=True, kw_only=True, tag="ticket.resolved"):
    ticket_id: Identifier
    priority: Name | None = None


class TicketReopened(EventBase, frozen=True, kw_only=True, tag="ticket.reopened"):
    ticket_id: Identifier
    priority: Name | None = None


class ConsultationCompleted(EventBase, frozen=True, kw_only=True, tag="consultation.completed"):
    project_id: Identifier
    goal_met: bool


class CustomerIdentified(EventBase, frozen=True, kw_only=True, tag="customer.identified"):
    """The company says which handles belong to `customer.id`, and what it knows about the person."""

    name: Name | None = None
    birthday: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    consent: bool | None = None


class CustomerMerged(EventBase, frozen=True, kw_only=True, tag="customer.merged"):
    """`from_id`'s history joins `into_id`'s."""

    from_id: Identifier
    into_id: Identifier


class CustomerErased(EventBase, frozen=True, kw_only=True, tag="customer.erased"):
    """Everything about the customer must go."""


Event = (
    Interaction
    | Inquiry
    | OrderPlaced
    | OrderReturned
    | PaymentDue
    | PaymentLate
    | PaymentPaid
    | SurveyAnswered
    | TicketOpened
    | TicketReplied
    | TicketResolved
    | TicketReopened
    | ConsultationCompleted
    | CustomerIdentified
    | CustomerMerged
    | CustomerErased
)

EVENT_CLASSES: tuple[type[EventBase], ...] = Event.__args__
EVENT_TYPES: tuple[str, ...] = tuple(cls.__struct_config__.tag for cls in EVENT_CLASSES)  # type: ignore[misc]
