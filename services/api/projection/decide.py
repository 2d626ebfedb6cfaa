"""Records of the four projected topics to rows. Pure: the same records give the same rows, in any number of batches."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.api.identity.decide import conflict_of
from services.api.identity.model import LinkChange
from services.api.interaction.key import event_key
from services.api.interaction.search import text_terms, tsvector
from services.api.projection.model import (
    Changes,
    CustomerChange,
    Erasure,
    InteractionRow,
    OrderRow,
    RiskDayRow,
    RiskRow,
    Sighting,
)
from shared.contracts.alert import AlertCleared, AlertRaised, AlertUpdated, CustomerRisk
from shared.contracts.codec import decode_json, encode
from shared.contracts.control import ClockTicked, ModelPublished, RulesPublished
from shared.contracts.dead_letter import DeadLetter
from shared.contracts.enriched import EnrichedEvent
from shared.contracts.event import (
    CustomerErased,
    CustomerIdentified,
    EventBase,
    Interaction,
    OrderPlaced,
    OrderReturned,
)
from shared.contracts.identity import (
    CustomerLinked,
    CustomerUnlinked,
    EngagementRestated,
    HistoryErased,
    HistoryLeft,
    HistoryMoved,
    IdentityNotice,
    LinkConflicted,
)
from shared.errors import Reject

Message = (
    EnrichedEvent
    | ClockTicked
    | RulesPublished
    | ModelPublished
    | AlertRaised
    | AlertUpdated
    | AlertCleared
    | CustomerRisk
    | DeadLetter
    | IdentityNotice
    | HistoryMoved
    | HistoryLeft
    | HistoryErased
)
# What the processors tell each other about histories; no row follows from it.
_UNPROJECTED = ClockTicked | RulesPublished | ModelPublished | HistoryMoved | HistoryLeft

_decoder = msgspec.json.Decoder(Message)


class Input(Protocol):
    """What a record must offer; shared.kafka.consumer.Record does."""

    @property
    def value(self) -> bytes | None: ...


def decode(record: Input) -> Message | None:
    """Return the record's message; None for a tombstone or the tick that needs no row. Raises `Reject`."""
    if record.value is None:
        return None
    message: Message = decode_json(_decoder, record.value)
    if isinstance(message, _UNPROJECTED):
        return None
    if isinstance(message, EnrichedEvent) and message.event.customer.id is None:
        raise Reject("an enriched event names its customer", "/event/customer/id")
    return message


def is_live_alert(message: Message) -> bool:
    """Whether a message tells people of an alert now, as opposed to imported history."""
    return isinstance(message, AlertRaised | AlertUpdated | AlertCleared) and not message.is_historical


def collect(messages: Iterable[Message], *, is_searchable: bool) -> list[Changes]:
    """Return the rows of the messages, cut where an erasure or a link must come between.

    With `is_searchable` false no text terms are made, which more than doubles the pace of an import.
    """
    groups = [Changes()]
    for message in messages:
        match message:
            # First what an import is made of.
            case EnrichedEvent(event=event) if not isinstance(event, CustomerErased):
                _add_enriched(groups[-1], message, is_searchable)
            case EnrichedEvent(event=event):
                groups[-1].erasure = Erasure(_customer_id(event), _heard_at(event))
                groups.append(Changes())
            case HistoryErased():
                groups[-1].erasure = Erasure(message.linked_id, message.at)
                groups.append(Changes())
            case CustomerLinked() | CustomerUnlinked():
                groups[-1].link = _link_change(message)
                groups.append(Changes())
            case LinkConflicted():
                groups[-1].conflicts.append(conflict_of(message))
            case EngagementRestated():
                _restate(groups[-1], message)
            case CustomerRisk():
                _add_risk(groups[-1], message)
            case AlertRaised() | AlertUpdated() | AlertCleared():
                groups[-1].alerts.append(message)
            case DeadLetter():
                groups[-1].dead_letters.append(message)
            case _:
                continue
    return groups


def _customer_id(event: EventBase) -> str:
    if event.customer.id is None:
        raise ValueError("decode lets no event without a customer through")
    return event.customer.id


def _heard_at(event: EventBase) -> datetime:
    return max(event.occurred_at, event.received_at) if event.received_at else event.occurred_at


def _add_enriched(changes: Changes, enriched: EnrichedEvent, is_searchable: bool) -> None:
    event: EventBase = enriched.event
    customer_id = _customer_id(event)
    key = event_key(event.source, event.id)
    changes.restated.pop(customer_id, None)
    changes.interactions.append(_interaction_row(enriched, event, key, customer_id, is_searchable))
    if isinstance(event, OrderPlaced | OrderReturned):
        changes.orders.append(
            OrderRow(
                key,
                customer_id,
                event.order_id,
                "placed" if isinstance(event, OrderPlaced) else "returned",
                Decimal(event.amount),
                event.currency,
                event.occurred_at,
                enriched.linked_id,
            )
        )
    change = changes.customers.get(customer_id)
    if change is None:
        change = changes.customers[customer_id] = CustomerChange(event.occurred_at, event.occurred_at)
    change.first_seen_at = min(change.first_seen_at, event.occurred_at)
    change.last_seen_at = max(change.last_seen_at, event.occurred_at)
    change.engagement = enriched.engagement
    if event.attributes.get("demo") == "true":
        change.is_demo = True
    change.sender_name = change.sender_name or _sender_name(enriched)
    if isinstance(event, CustomerIdentified):
        change.name = event.name or change.name
        change.birthday = event.birthday or change.birthday
        change.consent = change.consent if event.consent is None else event.consent
    if event.customer.handles:
        _add_sightings(changes, event, enriched.linked_id or customer_id)


def _sender_name(enriched: EnrichedEvent) -> str | None:
    """Return the name a channel told; not of a history that is only linked, since that may be parted again."""
    actor = enriched.event.actor
    if actor is None or actor.kind != "customer" or enriched.linked_id is not None:
        return None
    return actor.name


def _add_sightings(changes: Changes, event: EventBase, origin_id: str) -> None:
    heard_at = min(event.occurred_at, event.received_at) if event.received_at else event.occurred_at
    sighting = Sighting(_customer_id(event), heard_at)
    for handle in event.customer.handles:
        known = changes.sightings.setdefault((handle, origin_id), sighting)
        if known.heard_at < heard_at:
            changes.sightings[handle, origin_id] = sighting


def _link_change(told: CustomerLinked | CustomerUnlinked) -> LinkChange:
    kind: Literal["linked", "unlinked"]
    kind, other_id = ("linked", told.into_id) if isinstance(told, CustomerLinked) else ("unlinked", told.from_id)
    return LinkChange(kind, told.linked_id, other_id, told.handle, told.version, told.at, told.by, told.reason)


def _restate(changes: Changes, told: EngagementRestated) -> None:
    change = changes.customers.get(told.customer_id)
    if change is None:
        changes.restated[told.customer_id] = told.engagement
    else:
        change.engagement = told.engagement


def _interaction_row(
    enriched: EnrichedEvent, event: EventBase, key: UUID, customer_id: str, is_searchable: bool
) -> InteractionRow:
    sentiment = enriched.sentiment
    text = event.text
    if text is None and isinstance(event, Interaction) and event.call is not None:
        text = event.call.transcript
    subject = event.subject
    # Text and subject have columns of their own; storing them twice would double the table.
    lean = replace(event, text=None, subject=None) if event.text is not None or subject is not None else event
    return InteractionRow(
        occurred_at=event.occurred_at,
        event_key=key,
        customer_id=customer_id,
        source=event.source,
        event_id=event.id,
        type=str(event.__struct_config__.tag),
        channel=event.channel,
        direction=event.direction,
        conversation_id=event.conversation_id,
        actor_kind=event.actor.kind if event.actor else None,
        actor_id=event.actor.id if event.actor else None,
        language=sentiment.language if sentiment else event.language,
        sentiment_label=sentiment.label if sentiment else None,
        sentiment_score=sentiment.score if sentiment else None,
        is_complaint=sentiment is not None and sentiment.is_complaint,
        urgency=sentiment.urgency if sentiment else None,
        aspects=[hit.aspect for hit in sentiment.aspects] if sentiment else [],
        received_at=event.received_at if event.received_at is not msgspec.UNSET else None,
        subject=subject,
        body=text,
        event=encode(lean),
        sentiment=encode(sentiment) if sentiment else None,
        origin_id=enriched.linked_id,
        search=tsvector(text_terms(subject, text)) if is_searchable else None,
    )


def _add_risk(changes: Changes, message: CustomerRisk) -> None:
    changes.risks[message.customer_id] = _risk_row(message)
    if message.risk is None:
        return
    day = message.as_of.astimezone(UTC).date()
    row = RiskDayRow(message.customer_id, day, message.risk.p_churn, message.risk.generation)
    known = changes.risk_days.get((message.customer_id, day))
    if known is None or row.p_leave >= known.p_leave:
        changes.risk_days[message.customer_id, day] = row


def _risk_row(message: CustomerRisk) -> RiskRow:
    risk = message.risk
    return RiskRow(
        customer_id=message.customer_id,
        as_of=message.as_of,
        risk=None if risk is None else encode(risk),
        state=message.state,
        p_churn=None if risk is None else risk.p_churn,
        expected_loss=None if risk is None else risk.expected_loss,
        tier=None if risk is None else risk.tier,
        n_purchases=message.n_purchases,
        last_purchase_at=message.last_purchase_at,
        currency=None if risk is None else risk.currency,
    )
