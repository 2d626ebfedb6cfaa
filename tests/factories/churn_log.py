"""Enriched events by hand, and the churn processor over a log of them in memory, cut into batches as one likes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.churn_alerts.alert.rules import Rules, to_document
from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.customer.joined import LinkRecord
from services.churn_alerts.customer.state import CustomerState, decode_state
from shared.clock import to_ms
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord, AlertUpdated, CustomerRisk
from shared.contracts.control import ClockTicked, RulesPublished
from shared.contracts.enriched import AspectHit, Engagement, EnrichedEvent, Origin, Sentiment
from shared.contracts.event import (
    Customer,
    CustomerErased,
    EventBase,
    Inquiry,
    Interaction,
    OrderItem,
    OrderPlaced,
    SurveyAnswered,
    TicketReopened,
)
from shared.contracts.identity import CustomerLinked, CustomerUnlinked, HistoryLeft, HistoryMoved
from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Forwarded, Partition
from shared.topics import CHURN_ALERTS, CHURN_RISK, ENRICHED
from tests.fakes.kafka import FakeRecord

START = datetime(2026, 1, 1, tzinfo=UTC)
_alert = msgspec.json.Decoder(AlertRaised | AlertUpdated | AlertCleared)
_risk = msgspec.json.Decoder(CustomerRisk)
_sent: msgspec.json.Decoder[LinkRecord] = msgspec.json.Decoder(LinkRecord)


def at(day: float, minutes: float = 0) -> datetime:
    """Return an instant `day` days and some minutes after the start of 2026."""
    return START + timedelta(days=day, minutes=minutes)


def _base(customer: str, moment: datetime, event_id: str | None, received: datetime | None) -> dict[str, Any]:
    return {
        "id": event_id or f"{customer}-{to_ms(moment)}",
        "source": "test",
        "occurred_at": moment,
        "received_at": received or moment,
        "customer": Customer(id=customer),
    }


def order(
    customer: str,
    moment: datetime,
    *,
    event_id: str | None = None,
    amount: str = "20.00",
    received: datetime | None = None,
    category: str | None = None,
) -> EventBase:
    items = [OrderItem(sku="s", category=category)] if category else []
    base = _base(customer, moment, event_id, received)
    return OrderPlaced(**base, order_id=base["id"], amount=amount, items=items)


def message(customer: str, moment: datetime, text: str = "hello", event_id: str | None = None) -> EventBase:
    return Interaction(**_base(customer, moment, event_id, None), channel="chat", direction="inbound", text=text)


def inquiry(customer: str, moment: datetime, product: str) -> EventBase:
    return Inquiry(**_base(customer, moment, None, None), product=product)


def survey(customer: str, moment: datetime, kind: Any, score: float, best: float) -> EventBase:
    base = _base(customer, moment, None, None)
    return SurveyAnswered(**base, kind=kind, score=score, scale_min=0 if kind == "nps" else 1, scale_max=best)


def reopened(customer: str, moment: datetime, ticket: str) -> EventBase:
    return TicketReopened(**_base(customer, moment, None, None), ticket_id=ticket)


def erased(customer: str, moment: datetime) -> EventBase:
    return CustomerErased(**_base(customer, moment, None, None))


def linked(customer: str, moment: datetime, into: str, version: int) -> CustomerLinked:
    return CustomerLinked(at=moment, linked_id=customer, into_id=into, version=version, by="crm")


def left(customer: str, moment: datetime, linked_id: str, version: int) -> HistoryLeft:
    name = f"left/{linked_id}/{version}"
    return HistoryLeft(id=name, at=moment, to_id=customer, linked_id=linked_id, version=version, ids=[linked_id])


def unlinked(customer: str, moment: datetime, parent: str, version: int) -> CustomerUnlinked:
    return CustomerUnlinked(at=moment, linked_id=customer, from_id=parent, version=version, by="ann")


COMPLAINT = Sentiment(
    label="negative",
    score=-0.9,
    p_negative=0.92,
    p_neutral=0.05,
    p_positive=0.03,
    language="en",
    is_complaint=True,
    aspects=[AspectHit("quality", ["broke"])],
)
CALM = Sentiment(label="neutral", score=0.0, p_negative=0.1, p_neutral=0.8, p_positive=0.1, language="en")

Heard = tuple[EventBase, Sentiment | None]


def calm(event: EventBase) -> Heard:
    return event, CALM if event.text else None


def complaint(customer: str, moment: datetime, event_id: str | None = None) -> Heard:
    return message(customer, moment, "it broke, poor quality", event_id), COMPLAINT


def regular(customer: str, n: int, gap_days: int = 7, first_day: int = 0) -> list[Heard]:
    """Return the orders of a customer who buys every `gap_days` days, at noon."""
    return [calm(order(customer, at(first_day + gap_days * i, 720))) for i in range(n)]


def tick(moment: datetime) -> bytes:
    return msgspec.json.encode(ClockTicked(at=moment))


def published(version: int, in_force_at: datetime, rules: Rules) -> bytes:
    return msgspec.json.encode(RulesPublished(version=version, in_force_at=in_force_at, rules=to_document(rules)))


class Log:
    """A partition's log with the processor at its end. What was decided is kept in `alerts`, `risks` and `sent`."""

    def __init__(self) -> None:
        self.records: list[FakeRecord] = []
        self.alerts: list[AlertRecord] = []
        self.risks: dict[str, CustomerRisk] = {}
        self.sent: list[LinkRecord] = []
        self.poison: list[str] = []
        nothing = LoadedState(rows={}, fence=-1, watermark_ms=0, controls=[], next_offset=0, heal=[], n_records=0)
        self.partition = Partition(ChurnAlerts(), 0, nothing)

    def add(self, entry: Heard | LinkRecord | bytes, linked_id: str | None = None) -> None:
        """Append an entry; `linked_id` is whose history an event adds to, if not its customer's own."""
        offset = len(self.records)
        if isinstance(entry, bytes):
            self.records.append(FakeRecord(offset, None, entry))
            return
        if isinstance(entry, LinkRecord):
            key = entry.to_id if isinstance(entry, HistoryMoved | HistoryLeft) else entry.linked_id
            self.records.append(FakeRecord(offset, key.encode(), msgspec.json.encode(entry)))
            return
        event, sentiment = entry
        enriched = EnrichedEvent(
            event=event,  # type: ignore[arg-type]  # every concrete event is in the union
            engagement=Engagement(as_of=event.occurred_at),
            origin=Origin(0, offset),
            sentiment=sentiment,
            linked_id=linked_id,
        )
        self.records.append(FakeRecord(offset, str(event.customer.id).encode(), msgspec.json.encode(enriched)))

    def state(self, key: str) -> CustomerState | None:
        """Return what is kept of a customer."""
        encoded = self.partition.states.get(key)
        return None if encoded is None else decode_state(encoded)

    def decide(self, cuts: Sequence[int] = ()) -> "Log":
        """Decide the whole log, in batches that end at `cuts`."""
        start = 0
        for end in [*sorted(set(cuts)), len(self.records)]:
            for work in self.partition.works(self.records[start:end]):
                self.poison += [poison.error for poison in work.poison]
                for output in work.outputs:
                    if isinstance(output, Forwarded):
                        continue
                    if output.value is None:
                        assert output.topic is CHURN_RISK
                        self.risks.pop(output.key, None)
                    elif output.topic is CHURN_ALERTS:
                        self.alerts.append(_alert.decode(output.value))
                    elif output.topic is ENRICHED:
                        self.sent.append(_sent.decode(output.value))
                    else:
                        self.risks[output.key] = _risk.decode(output.value)
            start = max(start, end)
        assert not self.poison, self.poison[0]
        return self


def decided(entries: Iterable[Heard | LinkRecord | bytes], cuts: Sequence[int] = ()) -> Log:
    """Return the log of the entries, decided."""
    log = Log()
    for entry in entries:
        log.add(entry)
    return log.decide(cuts)


def kinds(alerts: Iterable[AlertRecord]) -> list[str]:
    """Return what happened, in order: raised, updated, or the reason it was cleared."""
    return [
        record.reason if isinstance(record, AlertCleared) else type(record).__name__[5:].lower() for record in alerts
    ]
