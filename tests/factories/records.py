"""Records of the projected topics, small and valid, with what a test cares about as arguments."""

from datetime import UTC, datetime
from typing import Any

from shared.contracts.alert import AlertBody, AlertCleared, AlertRaised, AlertUpdated, CustomerRisk, Risk, Signal
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin, Sentiment, WindowCounts
from shared.contracts.event import Customer, EventBase, Interaction, OrderPlaced

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def message(event_id: str = "e1", customer_id: str = "c1", text: str = "hello", **fields: Any) -> Interaction:
    values: dict[str, Any] = {"source": "test", "occurred_at": NOON, "channel": "chat", "direction": "inbound"} | fields
    handles = values.pop("handles", [])
    return Interaction(id=event_id, customer=Customer(customer_id, handles), text=text, **values)


def order(event_id: str, customer_id: str, amount: str, at: datetime = NOON) -> OrderPlaced:
    return OrderPlaced(
        id=event_id,
        source="shop",
        occurred_at=at,
        customer=Customer(customer_id),
        order_id=event_id,
        amount=amount,
        currency="USD",
    )


def enriched(event: EventBase, offset: int = 0, *, negative: bool = False) -> EnrichedEvent:
    sentiment = None
    if event.text:
        low, high = (0.9, 0.05) if negative else (0.05, 0.15)
        sentiment = Sentiment(
            label="negative" if negative else "neutral",
            score=high - low,
            p_negative=low,
            p_neutral=1 - low - high,
            p_positive=high,
            language="en",
            is_complaint=negative,
        )
    return EnrichedEvent(
        event=event,  # type: ignore[arg-type]  # the union of all event classes
        engagement=Engagement(as_of=event.occurred_at, inbound=WindowCounts(d7=1, d30=1, d90=offset + 1)),
        origin=Origin(0, offset),
        sentiment=sentiment,
    )


def risk(p_churn: float = 0.7, loss: float = 120.0) -> Risk:
    return Risk(
        p_churn=p_churn, horizon_days=90, as_of=NOON, generation=1, is_prior=True, tier="gold", expected_loss=loss
    )


def customer_risk(customer_id: str, loss: float = 120.0, at: datetime = NOON) -> CustomerRisk:
    return CustomerRisk(customer_id=customer_id, as_of=at, state="at_risk", n_purchases=3, risk=risk(loss=loss))


def alert_body(severity: Any = "high", cause: Any = "quality") -> AlertBody:
    signal = Signal(
        name="complaints_surging",
        value=5,
        threshold=2,
        contribution=1.2,
        evidence=["e1"],
        reason_en="complaints surge",
        reason_zh="投诉激增",
    )
    return AlertBody(
        severity=severity,
        cause=cause,
        p_cause=0.8,
        signals=[signal],
        summary_en="may leave",
        summary_zh="可能流失",
        risk=risk(),
    )


def raised(
    alert_id: str, customer_id: str = "c1", *, revision: int = 1, at: datetime = NOON, **fields: Any
) -> AlertRaised:
    body = fields.pop("body", None) or alert_body(fields.pop("severity", "high"))
    return AlertRaised(
        alert_id=alert_id, customer_id=customer_id, at=at, revision=revision, rules_version=1, body=body, **fields
    )


def updated(alert_id: str, customer_id: str = "c1", *, revision: int = 2, severity: Any = "high") -> AlertUpdated:
    return AlertUpdated(
        alert_id=alert_id,
        customer_id=customer_id,
        at=NOON,
        revision=revision,
        rules_version=1,
        body=alert_body(severity),
    )


def cleared(alert_id: str, customer_id: str = "c1", *, revision: int = 2, reason: Any = "returned") -> AlertCleared:
    return AlertCleared(
        alert_id=alert_id, customer_id=customer_id, at=NOON, revision=revision, rules_version=1, reason=reason
    )
