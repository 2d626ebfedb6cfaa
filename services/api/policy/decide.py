"""What policies do to an alert: who gets it, what is promised, and what follows when nobody acts. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from services.api.alert.match import Facts, matches
from services.api.alert.model import POLICY, Alert, AlertEvent, Assigned, Breached, Escalated, Promised
from services.api.policy.hours import Overrides, add_working_time
from services.api.policy.model import AssignmentRule, Calendar, EscalationPolicy, Timer

Rule = TypeVar("Rule", AssignmentRule, EscalationPolicy)


def first_match(rules: Sequence[tuple[str, Rule]], facts: Facts) -> tuple[str, Rule] | None:
    """Return the first enabled rule, with its id, that is about an alert like this."""
    return next(((key, rule) for key, rule in rules if rule.is_enabled and matches(rule.match, facts)), None)


def decide_assignment(alert: Alert, rule: AssignmentRule, n_assigned: int, now: datetime) -> list[AlertEvent]:
    """Return the assignment to whoever's turn it is; nothing for an alert somebody has already."""
    if alert.assignee is not None or alert.is_closed or alert.is_held_out:
        return []
    assignee = rule.assignees[n_assigned % len(rule.assignees)]
    return [Assigned(at=now, actor=POLICY, assignee=assignee, note=rule.name)]


def decide_promise(
    alert: Alert,
    policy_id: str,
    policy: EscalationPolicy,
    calendars: Mapping[str, Calendar],
    overrides: Overrides,
    now: datetime,
) -> tuple[list[AlertEvent], list[Timer]]:
    """Return what is promised about the alert from now on, and when to look whether it was kept."""
    if alert.is_closed or alert.is_held_out:
        return [], []
    calendar = calendars.get(policy.calendar_id) if policy.calendar_id else None

    def due(minutes: int) -> datetime:
        if calendar is None:
            return now + timedelta(minutes=minutes)
        return add_working_time(now, minutes, calendar, overrides)

    acknowledge, resolve = policy.acknowledge_within_minutes, policy.resolve_within_minutes
    acknowledge_due = None if acknowledge is None else due(acknowledge)
    resolve_due = None if resolve is None else due(resolve)
    timers = []
    if acknowledge_due is not None:
        timers.append(_timer(alert, policy_id, "acknowledge", 0, acknowledge_due))
    if resolve_due is not None:
        timers.append(_timer(alert, policy_id, "resolve", 0, resolve_due))
    for number, step in enumerate(policy.steps):
        timers.append(_timer(alert, policy_id, "step", number, due(step.after_minutes)))
    if acknowledge_due is None and resolve_due is None:
        return [], timers
    promised = Promised(
        at=now, actor=POLICY, policy=policy.name, acknowledge_due_at=acknowledge_due, resolve_due_at=resolve_due
    )
    return [promised], timers


def decide_timer(
    alert: Alert, timer: Timer, policy: EscalationPolicy | None, now: datetime
) -> tuple[list[AlertEvent], datetime | None]:
    """Return what a timer that is due does to the alert, and until when it is put off instead (a snooze holds it)."""
    if alert.is_closed or alert.is_held_out:
        return [], None
    if alert.status == "snoozed" and alert.snoozed_until is not None and alert.snoozed_until > now:
        return [], alert.snoozed_until
    if timer.kind != "step":
        is_kept = timer.kind == "acknowledge" and alert.acknowledged_at is not None
        return ([] if is_kept else [Breached(at=now, actor=POLICY, promise=timer.kind)]), None
    if policy is None or not policy.is_enabled or timer.step >= len(policy.steps):
        return [], None
    step = policy.steps[timer.step]
    happened = {"acknowledged": alert.acknowledged_at is not None, "contacted": alert.n_contacts > 0, "closed": False}
    if happened[step.unless]:
        return [], None
    note = f"{policy.name}: not {step.unless} within {step.after_minutes} min"
    events: list[AlertEvent] = [Escalated(at=now, actor=POLICY, level=alert.escalation_level + 1, note=note)]
    if step.assign_to is not None and step.assign_to != alert.assignee:
        events.append(Assigned(at=now, actor=POLICY, assignee=step.assign_to, note=policy.name))
    return events, None


def _timer(alert: Alert, policy_id: str, kind: str, step: int, due_at: datetime) -> Timer:
    return Timer(
        alert_id=alert.alert_id,
        customer_id=alert.customer_id,
        kind=kind,  # type: ignore[arg-type]  # one of the three literals above
        step=step,
        policy_id=policy_id,
        due_at=due_at,
    )
