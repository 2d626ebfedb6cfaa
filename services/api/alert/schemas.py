"""The JSON of alerts over HTTP: what is answered and what may be sent."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from services.api.alert.model import (
    Acknowledge,
    Alert,
    Assign,
    Command,
    Comment,
    Contact,
    Escalate,
    Promise,
    Reopen,
    Resolution,
    Resolve,
    Snooze,
    Status,
)
from shared.contracts.alert import Cause, ClearReason, Risk, Severity, Signal, Tier
from shared.contracts.event import Channel, Instant

Note = Annotated[str, Meta(max_length=4_000, description="Kept in the alert's history.")]
Assignee = Annotated[str, Meta(min_length=1, max_length=128)]


class Who(NamedTuple):
    """Whose alert it is: the display name, and whether the customer is made up for a demonstration."""

    name: str | None = None
    is_demo: bool = False


NOBODY_KNOWN: Final = Who()


class AlertView(Struct, frozen=True, kw_only=True):
    """An alert as it stands. `version` is its ETag; `signals` hold the evidence; `risk` is as of the last evidence.

    `acknowledge_due_at` and `resolve_due_at` are what an escalation policy promised, `breached` what was not kept.
    `is_held_out`: left without action on purpose, to measure what acting is worth; shown to supervisors alone.
    """

    alert_id: str
    customer_id: str
    version: int
    status: Status
    severity: Severity
    cause: Cause
    p_cause: float
    summary_en: str
    summary_zh: str
    signals: list[Signal]
    risk: Risk | None
    tier: Tier | None
    expected_loss: float | None
    playbook: str | None
    playbook_reason: str
    rules_version: int
    raised_at: datetime
    updated_at: datetime
    is_historical: bool
    assignee: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    snoozed_until: datetime | None
    escalation_level: int
    escalated_at: datetime | None
    n_contacts: int
    contacted_at: datetime | None
    resolution: Resolution | ClearReason | None
    resolved_at: datetime | None
    resolved_by: str | None
    n_reopened: int
    n_comments: int
    correlation_id: str | None
    customer_name: str | None = None
    is_demo: bool = False
    playbook_reason_zh: str = ""
    is_held_out: bool = False
    acknowledge_due_at: datetime | None = None
    resolve_due_at: datetime | None = None
    breached: list[Promise] = []


class AlertPage(Struct, frozen=True, kw_only=True):
    """Newest first. `last_event_id` is where the stream stood: open it from there and nothing is missed."""

    items: list[AlertView]
    next_cursor: str | None
    last_event_id: int


class CauseCount(Struct, frozen=True, kw_only=True):
    cause: Cause
    n_alerts: int
    n_saved: int
    n_returned: int
    n_lost: int


class CausePeriod(Struct, frozen=True, kw_only=True):
    """One local week (Monday first) or month; causes by number of alerts, most first, those without any left out."""

    period_start: date
    n_alerts: int
    causes: list[CauseCount]


class CausesOverTime(Struct, frozen=True, kw_only=True):
    """Alerts raised in the periods, by their cause as it stands now; imported history is not counted."""

    by: Literal["week", "month"]
    time_zone: str
    items: list[CausePeriod]


class AlertEventView(Struct, frozen=True, kw_only=True):
    """One step of an alert's life; `id` is global and grows in the order of the steps' commits.

    `at` is when it was so, `recorded_at`, told in an alert's whole life alone, when it was stored here.
    """

    id: int
    type: str
    alert_id: str
    customer_id: str
    version: int
    at: datetime
    actor: str | None
    event: dict[str, Any]
    alert: AlertView
    recorded_at: datetime | None = None


class AlertEventPage(Struct, frozen=True, kw_only=True):
    items: list[AlertEventView]
    last_event_id: int


class AlertEventRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`AlertEventView` as it leaves the database: the two documents are passed on unread."""

    id: int
    type: str
    alert_id: str
    customer_id: str
    version: int
    at: datetime
    actor: str | None
    event: Raw
    alert: Raw
    recorded_at: datetime | None = None


class AcknowledgeBody(Struct, frozen=True, forbid_unknown_fields=True):
    note: Note = ""

    def command(self) -> Command:
        return Acknowledge(self.note)


class AssignBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`assignee` null takes the alert away from whoever has it."""

    assignee: Assignee | None
    note: Note = ""

    def command(self) -> Command:
        return Assign(self.assignee, self.note)


class SnoozeBody(Struct, frozen=True, forbid_unknown_fields=True):
    until: Instant
    note: Note = ""

    def command(self) -> Command:
        return Snooze(self.until, self.note)


class EscalateBody(Struct, frozen=True, forbid_unknown_fields=True):
    note: Note = ""

    def command(self) -> Command:
        return Escalate(self.note)


class ContactBody(Struct, frozen=True, forbid_unknown_fields=True):
    channel: Channel
    note: Note = ""

    def command(self) -> Command:
        return Contact(self.channel, self.note)


class ResolveBody(Struct, frozen=True, forbid_unknown_fields=True):
    resolution: Resolution
    note: Note = ""

    def command(self) -> Command:
        return Resolve(self.resolution, self.note)


class ReopenBody(Struct, frozen=True, forbid_unknown_fields=True):
    note: Note = ""

    def command(self) -> Command:
        return Reopen(self.note)


class CommentBody(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=4_000)]

    def command(self) -> Command:
        return Comment(self.text)


class BulkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One action on up to 500 alerts, each decided on its own."""

    action: Literal["acknowledge", "assign", "snooze", "escalate", "contact", "resolve", "reopen", "comment"]
    alert_ids: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(min_length=1, max_length=500)]
    parameters: dict[str, Any] | UnsetType = UNSET


class BulkItem(Struct, frozen=True, kw_only=True):
    alert_id: str
    status: int
    detail: str | None
    version: int | None


class BulkResult(Struct, frozen=True, kw_only=True):
    items: list[BulkItem]
    n_done: int
    n_refused: int


ActionBody = (
    AcknowledgeBody | AssignBody | SnoozeBody | EscalateBody | ContactBody | ResolveBody | ReopenBody | CommentBody
)
ACTION_BODIES: dict[str, type[ActionBody]] = {
    "acknowledge": AcknowledgeBody,
    "assign": AssignBody,
    "snooze": SnoozeBody,
    "escalate": EscalateBody,
    "contact": ContactBody,
    "resolve": ResolveBody,
    "reopen": ReopenBody,
    "comment": CommentBody,
}


def alert_view(alert: Alert, who: Who = NOBODY_KNOWN) -> AlertView:
    body = alert.body
    return AlertView(
        alert_id=alert.alert_id,
        customer_id=alert.customer_id,
        version=alert.version,
        status=alert.status,
        severity=body.severity,
        cause=body.cause,
        p_cause=body.p_cause,
        summary_en=body.summary_en,
        summary_zh=body.summary_zh,
        signals=body.signals,
        risk=body.risk,
        tier=body.risk.tier if body.risk else None,
        expected_loss=body.risk.expected_loss if body.risk else None,
        playbook=body.playbook,
        playbook_reason=body.playbook_reason,
        rules_version=alert.rules_version,
        raised_at=alert.raised_at,
        updated_at=alert.updated_at,
        is_historical=alert.is_historical,
        assignee=alert.assignee,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
        snoozed_until=alert.snoozed_until,
        escalation_level=alert.escalation_level,
        escalated_at=alert.escalated_at,
        n_contacts=alert.n_contacts,
        contacted_at=alert.contacted_at,
        resolution=alert.resolution,
        resolved_at=alert.resolved_at,
        resolved_by=alert.resolved_by,
        n_reopened=alert.n_reopened,
        n_comments=alert.n_comments,
        correlation_id=alert.correlation_id,
        customer_name=who.name,
        is_demo=who.is_demo,
        playbook_reason_zh=body.playbook_reason_zh,
        is_held_out=alert.is_held_out,
        acknowledge_due_at=alert.acknowledge_due_at,
        resolve_due_at=alert.resolve_due_at,
        breached=list(alert.breached),
    )
