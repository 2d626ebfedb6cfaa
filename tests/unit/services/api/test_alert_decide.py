"""The alert's life, fact by fact; the state machine over it is in tests/property/api."""

from datetime import timedelta

import pytest

from services.api.alert.decide import CommandError, ConflictError, decide, decide_record, decide_time, fold, replay
from services.api.alert.model import (
    Acknowledge,
    Alert,
    AlertEvent,
    Assign,
    Command,
    Comment,
    Contact,
    Escalate,
    Reopen,
    Resolve,
    Snooze,
)
from shared.contracts.alert import AlertRecord
from tests.factories.records import NOON, cleared, raised, updated

LATER = NOON + timedelta(hours=1)


def live(*steps: AlertRecord | Command) -> tuple[Alert, list[AlertEvent]]:
    """Return the alert after records and commands, and its events."""
    alert: Alert | None = None
    events: list[AlertEvent] = []
    for step in steps:
        if isinstance(step, AlertRecord):
            new = decide_record(alert, step)
        else:
            assert alert is not None
            new = decide(alert, step, "ann", LATER)
        for event in new:
            alert = fold(alert, event)
            events.append(event)
    assert alert is not None
    return alert, events


def test_a_duplicate_raise_changes_nothing() -> None:
    alert, _ = live(raised("a1"), Acknowledge())

    assert decide_record(alert, raised("a1")) == []


def test_acknowledging_keeps_the_evidence() -> None:
    before, _ = live(raised("a1"))

    after, _ = live(raised("a1"), Acknowledge())

    assert after.status == "acknowledged"
    assert after.body == before.body


def test_a_snooze_survives_new_evidence() -> None:
    alert, _ = live(raised("a1"), Snooze(LATER + timedelta(days=1)), updated("a1"))

    assert alert.status == "snoozed"
    assert alert.source_revision == 2


@pytest.mark.parametrize(("first", "status"), [((), "open"), ((Acknowledge(),), "acknowledged")])
def test_a_snooze_ends_when_severity_rises(first: tuple[Command, ...], status: str) -> None:
    alert, _ = live(raised("a1"), *first, Snooze(LATER + timedelta(days=1)), updated("a1", severity="critical"))

    assert alert.status == status
    assert alert.snoozed_until is None


def test_an_acknowledged_alert_can_still_be_resolved() -> None:
    alert, _ = live(raised("a1"), Acknowledge(), Resolve("saved"))

    assert (alert.status, alert.resolution, alert.resolved_by) == ("resolved", "saved", "ann")


def test_a_purchase_resolves_an_alert_as_returned() -> None:
    alert, _ = live(raised("a1"), Acknowledge(), cleared("a1"))

    assert (alert.status, alert.resolution, alert.resolved_by) == ("resolved", "returned", "engine")


def test_a_closed_alert_keeps_the_way_it_was_closed() -> None:
    alert, _ = live(raised("a1"), Resolve("false_alarm"), cleared("a1"))

    assert alert.resolution == "false_alarm"
    assert alert.source_revision == 2


def test_a_clearance_that_was_seen_before_a_reopening_does_not_close_again() -> None:
    alert, _ = live(raised("a1"), Resolve("handled"), cleared("a1"), Reopen())

    assert decide_record(alert, cleared("a1")) == []
    assert alert.status == "open"


def test_a_clearance_of_an_alert_never_seen_says_nothing() -> None:
    assert decide_record(None, cleared("a1")) == []


def test_a_raise_with_news_reopens_a_closed_alert() -> None:
    alert, _ = live(raised("a1"), cleared("a1"), raised("a1", revision=3))

    assert (alert.status, alert.n_reopened, alert.resolution) == ("open", 1, None)


def test_an_update_whose_raise_is_lost_still_makes_an_alert() -> None:
    alert, _ = live(updated("a1", revision=5))

    assert (alert.status, alert.source_revision) == ("open", 5)


def test_live_evidence_brings_a_historical_alert_to_the_present() -> None:
    alert, _ = live(raised("a1", is_historical=True), updated("a1"))

    assert not alert.is_historical


@pytest.mark.parametrize(
    "command", [Acknowledge(), Assign("bob"), Snooze(LATER), Escalate(), Contact("phone"), Resolve("saved")]
)
def test_a_closed_alert_takes_nothing_but_reopening_and_comments(command: Command) -> None:
    alert, _ = live(raised("a1"), Resolve("saved"), Comment("done"))

    with pytest.raises(ConflictError):
        decide(alert, command, "bob", LATER)


@pytest.mark.parametrize("command", [Acknowledge(), Assign(None), Reopen()])
def test_a_command_that_would_change_nothing_is_a_conflict(command: Command) -> None:
    first = [] if isinstance(command, Assign | Reopen) else [command]
    alert, _ = live(raised("a1"), *first)

    with pytest.raises(ConflictError):
        decide(alert, command, "bob", LATER)


@pytest.mark.parametrize("distance", [timedelta(0), timedelta(seconds=-1), timedelta(days=91)])
def test_a_snooze_ends_in_the_near_future(distance: timedelta) -> None:
    alert, _ = live(raised("a1"))

    with pytest.raises(CommandError, match="future"):
        decide(alert, Snooze(LATER + distance), "ann", LATER)


def test_escalation_contact_and_comments_are_counted() -> None:
    alert, _ = live(raised("a1"), Escalate(), Escalate(), Contact("phone"), Comment("called"))

    assert (alert.escalation_level, alert.n_contacts, alert.n_comments, alert.status) == (2, 1, 1, "open")


def test_time_ends_a_snooze() -> None:
    alert, _ = live(raised("a1"), Acknowledge(), Snooze(LATER + timedelta(hours=1)))
    [event] = decide_time(alert, LATER + timedelta(hours=1), timedelta(days=30))

    assert fold(alert, event).status == "acknowledged"


def test_time_expires_an_alert_nobody_touches_but_not_a_snoozed_or_historical_one() -> None:
    month = timedelta(days=30)
    forgotten, _ = live(raised("a1"))
    snoozed, _ = live(raised("a2"), Snooze(LATER + timedelta(days=60)))
    historical, _ = live(raised("a3", is_historical=True))

    assert [type(event).__name__ for event in decide_time(forgotten, NOON + month, month)] == ["Expired"]
    assert decide_time(snoozed, LATER + month, month) == []
    assert decide_time(historical, LATER + month, month) == []


def test_the_state_is_the_fold_of_the_events() -> None:
    alert, events = live(raised("a1"), Assign("bob"), updated("a1"), Resolve("saved"), Reopen(), Comment("again"))

    assert replay(events) == alert
    assert alert.version == len(events) == 6


def test_a_life_starts_with_its_raise() -> None:
    _, events = live(raised("a1"), Acknowledge())

    with pytest.raises(ValueError, match="starts with"):
        replay(events[1:])
