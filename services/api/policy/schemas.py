"""The JSON of policies over HTTP: a policy as it is sent, with its id as it is answered."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from services.api.alert.match import Match
from services.api.notification.schemas import EventType
from services.api.policy.model import AssignmentRule, Calendar, EscalationPolicy, PolicyId, Position, Title


class RoutingRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints that any enabled rule names are told only what at least one such rule lets through.

    `event_types` left out means all. Endpoints that no rule names go by their own filters alone.
    """

    name: Title
    endpoint_ids: Annotated[list[PolicyId], Meta(min_length=1, max_length=100)]
    event_types: list[EventType] | None = None
    match: Match = Match()
    position: Position = 0
    is_enabled: bool = True


class AssignmentRuleView(AssignmentRule, frozen=True, kw_only=True):
    """An assignment rule as it is kept; `n_assigned` alerts went by it, which says whose turn is next."""

    id: str
    created_at: datetime
    created_by: str
    updated_at: datetime
    n_assigned: int


class EscalationPolicyView(EscalationPolicy, frozen=True, kw_only=True):
    """An escalation policy as it is kept."""

    id: str
    created_at: datetime
    created_by: str
    updated_at: datetime


class RoutingRuleView(RoutingRule, frozen=True, kw_only=True):
    """A routing rule as it is kept."""

    id: str
    created_at: datetime
    created_by: str
    updated_at: datetime


class CalendarView(Calendar, frozen=True, kw_only=True):
    """A calendar as it is kept."""

    id: str
    created_at: datetime
    created_by: str
    updated_at: datetime


class AssignmentRuleList(Struct, frozen=True, kw_only=True):
    """In the order they are asked."""

    items: list[AssignmentRuleView]


class EscalationPolicyList(Struct, frozen=True, kw_only=True):
    """In the order they are asked."""

    items: list[EscalationPolicyView]


class RoutingRuleList(Struct, frozen=True, kw_only=True):
    items: list[RoutingRuleView]


class CalendarList(Struct, frozen=True, kw_only=True):
    items: list[CalendarView]


Policy = AssignmentRule | EscalationPolicy | RoutingRule | Calendar
