"""Segment's HTTP API: orders and returns of people who buy in the web shop, as e-commerce events."""

import base64
from datetime import datetime

from services.simulator.life.model import Ordered, Person, Returned
from services.simulator.provider.model import (
    Deliveries,
    Provider,
    Secrets,
    Signed,
    Unsigned,
    hex_id,
    json_body,
    one_secret,
)
from shared.clock import from_ms


def order(person: Person, act: Ordered | Returned) -> Deliveries:
    """Return the track call of an order or its return."""
    name, letter = ("Order Completed", "o") if isinstance(act, Ordered) else ("Order Refunded", "r")
    key = f"{person.id}-{letter}{act.number}"
    properties: dict[str, object] = {
        "order_id": f"{person.id}-{act.number}",
        "total": f"{act.amount:.2f}",
        "currency": currency_of(person),
    }
    if isinstance(act, Ordered):
        properties["products"] = [
            {"product_id": f"sku-{category}-{i}", "category": category, "price": f"{price:.2f}", "quantity": 1}
            for i, (category, price) in enumerate(act.products)
        ]
    document = {
        "type": "track",
        "event": name,
        "userId": person.id,
        "messageId": f"msg-{hex_id(key)}",
        "timestamp": from_ms(act.at_ms).isoformat().replace("+00:00", "Z"),
        "properties": properties,
        "context": {"library": {"name": "analytics-python", "version": "2.3.2"}},
    }
    return [Unsigned(provider="segment", key=key, body=json_body(document))]


def currency_of(person: Person) -> str:
    return "CNY" if person.language == "zh" else "USD"


def _sign(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    basic = base64.b64encode(f"{secrets['write_key']}:".encode()).decode()
    return Signed(body=delivery.body, headers={"Content-Type": delivery.media_type, "Authorization": f"Basic {basic}"})


SEGMENT = Provider(name="segment", sign=_sign, make_secrets=one_secret("write_key"))
