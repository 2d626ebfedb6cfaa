"""The alert's life as a state machine: two operators with their own view, an engine, and a network that repeats."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.api.alert.decide import CommandError, ConflictError, decide, decide_record, decide_time, fold, replay
from services.api.alert.model import (
    CLOSED_STATUSES,
    SEVERITIES,
    SEVERITY_RANK,
    Acknowledge,
    Alert,
    AlertEvent,
    Assign,
    Comment,
    Contact,
    Escalate,
    Reopen,
    Resolve,
    Snooze,
)
from shared.contracts.alert import AlertRecord
from tests.factories.records import NOON, cleared, raised, updated

OPERATORS = ("ann", "bob")
commands = st.one_of(
    st.just(Acknowledge()),
    st.builds(Assign, st.sampled_from([None, *OPERATORS])),
    st.just("snooze"),
    st.just(Escalate()),
    st.just(Contact("phone")),
    st.builds(Resolve, st.sampled_from(["saved", "lost", "false_alarm"])),
    st.just(Reopen()),
    st.just(Comment("hm")),
)


class AlertLife(RuleBasedStateMachine):
    """What the API does to one alert, without the API."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.alert: Alert | None = None
        self.events: list[AlertEvent] = []
        self.records: list[AlertRecord] = []
        self.seen: dict[str, int] = dict.fromkeys(OPERATORS, 0)

    @property
    def state(self) -> Alert:
        assert self.alert is not None
        return self.alert

    def append(self, events: list[AlertEvent]) -> None:
        for event in events:
            self.alert = fold(self.alert, event)
            self.events.append(event)

    def deliver(self, record: AlertRecord) -> None:
        self.append(decide_record(self.alert, record))

    @initialize(severity=st.sampled_from(SEVERITIES))
    def engine_raises(self, severity: str) -> None:
        self.records.append(raised("a1", severity=severity))
        self.deliver(self.records[-1])

    @rule(severity=st.sampled_from(SEVERITIES))
    def engine_updates(self, severity: str) -> None:
        before = self.state
        self.records.append(updated("a1", revision=len(self.records) + 1, severity=severity))
        self.deliver(self.records[-1])

        assert self.state.body == self.records[-1].body  # type: ignore[union-attr]  # an update has one
        if before.status == "snoozed" and before.snoozed_severity is not None:
            rose = SEVERITY_RANK[severity] > SEVERITY_RANK[before.snoozed_severity]  # type: ignore[index]  # sampled from them
            assert (self.state.status != "snoozed") == rose
        else:
            assert self.state.status == before.status

    @rule()
    def engine_clears(self) -> None:
        was_closed, resolution = self.state.is_closed, self.state.resolution
        self.records.append(cleared("a1", revision=len(self.records) + 1))
        self.deliver(self.records[-1])

        assert self.state.is_closed
        assert self.state.resolution == (resolution if was_closed else "returned")

    @rule(data=st.data())
    def network_redelivers_from_anywhere(self, data: st.DataObject) -> None:
        before = self.state
        for record in self.records[data.draw(st.integers(0, len(self.records) - 1)) :]:
            self.deliver(record)

        assert self.state == before

    @rule(operator=st.sampled_from(OPERATORS))
    def operator_looks(self, operator: str) -> None:
        self.seen[operator] = self.state.version

    @rule(operator=st.sampled_from(OPERATORS), command=commands, hours=st.integers(1, 100))
    def operator_acts_on_what_was_seen(self, operator: str, command: object, hours: int) -> None:
        before = self.state
        if self.seen[operator] != before.version:
            return  # 409 with the present state: nothing happens
        if command == "snooze":
            command = Snooze(self.now + timedelta(hours=hours))
        try:
            self.append(decide(before, command, operator, self.now))  # type: ignore[arg-type]  # drawn from commands
        except (ConflictError, CommandError):
            assert self.state == before
            return
        assert self.state.version == before.version + 1
        assert self.state.body == before.body
        if isinstance(command, Resolve):
            assert self.state.resolution == command.resolution
        self.seen[operator] = self.state.version

    @rule(hours=st.integers(1, 2_000))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.append(decide_time(self.state, self.now, timedelta(days=30)))

    @precondition(lambda self: self.alert is not None and self.alert.status in ("open", "acknowledged"))
    @rule()
    def an_open_alert_can_always_be_resolved(self) -> None:
        [event] = decide(self.state, Resolve("handled"), "ann", self.now)

        assert fold(self.state, event).status == "resolved"

    @invariant()
    def the_state_is_the_fold_of_its_events(self) -> None:
        assert replay(self.events) == self.alert
        assert self.alert is None or self.alert.version == len(self.events)

    @invariant()
    def what_belongs_to_a_status_is_there_exactly_then(self) -> None:
        if self.alert is not None:
            assert (self.alert.snoozed_until is not None) == (self.alert.status == "snoozed")
            assert (self.alert.resolved_at is not None) == (self.alert.status == "resolved")
            assert self.alert.is_closed == (self.alert.status in CLOSED_STATUSES)


AlertLife.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAlertLife = AlertLife.TestCase
