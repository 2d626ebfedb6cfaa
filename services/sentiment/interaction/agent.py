"""The sentiment processor: interactions in; enriched interactions, engagement and identities out."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from services.sentiment.engagement.counters import observe
from services.sentiment.engagement.model import EngagementState, Observation
from services.sentiment.engagement.state import decode_state
from services.sentiment.engagement.tally import Tally, engagement
from services.sentiment.identity.decide import claims, erase, erasure_of, hear, merged_by_company, new_customer, whole
from services.sentiment.identity.model import Effect, Notice, Post, Step
from services.sentiment.interaction.backend import Backend
from services.sentiment.interaction.decide import judged_text
from shared.clock import to_ms
from shared.contracts.codec import decode_json, encode
from shared.contracts.enriched import Engagement, Origin, Sentiment
from shared.contracts.event import Customer, CustomerErased, CustomerMerged, Event, EventBase
from shared.contracts.identity import HandleOwner, HistoryErased, Hop, IdentityCommand
from shared.errors import Reject
from shared.kafka.processor import NEVER_WAKES, ControlView, Decisions, Headers, Input, Output, StateView
from shared.links import (
    AWAITED_HEADER,
    LINKED_ID_HEADER,
    PATH_HEADER,
    Erased,
    Links,
    erased_key,
    is_root_of_cycle,
    went_after,
)
from shared.topics import ENGAGEMENT, ENRICHED, IDENTITIES, INTERACTIONS, Topic

_SCHEMA = ("schema", ENRICHED.schema.encode())
_EVENT_HEADERS = (("schema", INTERACTIONS.schema.encode()),)
_ROUTING = frozenset((LINKED_ID_HEADER, PATH_HEADER, AWAITED_HEADER))
_NOT_PASSED_ON = _ROUTING | {_SCHEMA[0]}
_path_decoder = msgspec.json.Decoder(list[Hop])
Heard = EventBase | IdentityCommand
_decoder: msgspec.json.Decoder[Heard] = msgspec.json.Decoder(Event | IdentityCommand)


class _Spliced(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type", tag="event.enriched"):
    """An EnrichedEvent whose event is the very bytes that were read."""

    event: Raw
    engagement: Engagement
    origin: Origin
    sentiment: Sentiment | None = None
    linked_id: str | None = None


class _Counted(Struct, frozen=True, gc=False):
    """An event that was added to a history: what is told of it once all events of the run have been."""

    event: Input[Heard]
    sentiment: Sentiment | None
    # Just behind the event; later ones of the run are added to copies.
    tally: Tally
    linked_id: str
    headers: Headers


class SentimentProcessor:
    """Judges a run's texts in one call; keeps engagement and links per customer; drops events the state knows.

    What can be done for all events of a run, one step after another, is not done event by event: a step's code, the
    interpreter's and the codec's under it, stays in the processor's cache while it is repeated.
    """

    name = "sentiment"
    input_topic = INTERACTIONS
    state_topic = ENGAGEMENT
    output_topics: Sequence[Topic] = (ENRICHED, INTERACTIONS, IDENTITIES)
    forward_controls_to: Topic | None = ENRICHED
    shortest_wake_ms = NEVER_WAKES

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def decode(self, value: bytes) -> Heard:
        """Raises `Reject` for anything ingest, the API or this stage would not have written."""
        event = decode_json(_decoder, value)
        if isinstance(event, EventBase) and event.customer.id is None:
            raise Reject("needs the customer's id, which ingest sets", "/customer/id")
        return event

    def event_time_ms(self, event: Heard) -> int:
        return to_ms(event.occurred_at if isinstance(event, EventBase) else event.at)

    def encode_state(self, state: Tally) -> bytes:
        return state.encode()

    def decode_state(self, value: bytes) -> Tally:
        return Tally.of(decode_state(value))

    def decide(
        self,
        states: StateView[Tally],
        inputs: Sequence[Input[Heard]],
        controls: ControlView,
    ) -> Decisions[Tally]:
        """Return one enriched event for each input that is new, the engagement it leads to, and what links demand."""
        del controls
        # Asked once: `isinstance` of a msgspec class costs four times what it does of a plain one.
        counted = [
            heard if isinstance(heard := one.event, EventBase) and type(heard) is not CustomerMerged else None
            for one in inputs
        ]
        judged = self._judge(counted)
        seen = [
            None if event is None else observe(event, sentiment)
            for event, sentiment in zip(counted, judged, strict=True)
        ]
        passed_on = [_passed_on(one.headers) for one in inputs]
        known: dict[str, Tally | None] = {}
        outputs: list[Output | _Counted] = []
        publish = outputs.append
        for one, event, sentiment, observed, (headers, is_routed) in zip(
            inputs, counted, judged, seen, passed_on, strict=True
        ):
            key = one.key
            tally = known[key] if key in known else states.get(key)
            effects: Sequence[Effect] = ()
            if event is not None and observed is not None:
                linked_id = _linked_id(one) if is_routed else ""
                if tally is None:
                    erased = _erased(key, states, known)
                    links = None if erased is None else Links(erased=erased)
                else:
                    links = tally.links
                if links is not None:
                    if links.erased is not None and links.erased.covers(event):
                        continue
                    if links.awaited and is_routed:
                        links = went_after(key, links, _hops(one, AWAITED_HEADER))
                        if tally is not None and links is not tally.links:
                            known[key] = tally = tally.copy()
                            tally.links = links
                if links is not None or linked_id:
                    elsewhere = _elsewhere(one, links, linked_id)
                    if elsewhere is not None:
                        publish(elsewhere)
                        continue
                if tally is None and links is not None:
                    known[key] = tally = Tally.of(EngagementState(links=links))
                grown = _grown(tally, event, observed, linked_id)
                if grown is not None:
                    known[key] = grown
                    publish(_Counted(one, sentiment, grown, linked_id, headers))
                    effects = _follow(key, event, grown, known)
            else:
                if tally is None:
                    erased = _erased(key, states, known)
                else:
                    erased = None if tally.links is None else tally.links.erased
                effects = self._hear(one, tally, erased, known)
            for effect in effects:
                publish(_output(key, effect))
        return Decisions(_told(outputs), known)

    def wake(
        self, states: StateView[Tally], keys: Sequence[str], due_ms: int, controls: ControlView
    ) -> Decisions[Tally]:
        """Nothing here waits for time."""
        del states, keys, due_ms, controls
        return Decisions()

    def _hear(
        self, one: Input[Heard], tally: Tally | None, erased: Erased | None, known: dict[str, Tally | None]
    ) -> Sequence[Effect]:
        """Do what a record about identity demands of the customer."""
        key, event = one.key, one.event
        state = None if tally is None else tally.state()
        if isinstance(event, CustomerMerged):
            post = merged_by_company(event)
            is_own = post.to_id == key
            step = hear(key, state, post.command, one.offset, erased) if is_own else Step(state, [post])
        elif isinstance(event, EventBase):
            raise TypeError("an event is counted")
        else:
            step = hear(key, state, event, one.offset, erased)
            if isinstance(event, HistoryErased) and step.state is None and state is not None:
                _remember(key, erasure_of(event), known)
        if step.state is not state:
            known[key] = None if step.state is None else Tally.of(step.state)
        return step.effects

    def _judge(self, events: Sequence[EventBase | None]) -> list[Sentiment | None]:
        texts = ["" if event is None else judged_text(event) for event in events]
        with_text = [index for index, text in enumerate(texts) if text]
        judged: list[Sentiment | None] = [None] * len(texts)
        for index, sentiment in zip(with_text, self._backend.analyse([texts[i] for i in with_text]), strict=True):
            judged[index] = sentiment
        return judged


def _grown(tally: Tally | None, event: EventBase, seen: Observation, linked_id: str) -> Tally | None:
    """Return the customer's tally with an event added to the history it belongs to, None if it is known there."""
    if not linked_id or tally is None:
        if tally is not None and tally.knows(seen):
            return None
        grown = Tally() if tally is None else tally.copy()
        grown.add(seen)
        return grown
    part = Tally.of(tally.parts.get(linked_id, EngagementState()))
    is_erased = part.links is not None and part.links.erased is not None and part.links.erased.covers(event)
    if is_erased or part.knows(seen):
        return None
    part.add(seen)
    grown = tally.copy()
    grown.parts = {**tally.parts, linked_id: part.state()}
    return grown


def _follow(key: str, event: EventBase, tally: Tally, known: dict[str, Tally | None]) -> Sequence[Effect]:
    """Do what an event that was counted demands besides."""
    if type(event) is CustomerErased:
        step = erase(key, tally.state(), event)
        known[key] = None
        _remember(key, erasure_of(event), known)
        return step.effects
    if event.customer.handles:
        tally.links, effects = claims(key, tally.links, event)
        return effects
    return ()


def _told(outputs: Sequence[Output | _Counted]) -> list[Output]:
    """Return the outputs, with the enriched event in the place of each that was counted."""
    counted = [output for output in outputs if isinstance(output, _Counted)]
    engagements = [
        engagement(whole(tally.state())) if (tally := one.tally).parts else tally.engagement() for one in counted
    ]
    values = [
        encode(
            _Spliced(
                event=Raw(one.event.raw),
                engagement=derived,
                origin=Origin(one.event.partition, one.event.offset),
                sentiment=one.sentiment,
                linked_id=one.linked_id or None,
            )
        )
        for one, derived in zip(counted, engagements, strict=True)
    ]
    enriched = (Output(ENRICHED, one.event.key, value, one.headers) for one, value in zip(counted, values, strict=True))
    return [next(enriched) if isinstance(output, _Counted) else output for output in outputs]


def _erased(key: str, states: StateView[Tally], known: dict[str, Tally | None]) -> Erased | None:
    """Return the erasure of a customer of whom nothing else is kept, if there was one."""
    memory = erased_key(key)
    tally = known[memory] if memory in known else states.get(memory)
    return None if tally is None or tally.links is None else tally.links.erased


def _remember(key: str, erased: Erased, known: dict[str, Tally | None]) -> None:
    """Keep that the customer was erased, under a key that does not tell who that was."""
    known[erased_key(key)] = Tally.of(new_customer(erased))


def _linked_id(one: Input[Heard]) -> str:
    linked_id = _header(one.headers, LINKED_ID_HEADER)
    return "" if linked_id == one.key else linked_id


def _elsewhere(one: Input[Heard], links: Links | None, linked_id: str) -> Output | None:
    """Return the event on its way to the customer it belongs to today, None if that is the key's own.

    An event whose link is not known here goes back to the linked id, which knows where it belongs. Where a piece of the
    history it adds to is still on its way, the event goes after that and arrives behind it: only the whole knows
    whether it was counted before.
    """
    if links is not None and links.awaited:
        of_id, version = next(iter(links.awaited.items()))
        hops = [*_hops(one, AWAITED_HEADER), Hop(one.key, version)]
        return _sent_on(one, of_id, linked_id or one.key, awaited=hops)
    path = _hops(one, PATH_HEADER) if links is not None else []
    if links is not None and links.merged_into and not is_root_of_cycle(one.key, links, path):
        path.append(Hop(one.key, links.version))
        return _sent_on(one, links.merged_into, linked_id or one.key, path)
    if linked_id:
        member = None if links is None else links.members.get(linked_id)
        if member is None or (member.is_torn and Hop(linked_id, member.version) not in path):
            return _sent_on(one, linked_id, "")
    return None


def _sent_on(
    one: Input[Heard], to_id: str, linked_id: str, path: Sequence[Hop] = (), awaited: Sequence[Hop] = ()
) -> Output:
    event = one.event
    if not isinstance(event, EventBase):
        raise TypeError("commands are passed on by what they say")
    awaited = awaited or _hops(one, AWAITED_HEADER)
    headers = [header for header in one.headers if header[0] not in _ROUTING]
    if linked_id and linked_id != to_id:
        headers.append((LINKED_ID_HEADER, linked_id.encode()))
    if path:
        headers.append((PATH_HEADER, encode(path)))
    if awaited:
        headers.append((AWAITED_HEADER, encode(awaited)))
    value = encode(replace(event, customer=Customer(to_id, event.customer.handles)))
    return Output(INTERACTIONS, to_id, value, headers, is_rerouted=True)


def _output(key: str, effect: Effect) -> Output:
    if isinstance(effect, Post):
        return Output(INTERACTIONS, effect.to_id, encode(effect.command), _EVENT_HEADERS, is_rerouted=True)
    if isinstance(effect, Notice):
        return Output(ENRICHED, key, encode(effect.message), (_SCHEMA,))
    owner = None if effect.customer_id is None else encode(HandleOwner(customer_id=effect.customer_id))
    return Output(IDENTITIES, effect.handle, owner, ())


def _hops(one: Input[Heard], name: str) -> list[Hop]:
    return _path_decoder.decode(_header(one.headers, name) or "[]")


def _header(headers: Headers, name: str) -> str:
    value = dict(headers).get(name)
    return "" if value is None else value.decode("utf-8", "replace")


def _passed_on(headers: Headers) -> tuple[Headers, bool]:
    """Return the headers of the enriched event, and whether some of the event's own routed it here."""
    kept, is_routed = [], False
    for header in headers:
        if header[0] not in _NOT_PASSED_ON:
            kept.append(header)
        elif header[0] != _SCHEMA[0]:
            is_routed = True
    kept.append(_SCHEMA)
    return kept, is_routed
