"""The JSON of notification endpoints over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from services.api.notification.model import EndpointKind, Language, QuietHours
from shared.contracts.alert import Severity
from shared.contracts.event import Instant

EventType = Literal[
    "alert.raised",
    "alert.updated",
    "alert.cleared",
    "alert.acknowledged",
    "alert.assigned",
    "alert.snoozed",
    "alert.woken",
    "alert.escalated",
    "alert.contacted",
    "alert.resolved",
    "alert.reopened",
    "alert.expired",
    "alert.commented",
    "alert.promised",
    "alert.breached",
]
Title = Annotated[str, Meta(min_length=1, max_length=128)]
Url = Annotated[str, Meta(min_length=1, max_length=2_048)]
Secret = Annotated[str, Meta(min_length=1, max_length=256)]
DigestMinutes = Annotated[int, Meta(ge=1, le=10_080)]
Rate = Annotated[int, Meta(ge=1, le=6_000)]


class NewEndpointBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is https://… (mailto:… for e-mail). `event_types` and `severities` left out mean all of them.

    `includes_held_out`: whether alerts held out from action are told as well, for a receiver that only counts or heeds
    `is_held_out`. What comes in `quiet_hours` is sent at their end; with `digest_minutes`, events are gathered for at
    most so long and sent as one message. A webhook's `secret` is made when none is sent; a DingTalk or Feishu bot's is
    the one its page shows.
    """

    name: Title
    kind: EndpointKind
    url: Url
    secret: Secret | None = None
    language: Language = "en"
    event_types: list[EventType] | None = None
    severities: list[Severity] | None = None
    rate_per_minute: Rate = 600
    includes_held_out: bool = False
    quiet_hours: QuietHours | None = None
    digest_minutes: DigestMinutes | None = None


class EndpointChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is sent is changed. `is_enabled` true brings a disabled endpoint back."""

    name: Title | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    secret: Secret | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    event_types: list[EventType] | UnsetType | None = UNSET
    severities: list[Severity] | UnsetType | None = UNSET
    rate_per_minute: Rate | UnsetType = UNSET
    includes_held_out: bool | UnsetType = UNSET
    quiet_hours: QuietHours | UnsetType | None = UNSET
    digest_minutes: DigestMinutes | UnsetType | None = UNSET
    is_enabled: bool | UnsetType = UNSET


class EndpointView(Struct, frozen=True, kw_only=True):
    """An endpoint, without its secret. `failing_since` is when the last delivery succeeded no more."""

    id: str
    name: str
    kind: EndpointKind
    url: str
    language: Language
    event_types: list[str] | None
    severities: list[str] | None
    rate_per_minute: int
    includes_held_out: bool
    quiet_hours: QuietHours | None
    digest_minutes: int | None
    is_enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    created_by: str


class NewEndpointView(EndpointView, frozen=True, kw_only=True):
    """`secret` is shown this once."""

    secret: str | None


class EndpointList(Struct, frozen=True, kw_only=True):
    items: list[EndpointView]


class DeliveryView(Struct, frozen=True, kw_only=True):
    id: int
    event_id: int
    customer_id: str
    status: Literal["pending", "delivered", "failed", "dropped"]
    run_at: datetime
    n_attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryPage(Struct, frozen=True, kw_only=True):
    """Newest first."""

    items: list[DeliveryView]
    next_cursor: str | None


class TestResult(Struct, frozen=True, kw_only=True):
    """How the receiver took a test message."""

    is_delivered: bool
    status: int | None
    error: str | None


class RequeueBody(Struct, frozen=True, forbid_unknown_fields=True):
    since: Instant


class RequeueResult(Struct, frozen=True, kw_only=True):
    n_queued: int
