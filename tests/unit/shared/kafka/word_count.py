from collections.abc import Sequence
from datetime import timedelta

import msgspec

from shared.errors import Reject
from shared.kafka.processor import NEVER_WAKES, ControlView, Decisions, Input, Output, StateView
from shared.topics import Topic

WORDS = Topic("words", "word", "word/1", "delete", timedelta(days=7), ("anyone",), ("word-count",))
COUNTS = Topic("counts", "word", "count/1", "delete", timedelta(days=7), ("word-count",), ("anyone",))
STATE = Topic("word-count.state", "word", "word-count-state/1", "compact", None, ("word-count",), ("word-count",))


class WordCount:
    name, input_topic, state_topic, shortest_wake_ms = "word-count", WORDS, STATE, NEVER_WAKES
    output_topics: Sequence[Topic] = (COUNTS,)
    forward_controls_to: Topic | None = None

    def decode(self, value: bytes) -> int:
        try:
            return msgspec.json.decode(value, type=int)  # when the word was seen, in ms since 1970
        except msgspec.DecodeError as error:
            raise Reject(f"not an instant: {error}") from error

    def event_time_ms(self, event: int) -> int:
        return event

    def encode_state(self, state: int) -> bytes:
        return b"%d" % state

    def decode_state(self, value: bytes) -> int:
        return int(value)

    def decide(self, states: StateView[int], inputs: Sequence[Input[int]], controls: ControlView) -> Decisions[int]:
        decisions: Decisions[int] = Decisions()
        for one in inputs:
            n = (decisions.states.get(one.key) or states.get(one.key) or 0) + 1
            decisions.states[one.key] = n
            decisions.outputs.append(Output(COUNTS, one.key, b"%d" % n))
        return decisions

    def wake(self, states: StateView[int], keys: Sequence[str], due_ms: int, controls: ControlView) -> Decisions[int]:
        return Decisions()
