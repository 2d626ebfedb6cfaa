"""The surface a processor is written against: pure decisions over one partition's log. No Kafka here.

A processor names its topics, decodes records, and decides. The worker (shared/kafka/worker.py) does everything else:
it cuts a fetched batch into runs, fires due timers between them, publishes, stores states with their fence, commits.

Promises of the worker to a processor, for each partition:
- inputs come in offset order; a key's input at or below the key's fence is never shown again;
- `decide` gets a run of inputs during which no timer is due and no control record stands;
- timers due at an instant are handed to `wake` together (in several calls when they are very many), before any input
  that is later in event time, once; a timer set in the past fires at the next record;
- `in_force(name, at_ms)` answers from control records alone: the highest version whose `in_force_at` has come.

Promises of a processor to the worker:
- it reads no clock, no random number, no other service; a state is a value (never changed in place);
- the result does not depend on how the log is cut into runs or batches; keys do not see each other;
- `decide` asks for no wake-up earlier than `now_ms + shortest_wake_ms` of the input that asks, and `wake` only for
  instants later than its `due_ms`. The worker cuts runs shorter than `shortest_wake_ms` of event time, so that a timer
  set inside a run cannot have been due inside it: 0 is always right and makes every run one input long, a processor
  without timers says `NEVER_WAKES`, one with timers days ahead says an hour or a day (and moves a wake-up that would be
  sooner, or in the past, to `now_ms + shortest_wake_ms`). Wake-ups rounded up to a common instant (the hour, the day)
  come in few large `wake` calls and cut runs rarely.

A processor that decides input by input may say `longest_run`, the most inputs of one call: 256 of them stay in a core's
cache with their events, states and outputs, 3,000 do not and cost up to a third more each. One that decides them
together, as whole columns, says nothing: each call has a price of its own.

An exception out of `decide`, `wake` or `decode` dead-letters the one input that causes it (found by deciding the run
again input by input), so a batch-wide failure costs time and loses nothing. A control record has no Kafka key.

`Input`, `Output`, `Control` and `Decisions` are msgspec Structs: frozen dataclasses cost ten times as much, 2 µs a
record.
"""

from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from msgspec import Struct, field

from shared.errors import Reject
from shared.topics import Topic

E = TypeVar("E")
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)

Headers = Sequence[tuple[str, bytes]]

NEVER_WAKES: Final = 1 << 62


class Input(Struct, Generic[E], frozen=True, gc=False):
    """One decoded record. `at_ms` is its own time, `now_ms` the partition's watermark after it, in ms since 1970.

    `raw` is the record's value as it was read, for processors that splice it into their output.
    """

    key: str
    event: E
    at_ms: int
    now_ms: int
    partition: int
    offset: int
    headers: Headers
    raw: bytes


class Output(Struct, frozen=True, gc=False):
    """One record to publish; `value` None is a tombstone, for compacted topics.

    It goes to the partition its input came from; where the topic is not partitioned by customer, or `is_rerouted` is
    set (a state sent to another customer's key), to the partition of `key`.
    """

    topic: Topic
    key: str
    value: bytes | None
    headers: Headers = ()
    is_rerouted: bool = False


class Decisions(Struct, Generic[S]):
    """What a processor decided, in order. The worker performs it: outputs first, then states with wake-up times.

    `states[key] = None` erases the key's state (a tombstone). `wake_at_ms[key] = None` cancels the key's timer;
    a key that is not in `wake_at_ms` keeps the timer it has (a timer that fired is gone). A key has one timer.
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
        """Return the generation of `name` ("rules" or a model's name) in force at an event time, if any was."""
        ...


class Control(Struct, frozen=True):
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
    # The least event time, in ms, between an input and a wake-up that `decide` asks for; NEVER_WAKES without timers.
    shortest_wake_ms: int

    def decode(self, value: bytes) -> E:
        """Return the event; raises `Reject`, which dead-letters the record."""
        ...

    def event_time_ms(self, event: E) -> int:
        """Return the event's own time; the watermark is the greatest seen."""
        ...

    def encode_state(self, state: S) -> bytes:
        """Return the state as JSON."""
        ...

    def decode_state(self, value: bytes) -> S: ...

    def decide(self, states: StateView[S], inputs: Sequence[Input[E]], controls: ControlView) -> Decisions[S]:
        """Return what follows from a run of inputs, in order."""
        ...

    def wake(self, states: StateView[S], keys: Sequence[str], due_ms: int, controls: ControlView) -> Decisions[S]:
        """Return what follows for the keys (sorted) whose timer was due at `due_ms`; stamp decisions with `due_ms`."""
        ...
