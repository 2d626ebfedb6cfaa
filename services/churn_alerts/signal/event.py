"""What of an event and its sentiment is read here. That they keep to their contracts was seen to before.

Same types and names as in `shared.contracts`; what a class leaves out is skipped unread, which halves the time that an
event takes to decode. Their kinship is tested, not declared: a Struct that inherits would decode all fields.
"""

from msgspec import UNSET, Struct, UnsetType

from shared.contracts.enriched import Aspect, SentimentLabel
from shared.contracts.event import ActorKind, Direction, Instant, SurveyKind


class AspectHit(Struct, frozen=True, gc=False):
    aspect: Aspect


class Sentiment(Struct, frozen=True, gc=False):
    label: SentimentLabel
    score: float
    p_negative: float
    is_complaint: bool = False
    aspects: list[AspectHit] = []


class Actor(Struct, frozen=True, gc=False):
    kind: ActorKind


class OrderItem(Struct, frozen=True, gc=False):
    category: str | None = None


class EventBase(Struct, frozen=True, gc=False, kw_only=True, tag_field="type", tag=""):
    """What every event has."""

    id: str
    source: str
    occurred_at: Instant
    received_at: Instant | UnsetType = UNSET
    direction: Direction | None = None
    actor: Actor | None = None
    text: str | None = None
    attributes: dict[str, str] = {}


class Interaction(EventBase, frozen=True, kw_only=True, tag="interaction"):
    pass


class Inquiry(EventBase, frozen=True, kw_only=True, tag="inquiry"):
    product: str | None = None
    category: str | None = None


class OrderPlaced(EventBase, frozen=True, kw_only=True, tag="order.placed"):
    amount: str
    currency: str = "USD"
    items: list[OrderItem] = []


class OrderReturned(EventBase, frozen=True, kw_only=True, tag="order.returned"):
    pass


class PaymentDue(EventBase, frozen=True, kw_only=True, tag="payment.due"):
    invoice_id: str
    amount: str
    due_at: Instant


class PaymentLate(EventBase, frozen=True, kw_only=True, tag="payment.late"):
    invoice_id: str
    amount: str
    due_at: Instant


class PaymentPaid(EventBase, frozen=True, kw_only=True, tag="payment.paid"):
    invoice_id: str
    due_at: Instant | None = None


class SurveyAnswered(EventBase, frozen=True, kw_only=True, tag="survey.answered"):
    kind: SurveyKind
    score: float
    scale_min: float
    scale_max: float


class TicketOpened(EventBase, frozen=True, kw_only=True, tag="ticket.opened"):
    pass


class TicketReplied(EventBase, frozen=True, kw_only=True, tag="ticket.replied"):
    pass


class TicketResolved(EventBase, frozen=True, kw_only=True, tag="ticket.resolved"):
    pass


class TicketReopened(EventBase, frozen=True, kw_only=True, tag="ticket.reopened"):
    ticket_id: str


class ConsultationCompleted(EventBase, frozen=True, kw_only=True, tag="consultation.completed"):
    goal_met: bool


class CustomerIdentified(EventBase, frozen=True, kw_only=True, tag="customer.identified"):
    pass


class CustomerMerged(EventBase, frozen=True, kw_only=True, tag="customer.merged"):
    pass


class CustomerErased(EventBase, frozen=True, kw_only=True, tag="customer.erased"):
    pass


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
