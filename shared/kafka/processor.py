"""The surface a processor is written against: pure decisions over one partition's log. No Kafka here.

A processor names its topics, decodes records, and decides. The worker (shared/kafka/worker.py) does everything else:
it cuts a fetched batch into runs, fires due timers between them, publishes, stores states with their fence, commits.

Promises of the worker to a processor, for each partition:
- inputs come in offset order; a key's input at or below the key's fence is never shown again;
- `decide` gets a run of inputs during which no timer is due and no control record stands;
- timers due at an instant are handed to `wake` together, before any input that is later in event time, once;
- `in_force(name, at_ms)` answers from control records alone.

Promises of a processor to the worker:
- it reads no clock, no random number, no other service; a state is a value (never changed in place);
- the result does not depend on how the log is cut into runs or batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from shared.errors import Reject
from shared.topics import Topic

E = TypeVar("E")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Input(Generic[E]):
    """One decoded record. `now_ms` is the partition's watermark after it, in milliseconds since 1970.

    `raw` is the record's value as it was read, for processors that splice it into their output.
    """

    key: str
    event: E
    now_ms: int
    partition: int
    offset: int
    headers: Headers
    raw: bytes


@dataclass(frozen=True, slots=True)
class Output:
    topic: Topic
    key: str
    value: bytes
    headers: Headers = ()


@dataclass(slots=True)
class Decisions(Generic[S]):
    """What a processor decided, in order. The worker performs it: outputs first, then states with wake-up times.

    `states[key] = None` erases the key's state (a tombstone). `wake_at_ms[key] = None` cancels the key's timer;
    a key that is not in `wake_at_ms` keeps the timer it has. A key has one timer.
    A rejected input goes to dead-letters.
    """

    outputs: list[Output] = field(default_factory=list)
    states: dict[str, S | None] = field(default_factory=dict)
    wake_at_ms: dict[str, int | None] = field(default_factory=dict)
    rejects: list[tuple[Input[Any], Reject]] = field(default_factory=list)


class StateView(Protocol[S_co]):
    """The partition's states as of now, decoded on first touch."""

    def get(self, key: str) -> S_co | None: ...


class ControlView(Protocol):
    """The control records of the partition: newest generation of each name whose `in_force_at` has come."""

    def in_force(self, name: str, at_ms: int) -> "Control | None":
        """Return the generation of `name` ("rules" or a model's name) in force at an event time, if any."""
        ...


@dataclass(frozen=True, slots=True)
class Control:
    name: str
    version: int
    in_force_at_ms: int
    document: dict[str, Any]


class Processor(Protocol[E, S]):
    """One stage of the stream. See docs/howto/write-a-processor.md."""

    name: str
    input_topic: Topic
    state_topic: Topic
    output_topics: Sequence[Topic]
    # Control records read from the input topic are passed on, in order, to this topic (same partition), or nowhere.
    forward_controls_to: Topic | None

    def decode(self, value: bytes) -> E:
        """Return the event; raises `Reject`, which dead-letters the record."""
        ...

    def event_time_ms(self, event: E) -> int:
        """Return the event's own time; the watermark is the greatest seen."""
        ...

    def encode_state(self, state: S) -> bytes: ...

    def decode_state(self, value: bytes) -> S: ...

    def decide(self, states: StateView[S], inputs: Sequence[Input[E]], controls: ControlView) -> Decisions[S]:
        """Return what follows from a run of inputs, in order."""
        ...

    def wake(self, states: StateView[S], keys: Sequence[str], due_ms: int, controls: ControlView) -> Decisions[S]:
        """Return what follows for the keys (sorted) whose timer was due at `due_ms`; stamp decisions with `due_ms`."""
        ...
