"""What a batch of records means for the tables, as plain rows: no connection, no clock."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.api.identity.model import Conflict, LinkChange
from shared.contracts.alert import AlertRecord
from shared.contracts.dead_letter import DeadLetter
from shared.contracts.enriched import Engagement


class InteractionRow(NamedTuple):
    """A row of `interactions`; `search` is a tsvector in PostgreSQL's binary form."""

    occurred_at: datetime
    event_key: UUID
    customer_id: str
    source: str
    event_id: str
    type: str
    channel: str | None
    direction: str | None
    conversation_id: str | None
    actor_kind: str | None
    actor_id: str | None
    language: str | None
    sentiment_label: str | None
    sentiment_score: float | None
    is_complaint: bool
    urgency: str | None
    aspects: list[str]
    received_at: datetime | None
    subject: str | None
    body: str | None
    event: bytes
    sentiment: bytes | None
    origin_id: str | None
    search: bytes | None


class OrderRow(NamedTuple):
    event_key: UUID
    customer_id: str
    order_id: str
    kind: str
    amount: Any
    currency: str
    occurred_at: datetime
    origin_id: str | None


@dataclass(slots=True)
class CustomerChange:
    """The newest of everything a batch says about one customer."""

    first_seen_at: datetime
    last_seen_at: datetime
    engagement: Engagement | None = None
    name: str | None = None
    # What a channel calls who writes: good enough until somebody tells the name.
    sender_name: str | None = None
    birthday: str | None = None
    consent: bool | None = None
    is_demo: bool = False


class Sighting(NamedTuple):
    """An event named a handle: under whose id it was read, and when it was heard of at the latest."""

    customer_id: str
    heard_at: datetime


class RiskRow(NamedTuple):
    customer_id: str
    as_of: datetime
    risk: bytes | None
    state: str
    p_churn: float | None
    expected_loss: float | None
    tier: str | None
    n_purchases: int
    last_purchase_at: datetime | None
    currency: str | None


class RiskDayRow(NamedTuple):
    """The greatest probability of leaving of a UTC day."""

    customer_id: str
    day: date
    p_leave: float
    generation: int


class Erasure(NamedTuple):
    customer_id: str
    at: datetime


@dataclass(slots=True)
class Changes:
    """The rows of one batch. Erasures and links cut a batch: they stand alone, in order with everything else.

    `sightings` are by handle and whose history the event is of. `restated` are engagements that links changed, of
    customers without an event in the batch. `origin_id` of a row is whose history it is, None for the customer's own.
    """

    interactions: list[InteractionRow] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    customers: dict[str, CustomerChange] = field(default_factory=dict)
    sightings: dict[tuple[str, str], Sighting] = field(default_factory=dict)
    risks: dict[str, RiskRow] = field(default_factory=dict)
    risk_days: dict[tuple[str, date], RiskDayRow] = field(default_factory=dict)
    alerts: list[AlertRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    erasure: Erasure | None = None
    link: LinkChange | None = None
    conflicts: list[Conflict] = field(default_factory=list)
    restated: dict[str, Engagement] = field(default_factory=dict)
