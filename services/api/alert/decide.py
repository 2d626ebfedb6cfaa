"""What happens to an alert: pure decisions on records and commands, and the fold that gives the present state.

Rules (each has a test that names it): a duplicate record changes nothing; acknowledging keeps the evidence; a snooze
survives new evidence unless severity rises; an acknowledged alert can still be resolved; a closed alert stays closed
until somebody reopens it or the engine raises it anew.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce

from msgspec.structs import replace

from services.api.alert.holdout import is_held_out
from services.api.alert.model import (
    CLOCK,
    ENGINE,
    SEVERITY_RANK,
    Acknowledge,
    Acknowledged,
    Alert,
    AlertEvent,
    Assign,
    Assigned,
    Breached,
    Cleared,
    Command,
    Comment,
    Commented,
    Contact,
    Contacted,
    Escalate,
    Escalated,
    Expired,
    Promised,
    Raised,
    Reopen,
    Reopened,
    Resolve,
    Resolved,
    Snooze,
    Snoozed,
    Status,
    Updated,
    Woken,
)
from shared.contracts.alert import AlertBody, AlertCleared, AlertRaised, AlertRecord, AlertUpdated
from shared.errors import PulselineError

# A longer snooze is a forgotten alert: resolve it, or reopen it later.
LONGEST_SNOOZE = timedelta(days=90)


class ConflictError(PulselineError):
    """The alert's present state does not allow the command; look again and decide anew."""


class CommandError(PulselineError):
    """The command makes no sense in any state; `pointer` names the member of the request that is wrong."""

    def __init__(self, reason: str, pointer: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


def decide_record(alert: Alert | None, record: AlertRecord, holdout_ratio: float = 0.0) -> list[AlertEvent]:
    """Return what an engine record means for the alert: nothing at all when its revision is already included.

    `holdout_ratio` of the alerts, chosen by their ids, begin held out from action and stay so for life.
    """
    if alert is not None and record.revision <= alert.source_revision:
        return []
    match record:
        case AlertRaised() | AlertUpdated() if alert is None or isinstance(record, AlertRaised):
            is_out = is_held_out(record.alert_id, holdout_ratio) if alert is None else alert.is_held_out
            return [_raised(record, record.body, is_out)]
        case AlertUpdated():
            return [
                Updated(
                    at=record.at,
                    actor=ENGINE,
                    revision=record.revision,
                    rules_version=record.rules_version,
                    body=record.body,
                    is_historical=record.is_historical,
                )
            ]
        case AlertCleared() if alert is not None:
            return [Cleared(at=record.at, actor=ENGINE, revision=record.revision, reason=record.reason)]
        case _:
            # Cleared before it was ever seen: there is nothing to show yet.
            return []


def decide(alert: Alert, command: Command, actor: str, now: datetime) -> list[AlertEvent]:
    """Return the events of a person's command.

    Raises `ConflictError` when the state forbids it and `CommandError` when the command itself is wrong.
    """
    match command:
        case Comment(text):
            return [Commented(at=now, actor=actor, text=text)]
        case Reopen(note):
            if not alert.is_closed:
                raise ConflictError(f"the alert is {alert.status}, not closed")
            return [Reopened(at=now, actor=actor, note=note)]
        case _ if alert.is_closed:
            raise ConflictError(f"the alert is {alert.status}; reopen it first")
        case Acknowledge(note):
            if alert.status == "acknowledged":
                raise ConflictError(f"the alert is already acknowledged by {alert.acknowledged_by}")
            return [Acknowledged(at=now, actor=actor, note=note)]
        case Assign(assignee, note):
            if assignee == alert.assignee:
                raise ConflictError(f"the alert is already {_assigned_to(assignee)}")
            return [Assigned(at=now, actor=actor, assignee=assignee, note=note)]
        case Snooze(until, note):
            if not now < until <= now + LONGEST_SNOOZE:
                raise CommandError(f"must be in the future, at most {LONGEST_SNOOZE.days} days ahead", "/until")
            return [Snoozed(at=now, actor=actor, until=until, note=note)]
        case Escalate(note):
            return [Escalated(at=now, actor=actor, level=alert.escalation_level + 1, note=note)]
        case Contact(channel, note):
            return [Contacted(at=now, actor=actor, channel=channel, note=note)]
        case Resolve(resolution, note):
            return [Resolved(at=now, actor=actor, resolution=resolution, note=note)]


def decide_time(alert: Alert, now: datetime, expires_after: timedelta) -> list[AlertEvent]:
    """Return what the mere passing of time does: a snooze ends, an alert nobody touched expires.

    Alerts about imported history are left as the engine left them: they were never anybody's work.
    """
    if alert.status == "snoozed" and alert.snoozed_until is not None and alert.snoozed_until <= now:
        return [Woken(at=now, actor=CLOCK)]
    is_waiting = not alert.is_closed and alert.status != "snoozed" and not alert.is_historical
    if is_waiting and alert.updated_at + expires_after <= now:
        return [Expired(at=now, actor=CLOCK)]
    return []


def fold(alert: Alert | None, event: AlertEvent) -> Alert:
    """Return the state after one more event. Raises ValueError when a life does not start with its raise."""
    if alert is None:
        if not isinstance(event, Raised):
            raise ValueError(f"an alert's life starts with alert.raised, not {type(event).__name__}")
        return Alert(
            alert_id=event.alert_id,
            customer_id=event.customer_id,
            version=1,
            source_revision=event.revision,
            rules_version=event.rules_version,
            status="open",
            body=event.body,
            raised_at=event.at,
            updated_at=event.at,
            is_historical=event.is_historical,
            is_held_out=event.is_held_out,
            correlation_id=event.correlation_id,
        )
    after = _apply(alert, event)
    return replace(after, version=alert.version + 1, updated_at=max(alert.updated_at, event.at))


def replay(events: Iterable[AlertEvent]) -> Alert | None:
    """Return the state a whole life gives; None for no events."""
    return reduce(lambda alert, event: fold(alert, event), events, None)


def _apply(alert: Alert, event: AlertEvent) -> Alert:
    match event:
        case Raised():
            return _reopened(_with_evidence(alert, event)) if alert.is_closed else _with_evidence(alert, event)
        case Updated():
            return _with_evidence(alert, event)
        case Cleared():
            noted = replace(alert, source_revision=event.revision)
            if alert.is_closed:
                return noted
            return replace(
                _awake(noted, "resolved"), resolution=event.reason, resolved_at=event.at, resolved_by=event.actor
            )
        case Acknowledged():
            return replace(_awake(alert, "acknowledged"), acknowledged_at=event.at, acknowledged_by=event.actor)
        case Assigned():
            return replace(alert, assignee=event.assignee)
        case Snoozed():
            return replace(alert, status="snoozed", snoozed_until=event.until, snoozed_severity=alert.body.severity)
        case Woken():
            return _awake(alert, _status_awake(alert))
        case Escalated():
            return replace(alert, escalation_level=event.level, escalated_at=event.at)
        case Contacted():
            return replace(alert, n_contacts=alert.n_contacts + 1, contacted_at=event.at)
        case Resolved():
            return replace(
                _awake(alert, "resolved"), resolution=event.resolution, resolved_at=event.at, resolved_by=event.actor
            )
        case Reopened():
            return _reopened(alert)
        case Expired():
            return _awake(alert, "expired")
        case Commented():
            return replace(alert, n_comments=alert.n_comments + 1)
        case Promised():
            return replace(
                alert,
                acknowledge_due_at=event.acknowledge_due_at,
                resolve_due_at=event.resolve_due_at,
                breached=(),
            )
        case Breached():
            return replace(alert, breached=(*alert.breached, event.promise))


def _raised(record: AlertRaised | AlertUpdated, body: AlertBody, is_out: bool) -> Raised:
    return Raised(
        at=record.at,
        actor=ENGINE,
        alert_id=record.alert_id,
        customer_id=record.customer_id,
        revision=record.revision,
        rules_version=record.rules_version,
        body=body,
        is_historical=record.is_historical,
        is_held_out=is_out,
        correlation_id=record.correlation_id,
    )


def _with_evidence(alert: Alert, event: Raised | Updated) -> Alert:
    after = replace(
        alert,
        source_revision=event.revision,
        rules_version=event.rules_version,
        body=event.body,
        # Live evidence makes an alert from imported history a present one, never the other way round.
        is_historical=alert.is_historical and event.is_historical,
    )
    if (
        alert.status == "snoozed"
        and alert.snoozed_severity is not None
        and SEVERITY_RANK[event.body.severity] > SEVERITY_RANK[alert.snoozed_severity]
    ):
        return _awake(after, _status_awake(alert))
    return after


def _reopened(alert: Alert) -> Alert:
    return replace(
        alert,
        status="open",
        resolution=None,
        resolved_at=None,
        resolved_by=None,
        acknowledged_at=None,
        acknowledged_by=None,
        n_reopened=alert.n_reopened + 1,
    )


def _awake(alert: Alert, status: Status) -> Alert:
    return replace(alert, status=status, snoozed_until=None, snoozed_severity=None)


def _status_awake(alert: Alert) -> Status:
    return "open" if alert.acknowledged_at is None else "acknowledged"


def _assigned_to(assignee: str | None) -> str:
    return "unassigned" if assignee is None else f"assigned to {assignee}"
