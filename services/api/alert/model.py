"""An alert's life as the API keeps it: the present state, the events it is folded from, and what people may ask for."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.alert import AlertBody, ClearReason, Severity
from shared.contracts.event import Identifier, Instant, Name

Status = Literal["open", "acknowledged", "snoozed", "resolved", "expired"]
Resolution = Literal["saved", "lost", "handled", "false_alarm", "duplicate", "other"]

Promise = Literal["acknowledge", "resolve"]

STATUSES: tuple[Status, ...] = ("open", "acknowledged", "snoozed", "resolved", "expired")
CLOSED_STATUSES: frozenset[Status] = frozenset({"resolved", "expired"})
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
SEVERITY_RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}

# Who acts when no person does.
ENGINE = "engine"
CLOCK = "clock"
POLICY = "policy"

Note = Annotated[str, Meta(max_length=4_000)]


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one alert after `version` events; `source_revision` is the engine's newest revision included."""

    alert_id: Identifier
    customer_id: Identifier
    version: int
    source_revision: int
    rules_version: int
    status: Status
    body: AlertBody
    raised_at: Instant
    updated_at: Instant
    is_historical: bool = False
    is_held_out: bool = False
    correlation_id: str | None = None
    assignee: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    snoozed_until: datetime | None = None
    snoozed_severity: Severity | None = None
    escalation_level: int = 0
    escalated_at: datetime | None = None
    n_contacts: int = 0
    contacted_at: datetime | None = None
    resolution: Resolution | ClearReason | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    n_reopened: int = 0
    n_comments: int = 0
    acknowledge_due_at: datetime | None = None
    resolve_due_at: datetime | None = None
    breached: tuple[Promise, ...] = ()

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED_STATUSES


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    at: Instant
    actor: Name


class Raised(_Event, frozen=True, kw_only=True, tag="alert.raised"):
    alert_id: Identifier
    customer_id: Identifier
    revision: int
    rules_version: int
    body: AlertBody
    is_historical: bool = False
    is_held_out: bool = False
    correlation_id: str | None = None


class Updated(_Event, frozen=True, kw_only=True, tag="alert.updated"):
    revision: int
    rules_version: int
    body: AlertBody
    is_historical: bool = False


class Cleared(_Event, frozen=True, kw_only=True, tag="alert.cleared"):
    """The engine says the ground is gone; a closed alert stays as it was closed."""

    revision: int
    reason: ClearReason


class Acknowledged(_Event, frozen=True, kw_only=True, tag="alert.acknowledged"):
    note: Note = ""


class Assigned(_Event, frozen=True, kw_only=True, tag="alert.assigned"):
    assignee: str | None
    note: Note = ""


class Snoozed(_Event, frozen=True, kw_only=True, tag="alert.snoozed"):
    until: Instant
    note: Note = ""


class Woken(_Event, frozen=True, kw_only=True, tag="alert.woken"):
    """The snooze ran out."""


class Escalated(_Event, frozen=True, kw_only=True, tag="alert.escalated"):
    level: int
    note: Note = ""


class Contacted(_Event, frozen=True, kw_only=True, tag="alert.contacted"):
    channel: Name
    note: Note = ""


class Resolved(_Event, frozen=True, kw_only=True, tag="alert.resolved"):
    resolution: Resolution
    note: Note = ""


class Reopened(_Event, frozen=True, kw_only=True, tag="alert.reopened"):
    note: Note = ""


class Expired(_Event, frozen=True, kw_only=True, tag="alert.expired"):
    """Nobody acted and nothing new happened for as long as the settings allow."""


class Commented(_Event, frozen=True, kw_only=True, tag="alert.commented"):
    text: Annotated[str, Meta(min_length=1, max_length=4_000)]


class Promised(_Event, frozen=True, kw_only=True, tag="alert.promised"):
    """A policy says by when the alert is to be acknowledged and resolved; None promises nothing."""

    policy: Name
    acknowledge_due_at: datetime | None = None
    resolve_due_at: datetime | None = None


class Breached(_Event, frozen=True, kw_only=True, tag="alert.breached"):
    """The instant of a promise has passed unkept."""

    promise: Promise


AlertEvent = (
    Raised
    | Updated
    | Cleared
    | Acknowledged
    | Assigned
    | Snoozed
    | Woken
    | Escalated
    | Contacted
    | Resolved
    | Reopened
    | Expired
    | Commented
    | Promised
    | Breached
)
EVENT_TYPES: tuple[str, ...] = tuple(str(cls.__struct_config__.tag) for cls in AlertEvent.__args__)


class Acknowledge(Struct, frozen=True):
    note: str = ""


class Assign(Struct, frozen=True):
    """`assignee` None takes the alert away from whoever has it."""

    assignee: str | None
    note: str = ""


class Snooze(Struct, frozen=True):
    until: datetime
    note: str = ""


class Escalate(Struct, frozen=True):
    note: str = ""


class Contact(Struct, frozen=True):
    channel: str
    note: str = ""


class Resolve(Struct, frozen=True):
    resolution: Resolution
    note: str = ""


class Reopen(Struct, frozen=True):
    note: str = ""


class Comment(Struct, frozen=True):
    text: str


Command = Acknowledge | Assign | Snooze | Escalate | Contact | Resolve | Reopen | Comment
