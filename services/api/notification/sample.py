"""The made-up alert that a test message carries. Pure."""

from datetime import datetime

import msgspec

from services.api.alert.decide import decide_record, fold
from services.api.alert.schemas import AlertEventRow, alert_view
from shared.contracts.alert import AlertBody, AlertRaised, Signal


def sample_event(now: datetime) -> AlertEventRow:
    """Return an alert raised for a customer who does not exist; its event id 0 is never a real one's."""
    signal = Signal(
        name="complaints_surging",
        value=5,
        threshold=2,
        contribution=1.0,
        reason_en="This is a test: five complaints in a month where two were usual",
        reason_zh="测试消息：一个月内投诉五次，通常为两次",
    )
    body = AlertBody(
        severity="medium",
        cause="unknown",
        p_cause=1.0,
        signals=[signal],
        summary_en="A test message, no customer is at risk",
        summary_zh="测试消息，没有客户流失风险",
    )
    record = AlertRaised(
        alert_id="al_test", customer_id="test-customer", at=now, revision=1, rules_version=1, body=body
    )
    [event] = decide_record(None, record)
    alert = fold(None, event)
    return AlertEventRow(
        id=0,
        type="alert.raised",
        alert_id=alert.alert_id,
        customer_id=alert.customer_id,
        version=alert.version,
        at=now,
        actor=event.actor,
        event=msgspec.Raw(msgspec.json.encode(event)),
        alert=msgspec.Raw(msgspec.json.encode(alert_view(alert))),
    )
