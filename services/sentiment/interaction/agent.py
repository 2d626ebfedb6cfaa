"""The sentiment processor: interactions in, enriched interactions and engagement out."""

from collections.abc import Sequence

from msgspec import Raw, Struct

from services.sentiment.engagement.counters import engagement, fold, is_known, observe
from services.sentiment.engagement.model import EngagementState
from services.sentiment.engagement.state import decode_state, encode_state
from services.sentiment.interaction.backend import Backend
from services.sentiment.interaction.decide import judged_text
from shared.clock import to_ms
from shared.contracts.codec import decode_event, encode
from shared.contracts.enriched import Engagement, Origin, Sentiment
from shared.contracts.event import CustomerErased, EventBase
from shared.errors import Reject
from shared.kafka.processor import NEVER_WAKES, ControlView, Decisions, Headers, Input, Output, StateView
from shared.topics import ENGAGEMENT, ENRICHED, INTERACTIONS, Topic

_SCHEMA = ("schema", ENRICHED.schema.encode())


class _Spliced(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="event.enriched"):
    """An EnrichedEvent whose event is the very bytes that were read."""

    event: Raw
    engagement: Engagement
    origin: Origin
    sentiment: Sentiment | None = None


class SentimentProcessor:
    """Judges a run's texts in one call; keeps engagement per customer; drops events the customer's state knows."""

    name = "sentiment"
    input_topic = INTERACTIONS
    state_topic = ENGAGEMENT
    output_topics: Sequence[Topic] = (ENRICHED,)
    forward_controls_to: Topic | None = ENRICHED
    shortest_wake_ms = NEVER_WAKES

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def decode(self, value: bytes) -> EventBase:
        """Raises `Reject` for anything ingest would not have written."""
        event = decode_event(value)
        if event.customer.id is None:
            raise Reject("needs the customer's id, which ingest sets", "/customer/id")
        return event

    def event_time_ms(self, event: EventBase) -> int:
        return to_ms(event.occurred_at)

    def encode_state(self, state: EngagementState) -> bytes:
        return encode_state(state)

    def decode_state(self, value: bytes) -> EngagementState:
        return decode_state(value)

    def decide(
        self, states: StateView[EngagementState], inputs: Sequence[Input[EventBase]], controls: ControlView
    ) -> Decisions[EngagementState]:
        """Return one enriched event for each input that is new, and the engagement it leads to."""
        del controls
        sentiments = self._judge(inputs)
        decisions: Decisions[EngagementState] = Decisions()
        known, publish = decisions.states, decisions.outputs.append
        for one, sentiment in zip(inputs, sentiments, strict=True):
            key = one.key
            state = known[key] if key in known else states.get(key)
            seen = observe(one.event, sentiment)
            if is_known(state, seen):
                continue
            folded = fold(state, seen)
            known[key] = None if isinstance(one.event, CustomerErased) else folded
            enriched = _Spliced(
                event=Raw(one.raw),
                engagement=engagement(folded),
                origin=Origin(one.partition, one.offset),
                sentiment=sentiment,
            )
            publish(Output(ENRICHED, key, encode(enriched), _headers(one.headers)))
        return decisions

    def wake(
        self, states: StateView[EngagementState], keys: Sequence[str], due_ms: int, controls: ControlView
    ) -> Decisions[EngagementState]:
        """Nothing here waits for time."""
        del states, keys, due_ms, controls
        return Decisions()

    def _judge(self, inputs: Sequence[Input[EventBase]]) -> list[Sentiment | None]:
        texts = [judged_text(one.event) for one in inputs]
        with_text = [index for index, text in enumerate(texts) if text]
        judged: list[Sentiment | None] = [None] * len(texts)
        for index, sentiment in zip(with_text, self._backend.analyse([texts[i] for i in with_text]), strict=True):
            judged[index] = sentiment
        return judged


def _headers(headers: Headers) -> Headers:
    return [*(header for header in headers if header[0] != "schema"), _SCHEMA]
