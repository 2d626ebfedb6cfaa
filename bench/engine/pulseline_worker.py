"""Work W1 as a processor of ours, run by the worker as a service runs it."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any

from prometheus_client import CollectorRegistry

from bench.peers.work import count, decode, encode, enrich
from shared import event_loop
from shared.clock import SystemClock
from shared.kafka.processor import NEVER_WAKES, ControlView, Decisions, Input, Output, StateView
from shared.kafka.worker import WorkerSettings, run_worker
from shared.topics import Topic

State = dict[str, Any]
EVENTS = Topic("events", "customer", "event/1", "delete", timedelta(days=1), (), ())


class Counting:
    """Work W1."""

    input_topic = EVENTS
    forward_controls_to: Topic | None = None
    shortest_wake_ms = NEVER_WAKES
    longest_run = 256

    def __init__(self, name: str, sink: str, changelog: str) -> None:
        self.name = name
        self._sink = Topic(sink, "customer", "enriched/1", "delete", timedelta(days=1), (), ())
        self.output_topics: Sequence[Topic] = (self._sink,)
        self.state_topic = Topic(changelog, "customer", "counters/1", "compact", None, (), ())

    # The codec's own functions, as the other engines call them: a method around each takes 50 ns of every event.
    decode: Any = staticmethod(decode)
    event_time_ms: Any = staticmethod(itemgetter("at_ms"))
    encode_state: Any = staticmethod(encode)
    decode_state: Any = staticmethod(decode)

    def decide(
        self, states: StateView[State], inputs: Sequence[Input[State]], _controls: ControlView
    ) -> Decisions[State]:
        touched: dict[str, State | None] = {}
        outputs: list[Output] = []
        sink, get = self._sink, states.get
        for one in inputs:
            key = one.key
            counted: State = count(touched.get(key) or get(key), one.event)
            touched[key] = counted
            outputs.append(Output(sink, key, enrich(one.event, counted)))
        return Decisions(outputs=outputs, states=touched)

    def wake(
        self, _states: StateView[State], _keys: Sequence[str], _due_ms: int, _controls: ControlView
    ) -> Decisions[State]:
        return Decisions()


if __name__ == "__main__":
    bootstrap, source, sink, changelog, group = sys.argv[1:]
    EVENTS = Topic(source, "customer", "event/1", "delete", timedelta(days=1), (), ())
    Counting.input_topic = EVENTS
    worker = run_worker(Counting(group, sink, changelog), WorkerSettings(bootstrap), CollectorRegistry(), SystemClock())
    event_loop.run(worker)
