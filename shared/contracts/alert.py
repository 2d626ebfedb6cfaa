"""Churn decisions: alerts, and every customer's present risk. Version 1 of `churn.alerts` and of `churn.risk`."""

from typing import Literal

from msgspec import Struct

from shared.contracts.enriched import Probability
from shared.contracts.event import Currency, Identifier, Instant, Name

Severity = Literal["low", "medium", "high", "critical"]
SignalName = Literal[
    "purchase_overdue",
    "purchase_frequency_falling",
    "category_frequency_falling",
    "inquiry_without_order",
    "expectation_mismatch",
    "payment_delayed",
    "complaints_surging",
    "sentiment_sliding",
    "contact_falling_silent",
    "low_csat",
    "nps_detractor",
    "repeated_reopen",
]
Cause = Literal[
    "price",
    "quality",
    "function",
    "logistics",
    "after_sales",
    "attitude",
    "waiting",
    "billing",
    "competitor",
    "unknown",
]
Tier = Literal["new", "bronze", "silver", "gold", "platinum"]
ClearReason = Literal["returned", "lost", "evidence_undone", "recovered", "merged", "erased"]


class Signal(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One reason: what was measured against what, how much it weighs, and the ids of the events that prove it."""

    name: SignalName
    value: float
    threshold: float
    contribution: float
    evidence: list[str] = []
    reason_en: str
    reason_zh: str


class RiskReason(Struct, frozen=True, gc=False):
    """One group of model terms and how far it moves the log-odds of leaving away from the average customer."""

    group: Name
    contribution: float
    reason_en: str
    reason_zh: str


class Risk(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The calibrated probability of no purchase within `horizon_days`, as of `as_of`."""

    p_churn: Probability
    horizon_days: float
    as_of: Instant
    generation: int
    is_prior: bool
    reasons: list[RiskReason] = []
    silence_days: float | None = None
    usual_gap_days: float | None = None
    expected_next_at: Instant | None = None
    tier: Tier = "new"
    residual_value: float | None = None
    expected_loss: float | None = None
    currency: Currency = "USD"


class CustomerRisk(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type", tag="risk.updated"
):
    """A customer's newest risk, null for lost and unscored ones; `at_risk` reaches its tier's threshold, alert or none.

    Compacted by customer id.
    """

    customer_id: Identifier
    as_of: Instant
    state: Literal["unscored", "active", "at_risk", "lost"]
    n_purchases: int = 0
    last_purchase_at: Instant | None = None
    risk: Risk | None = None


class AlertBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an alert says while it is open; the same in `raised` and `updated`."""

    severity: Severity
    cause: Cause
    p_cause: Probability
    signals: list[Signal]
    summary_en: str
    summary_zh: str
    risk: Risk | None = None
    playbook: Name | None = None
    playbook_reason: str = ""
    playbook_reason_zh: str = ""


class AlertRaised(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="alert.raised"):
    """A new alert. `at` is the event time of the decision (a timer's due time, not when it was noticed).

    `is_historical` marks decisions about imported history: they are stored and counted, and notify nobody.
    `alert_id` depends on the customer, the spell's start or the signal's window, and the rules version alone.
    """

    alert_id: Identifier
    customer_id: Identifier
    at: Instant
    revision: int
    rules_version: int
    body: AlertBody
    is_historical: bool = False
    correlation_id: str | None = None


class AlertUpdated(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="alert.updated"):
    """New evidence for an open alert; `revision` grows by one with each record of an alert."""

    alert_id: Identifier
    customer_id: Identifier
    at: Instant
    revision: int
    rules_version: int
    body: AlertBody
    is_historical: bool = False
    correlation_id: str | None = None


class AlertCleared(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="alert.cleared"):
    """The alert's ground is gone: the customer came back, is lost anyway, or the evidence was undone."""

    alert_id: Identifier
    customer_id: Identifier
    at: Instant
    revision: int
    rules_version: int
    reason: ClearReason
    is_historical: bool = False
    correlation_id: str | None = None


AlertRecord = AlertRaised | AlertUpdated | AlertCleared
