"""Small processors that exercise every part of the engine's surface, and the records they read."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from shared.clock import from_ms
from shared.contracts.control import ClockTicked, RulesPublished
from shared.errors import Reject
from shared.kafka.processor import ControlView, Decisions, Input, Output, StateView
from shared.kafka.ticker import control_message
from shared.topics import DEAD_LETTERS, Topic
from tests.fakes.kafka import FakeRecord

WATCHED = Topic("watched", "key", "sighting/1", "delete", timedelta(days=1), ("test",), ("watch",))
NOTES = Topic("notes", "key", "note/1", "delete", timedelta(days=1), ("watch",), ("test",))
WATCH_STATE = Topic("watch.state", "key", "seen/1", "compact", None, ("watch",), ("watch",))
WATCH_TOPICS = (WATCHED, NOTES, WATCH_STATE, DEAD_LETTERS)


class Sighting(msgspec.Struct, frozen=True):
    """An event. `fault` makes the processor fail on it: "reject", "raise" or "huge"."""

    id: str
    at_ms: int
    fault: str = ""


class Seen(msgspec.Struct, frozen=True):
    """How often a key was seen, when last, and how many silences were noted since."""

    n: int = 0
    last_ms: int = 0
    n_silences: int = 0


class Note(msgspec.Struct, frozen=True):
    id: str
    at_ms: int
    seen: Seen
    rules_version: int = 0


class Watch:
    """Notes every sighting, and every silence of `patience_ms` up to three times; rules may change the patience."""

    name = "watch"
    input_topic = WATCHED
    state_topic = WATCH_STATE
    output_topics: Sequence[Topic] = (NOTES,)
    forward_controls_to: Topic | None = NOTES

    def __init__(self, patience_ms: int = 1_000, shortest_wake_ms: int = 100, longest_run: int = 0) -> None:
        self.patience_ms = patience_ms
        self.shortest_wake_ms = shortest_wake_ms
        self.longest_run = longest_run
        self.decided_runs: list[int] = []

    def decode(self, value: bytes) -> Sighting:
        try:
            return _sighting.decode(value)
        except msgspec.DecodeError as error:
            raise Reject(str(error)) from error

    def event_time_ms(self, event: Sighting) -> int:
        return event.at_ms

    def encode_state(self, state: Seen) -> bytes:
        return _encoder.encode(state)

    def decode_state(self, value: bytes) -> Seen:
        return _seen.decode(value)

    def decide(
        self, states: StateView[Seen], inputs: Sequence[Input[Sighting]], controls: ControlView
    ) -> Decisions[Seen]:
        self.decided_runs.append(len(inputs))
        decisions: Decisions[Seen] = Decisions()
        for one in inputs:
            if one.event.fault == "raise":
                raise RuntimeError("a bug in the processor")
            if one.event.fault == "reject":
                decisions.rejects.append((one, Reject("not this one", "/fault")))
                continue
            before = decisions.states.get(one.key) or states.get(one.key) or Seen()
            after = Seen(before.n + 1, max(before.last_ms, one.event.at_ms))
            decisions.states[one.key] = after
            wake_at_ms = after.last_ms + self._patience(one.now_ms, controls)
            decisions.wake_at_ms[one.key] = max(wake_at_ms, one.now_ms + self.shortest_wake_ms)
            note = _encoder.encode(Note(one.event.id, one.now_ms, after, self._version(one.now_ms, controls)))
            decisions.outputs.append(Output(NOTES, one.key, note + b" " * (1_000_000 * (one.event.fault == "huge"))))
        return decisions

    def wake(self, states: StateView[Seen], keys: Sequence[str], due_ms: int, controls: ControlView) -> Decisions[Seen]:
        decisions: Decisions[Seen] = Decisions()
        for key in keys:
            before = states.get(key) or Seen()
            after = Seen(before.n, before.last_ms, before.n_silences + 1)
            decisions.states[key] = after
            if after.n_silences < 3:
                decisions.wake_at_ms[key] = due_ms + self._patience(due_ms, controls)
            note = Note(f"{key}-silent-{due_ms}", due_ms, after, self._version(due_ms, controls))
            decisions.outputs.append(Output(NOTES, key, _encoder.encode(note)))
        return decisions

    def _patience(self, at_ms: int, controls: ControlView) -> int:
        rules = controls.in_force("rules", at_ms)
        return self.patience_ms if rules is None else int(rules.document["patience_ms"])

    def _version(self, at_ms: int, controls: ControlView) -> int:
        rules = controls.in_force("rules", at_ms)
        return 0 if rules is None else rules.version


def sighting(offset: int, key: str, at_ms: int, fault: str = "") -> FakeRecord:
    """Return the input record of a sighting; its id is its offset."""
    return FakeRecord(offset, key.encode(), _encoder.encode(Sighting(str(offset), at_ms, fault)))


def tick(offset: int, at_ms: int) -> FakeRecord:
    """Return the record of a tick."""
    _, value, headers, _ = control_message(ClockTicked(at=from_ms(at_ms)))
    return FakeRecord(offset, None, value, headers)


def rules(offset: int, version: int, in_force_at_ms: int, patience_ms: int) -> FakeRecord:
    """Return the record of a rules generation."""
    record = RulesPublished(version=version, in_force_at=from_ms(in_force_at_ms), rules={"patience_ms": patience_ms})
    _, value, headers, _ = control_message(record)
    return FakeRecord(offset, None, value, headers)


def note_of(value: bytes) -> Note:
    return _note.decode(value)


def seen_of(value: bytes) -> Seen:
    return _seen.decode(value)


_encoder = msgspec.json.Encoder()
_sighting = msgspec.json.Decoder(Sighting)
_seen = msgspec.json.Decoder(Seen)
_note = msgspec.json.Decoder(Note)
