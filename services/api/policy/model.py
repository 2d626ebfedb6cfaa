"""What a company decides about its alerts in advance: who gets them, by when, who is told, and when people work."""

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.api.alert.match import Match

PolicyKind = Literal["assignment", "escalation", "routing", "calendar"]
TimerKind = Literal["acknowledge", "resolve", "step"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Title = Annotated[str, Meta(min_length=1, max_length=128)]
Person = Annotated[str, Meta(min_length=1, max_length=128)]
PolicyId = Annotated[str, Meta(min_length=1, max_length=64)]
# A year; whoever needs longer means never.
Minutes = Annotated[int, Meta(ge=1, le=525_600)]
ClockTime = Annotated[
    str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", description="HH:MM, or 24:00 for the day's end.")
]
Position = Annotated[int, Meta(ge=0, le=1_000_000, description="Rules are asked in this order, lowest first.")]


class Hours(Struct, frozen=True, forbid_unknown_fields=True):
    """A span of one day; a shift over midnight is two."""

    start: ClockTime
    end: ClockTime


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When people work, in local time.

    `country` and `subdivision` (ISO 3166) bring public holidays and make-up working days; `days_off` and
    `working_days` overrule them. A make-up day has the hours of the first weekday that has any.
    """

    name: Title
    time_zone: Annotated[str, Meta(min_length=1, max_length=64, description="IANA name, such as Asia/Shanghai.")]
    hours: dict[Weekday, Annotated[list[Hours], Meta(max_length=8)]]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    subdivision: Annotated[str, Meta(min_length=1, max_length=8)] | None = None
    days_off: Annotated[list[date], Meta(max_length=1_000)] = []
    working_days: Annotated[list[date], Meta(max_length=1_000)] = []


class AssignmentRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New alerts that match go to the assignees in turn; the first rule that matches decides."""

    name: Title
    assignees: Annotated[list[Person], Meta(min_length=1, max_length=200)]
    match: Match = Match()
    position: Position = 0
    is_enabled: bool = True


class EscalationStep(Struct, frozen=True, forbid_unknown_fields=True):
    """After so long the alert is escalated by one level, and given to `assign_to`, unless that has happened by then."""

    after_minutes: Minutes
    unless: Literal["acknowledged", "contacted", "closed"] = "acknowledged"
    assign_to: Person | None = None


class EscalationPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is promised about alerts that match, and what happens when nobody acts; the first that matches decides.

    Delays count from when the alert is seen, in the calendar's working time, or around the clock without one. A snooze
    holds them until it ends. An unkept promise is an event of the alert, `alert.breached`.
    """

    name: Title
    match: Match = Match()
    calendar_id: PolicyId | None = None
    acknowledge_within_minutes: Minutes | None = None
    resolve_within_minutes: Minutes | None = None
    steps: Annotated[list[EscalationStep], Meta(max_length=10)] = []
    position: Position = 0
    is_enabled: bool = True


class Timer(Struct, frozen=True, kw_only=True):
    """When to look at an alert again, and what for; `step` is the index among the policy's steps, else 0."""

    alert_id: str
    customer_id: str
    kind: TimerKind
    step: int
    policy_id: str
    due_at: datetime
