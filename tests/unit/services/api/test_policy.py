"""Policies: who gets an alert, working time with holidays and make-up days, promises, steps, routes, quiet hours."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.api.alert.decide import decide, decide_record, fold, replay
from services.api.alert.match import Customer, Facts, Match, facts_of, matches
from services.api.alert.model import POLICY, Acknowledge, Alert, Assigned, Breached, Escalated, Resolve, Snooze
from services.api.alert.routing import Receiver, Route, recipients
from services.api.notification.decide import quiet_until
from services.api.notification.model import QuietHours
from services.api.policy.decide import decide_assignment, decide_promise, decide_timer, first_match
from services.api.policy.hours import DayOverrides, add_working_time, check, is_working_day
from services.api.policy.model import AssignmentRule, Calendar, EscalationPolicy, EscalationStep, Hours, Timer
from shared.errors import Reject
from tests.factories.records import NOON, raised

HIGH = Facts(severity="high", cause="quality", tier="gold", expected_loss=120.0, channel="chat", language="zh")
DAY = [Hours("09:00", "12:00"), Hours("13:00", "18:00")]
SHANGHAI = Calendar(
    name="Shanghai",
    time_zone="Asia/Shanghai",
    country="CN",
    hours={"monday": DAY, "tuesday": DAY, "wednesday": DAY, "thursday": DAY, "friday": DAY},
)
STEPS = EscalationPolicy(
    name="critical",
    acknowledge_within_minutes=30,
    resolve_within_minutes=240,
    steps=[EscalationStep(60), EscalationStep(120, "contacted", "lead")],
)


def new_alert(**fields: Any) -> Alert:
    alert = replay(decide_record(None, raised("a1", **fields)))
    assert alert is not None
    return alert


def timer(kind: Any = "step", step: int = 0) -> Timer:
    return Timer(alert_id="a1", customer_id="c1", kind=kind, step=step, policy_id="es_1", due_at=NOON)


def after(alert: Alert, *commands: Any) -> Alert:
    for command in commands:
        for event in decide(alert, command, "li.na", NOON):
            alert = fold(alert, event)
    return alert


@pytest.mark.parametrize(
    ("match", "is_matched"),
    [
        (Match(), True),
        (Match(tiers=["gold"], channels=["chat"], languages=["zh"], severities=["high", "critical"]), True),
        (Match(tiers=["silver"]), False),
        (Match(tiers=["gold"], causes=["price"]), False),
        (Match(min_expected_loss=120.0), True),
        (Match(min_expected_loss=121.0), False),
    ],
)
def test_a_rule_matches_when_all_it_asks_holds(match: Match, is_matched: bool) -> None:
    assert matches(match, HIGH) is is_matched


def test_what_is_unknown_of_a_customer_answers_no_question() -> None:
    assert not matches(Match(channels=["chat"]), facts_of(new_alert(), Customer()))


def test_the_first_enabled_rule_that_matches_decides() -> None:
    off = AssignmentRule(name="off", assignees=["x"], is_enabled=False)
    other = AssignmentRule(name="other", assignees=["x"], match=Match(tiers=["new"]))
    mine = AssignmentRule(name="mine", assignees=["y"])

    assert first_match([("1", off), ("2", other), ("3", mine)], HIGH) == ("3", mine)


def test_assignees_take_turns() -> None:
    rule = AssignmentRule(name="all", assignees=["a", "b", "c"])

    given_to = [decide_assignment(new_alert(), rule, n, NOON)[0] for n in range(4)]

    assert [event.assignee for event in given_to if isinstance(event, Assigned)] == ["a", "b", "c", "a"]
    assert {event.actor for event in given_to} == {POLICY}


def test_an_alert_somebody_has_or_that_is_held_out_is_not_assigned() -> None:
    rule = AssignmentRule(name="all", assignees=["a"])

    assert decide_assignment(replace(new_alert(), assignee="z"), rule, 0, NOON) == []
    assert decide_assignment(replace(new_alert(), is_held_out=True), rule, 0, NOON) == []


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        ("2026-03-03T10:00", 60, "2026-03-03T11:00"),
        ("2026-03-03T11:30", 60, "2026-03-03T13:30"),  # over lunch
        ("2026-03-03T20:00", 30, "2026-03-04T09:30"),  # after work
        ("2026-03-06T17:45", 30, "2026-03-09T09:15"),  # over a weekend
        ("2026-03-03T09:00", 480, "2026-03-03T18:00"),  # exactly a day
        # Spring Festival 2026: off 15 to 23 February, made up for on Saturday the 14th and Saturday the 28th.
        ("2026-02-13T17:30", 60, "2026-02-14T09:30"),
        ("2026-02-14T17:30", 60, "2026-02-24T09:30"),
    ],
)
def test_working_time_leaves_out_rest_and_counts_make_up_days(start: str, minutes: int, expected: str) -> None:
    assert add_working_time(local(start), minutes, SHANGHAI, {}) == local(expected)


def test_a_companys_own_days_overrule_the_table() -> None:
    own = replace(SHANGHAI, days_off=[date(2026, 3, 3)], working_days=[date(2026, 3, 7)])

    assert not is_working_day(date(2026, 3, 3), own, {})
    assert is_working_day(date(2026, 3, 7), own, {})


def test_days_that_were_announced_late_come_from_the_overrides() -> None:
    overrides = {"CN": DayOverrides(days_off=[date(2026, 3, 4)], working_days=[date(2026, 3, 8)])}

    assert not is_working_day(date(2026, 3, 4), SHANGHAI, overrides)
    assert is_working_day(date(2026, 3, 8), SHANGHAI, overrides)


def test_working_time_keeps_to_the_clock_on_the_wall_when_it_is_put_forward() -> None:
    new_york = Calendar(name="NY", time_zone="America/New_York", hours={"sunday": [Hours("00:00", "24:00")]})
    start = datetime(2026, 3, 8, 5, tzinfo=UTC)  # midnight; at two the clocks go to three

    assert add_working_time(start, 23 * 60, new_york, {}) == datetime(2026, 3, 9, 4, tzinfo=UTC)


@given(first=st.integers(1, 3_000), second=st.integers(1, 3_000), hour=st.integers(0, 24 * 40))
def test_working_time_adds_up(first: int, second: int, hour: int) -> None:
    start = NOON + timedelta(hours=hour)

    in_two_steps = add_working_time(add_working_time(start, first, SHANGHAI, {}), second, SHANGHAI, {})

    assert in_two_steps == add_working_time(start, first + second, SHANGHAI, {})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"country": "XX"}, "/country"),
        ({"subdivision": "ZZ"}, "/subdivision"),
        ({"hours": {}}, "/hours"),
        ({"hours": {"monday": [Hours("18:00", "09:00")]}}, "/hours/monday"),
    ],
)
def test_a_calendar_without_sense_is_refused_where_it_is_wrong(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Reject) as caught:
        check(replace(SHANGHAI, **change))

    assert caught.value.pointer == pointer


def test_a_promise_names_its_instants_and_sets_a_timer_for_each() -> None:
    [promised], timers = decide_promise(new_alert(), "es_1", STEPS, {}, {}, NOON)
    alert = fold(new_alert(), promised)

    assert alert.acknowledge_due_at == NOON + timedelta(minutes=30)
    assert alert.resolve_due_at == NOON + timedelta(minutes=240)
    assert [(t.kind, t.step) for t in timers] == [("acknowledge", 0), ("resolve", 0), ("step", 0), ("step", 1)]


def test_an_unkept_promise_is_an_event_and_a_kept_one_is_not() -> None:
    alert = new_alert()

    [breach], _ = decide_timer(alert, timer("acknowledge"), STEPS, NOON)

    assert fold(alert, breach).breached == ("acknowledge",)
    assert decide_timer(after(alert, Acknowledge()), timer("acknowledge"), STEPS, NOON) == ([], None)
    assert isinstance(decide_timer(after(alert, Acknowledge()), timer("resolve"), STEPS, NOON)[0][0], Breached)


def test_a_step_escalates_and_hands_over_unless_somebody_acted() -> None:
    alert = after(new_alert(), Acknowledge())

    events, _ = decide_timer(alert, timer(step=1), STEPS, NOON)

    assert [type(event) for event in events] == [Escalated, Assigned]
    assert decide_timer(alert, timer(step=0), STEPS, NOON) == ([], None)
    assert decide_timer(after(alert, Resolve("handled")), timer(step=1), STEPS, NOON) == ([], None)


def test_a_snooze_holds_a_timer_until_it_ends() -> None:
    until = NOON + timedelta(hours=3)

    assert decide_timer(after(new_alert(), Snooze(until)), timer(), STEPS, NOON) == ([], until)


def test_a_removed_policys_steps_do_nothing() -> None:
    assert decide_timer(new_alert(), timer(), None, NOON) == ([], None)
    assert decide_timer(new_alert(), timer(), replace(STEPS, is_enabled=False), NOON) == ([], None)


def test_an_endpoint_that_rules_name_is_told_only_what_one_of_them_lets_through() -> None:
    receivers = [Receiver(id="all"), Receiver(id="routed"), Receiver(id="low", severities=["low"])]
    routes = [Route(match=Match(causes=["price"]), endpoint_ids=["routed"])]

    assert recipients(receivers, routes, "alert.raised", HIGH, is_held_out=False) == ["all"]
    assert recipients(receivers, [], "alert.raised", HIGH, is_held_out=False) == ["all", "routed"]


def test_what_is_held_out_reaches_only_those_who_asked_for_it() -> None:
    receivers = [Receiver(id="people"), Receiver(id="machine", includes_held_out=True)]

    assert recipients(receivers, [], "alert.raised", HIGH, is_held_out=True) == ["machine"]


QUIET = QuietHours(time_zone="Asia/Shanghai", start="22:00", end="08:00")


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-03-03T23:00", "2026-03-04T08:00"),
        ("2026-03-04T03:00", "2026-03-04T08:00"),
        ("2026-03-04T08:00", None),
        ("2026-03-04T12:00", None),
        ("2026-03-04T22:00", "2026-03-05T08:00"),
    ],
)
def test_quiet_hours_end_in_the_morning(now: str, ends: str | None) -> None:
    assert quiet_until(QUIET, ["high"], local(now)) == (None if ends is None else local(ends))


def test_a_critical_alert_breaks_the_quiet() -> None:
    assert quiet_until(QUIET, ["low", "critical"], local("2026-03-03T23:00")) is None
    assert quiet_until(None, ["low"], local("2026-03-03T23:00")) is None


def test_quiet_hours_end_in_the_future_also_in_the_hour_that_comes_twice() -> None:
    quiet = QuietHours(time_zone="Europe/Berlin", start="22:00", end="02:30")
    second_quarter_past_two = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)

    assert quiet_until(quiet, ["low"], second_quarter_past_two) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
