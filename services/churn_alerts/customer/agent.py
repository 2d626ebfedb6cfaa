"""The churn processor: enriched events and due timers in; alerts, risks and states out (docs/events-to-alerts.md)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from services.churn_alerts.customer.checks import Closing, answer, close
from services.churn_alerts.customer.conclude import Standing, closing, conclude, standing, wake_at_ms
from services.churn_alerts.customer.decide import follow, hear, hear_on, wake
from services.churn_alerts.customer.followed import Answers, Followed, Heard, SilenceCheck
from services.churn_alerts.customer.in_force import InForce, OnUnreadable, ReadDocuments
from services.churn_alerts.customer.schedule import CHECK_DELAY_MS
from services.churn_alerts.customer.state import CustomerState, decode_state, encode_state, new_customer
from shared.clock import to_ms
from shared.contracts.alert import AlertRecord
from shared.contracts.codec import decode_json, encode
from shared.contracts.identity import (
    EngagementRestated,
    HistoryErased,
    HistoryLeft,
    HistoryMoved,
    IdentityNotice,
    LinkConflicted,
)
from shared.kafka.processor import ControlView, Decisions, Headers, Input, Output, StateView
from shared.links import Erased, erased_key
from shared.topics import CHURN_ALERTS, CHURN_RISK, CHURN_STATE, ENRICHED, Topic

_ALERT_HEADERS: Final[Headers] = (("schema", CHURN_ALERTS.schema.encode()),)
_RISK_HEADERS: Final[Headers] = (("schema", CHURN_RISK.schema.encode()),)
# After so many inputs the customers of whom nothing more is to be said are encoded again: with more of them side by
# side their states leave the processor's cache, and cost twice as much.
_SETTLED_AFTER: Final = 64
_MOVED_HEADERS: Final[Headers] = (("schema", ENRICHED.schema.encode()),)


EnrichedRecord = Heard | IdentityNotice | HistoryMoved | HistoryLeft | HistoryErased
_decoder: Final[msgspec.json.Decoder[EnrichedRecord]] = msgspec.json.Decoder(EnrichedRecord)
_UNHEARD: Final[frozenset[type]] = frozenset({LinkConflicted, EngagementRestated})

OnDecided = Callable[[Sequence[AlertRecord], int, Sequence[SilenceCheck]], None]
"""Hears of the alert records of a call, how many risks it told, and which checks it carried out."""


class ChurnAlerts:
    """The processor; its only memory between calls is parsed rules and models. Who is told may count, no more."""

    name = "churn_alerts"
    input_topic: Topic = ENRICHED
    state_topic: Topic = CHURN_STATE
    output_topics: Sequence[Topic] = (CHURN_ALERTS, CHURN_RISK, ENRICHED)
    forward_controls_to: Topic | None = None
    shortest_wake_ms = CHECK_DELAY_MS

    def __init__(self, on_decided: OnDecided | None = None, on_unreadable: OnUnreadable | None = None) -> None:
        self._documents = ReadDocuments() if on_unreadable is None else ReadDocuments(on_unreadable)
        self._on_decided = on_decided

    def decode(self, value: bytes) -> EnrichedRecord:
        """Return the event and its sentiment, or a record about links; raises `Reject`."""
        return decode_json(_decoder, value)

    def event_time_ms(self, event: EnrichedRecord) -> int:
        return to_ms(event.event.occurred_at if isinstance(event, Heard) else event.at)

    def encode_state(self, state: bytes) -> bytes:
        return state

    def decode_state(self, value: bytes) -> bytes:
        return value

    def decide(
        self, states: StateView[bytes], inputs: Sequence[Input[EnrichedRecord]], controls: ControlView
    ) -> Decisions[bytes]:
        in_force = InForce(controls, self._documents)
        decisions: Decisions[bytes] = Decisions()
        settled = decisions.states
        # In the order of their first event; None once settled.
        customers: dict[str, Followed | None] = {}
        open_ones: list[Answers] = []
        # What customers with open questions hear afterwards; it must wait for the answers.
        waiting: dict[str, list[Input[EnrichedRecord]]] = {}
        for start in range(0, len(inputs), _SETTLED_AFTER):
            fresh: list[Followed] = []
            for one in inputs[start : start + _SETTLED_AFTER]:
                key = one.key
                if type(one.event) in _UNHEARD:
                    continue
                customer = customers.get(key)
                if customer is None:
                    customer = customers[key] = _followed(key, settled.get(key) or states.get(key), states, in_force)
                    fresh.append(customer)
                elif key in waiting:
                    waiting[key].append(one)
                    continue
                questions = hear(customer, one)
                if questions is not None:
                    waiting[key] = []
                    open_ones.append(hear_on(customer, questions, waiting[key]))
            for customer in fresh:
                key = customer.key
                if not (customer.is_plan_due or customer.is_erased or key in waiting):
                    customers[key] = None
                    if customer.is_changed:
                        settled[key] = encode_state(customer.present())
        if open_ones:
            follow(open_ones, lambda questions: answer(questions, in_force))
        return self._concluded(decisions, [one for one in customers.values() if one is not None], in_force)

    def wake(
        self, states: StateView[bytes], keys: Sequence[str], due_ms: int, controls: ControlView
    ) -> Decisions[bytes]:
        in_force = InForce(controls, self._documents)
        customers = [
            Followed(key, decode_state(state), in_force)
            for key, state in zip(keys, map(states.get, keys), strict=True)
            if state is not None
        ]
        follow([wake(customer, due_ms) for customer in customers], lambda questions: answer(questions, in_force))
        return self._concluded(Decisions(), customers, in_force)

    def _concluded(
        self, decisions: Decisions[bytes], customers: Iterable[Followed], in_force: InForce
    ) -> Decisions[bytes]:
        """Add what follows once all events are taken in: records, states, wake-ups and outlooks."""
        outputs, states, wake_ups = decisions.outputs, decisions.states, decisions.wake_at_ms
        changed = [customer for customer in customers if customer.is_changed]
        standings: list[Standing | None] = []
        asked: list[Closing | None] = []
        for customer in changed:
            now = question = None
            if customer.is_plan_due and customer.state is not None:
                now = standing(customer, customer.state)
                question = closing(customer, customer.state, now)
            standings.append(now)
            asked.append(question)
        views, floors = close([one for one in asked if one is not None], in_force)
        answers = iter(zip(views, floors, strict=True))
        n_outlooks = 0
        for customer, now, one in zip(changed, standings, asked, strict=True):
            key = customer.key
            view, floor = (None, None) if one is None else next(answers)
            if customer.is_erased:
                # The memory of it stands under a key that does not tell who that was.
                states[erased_key(key)] = encode_state(new_customer(0, customer.erased))
                outputs.append(Output(CHURN_RISK, key, None))
                n_outlooks += 1
            if customer.records:
                for record, headers in zip(customer.records, customer.record_headers, strict=True):
                    outputs.append(Output(CHURN_ALERTS, key, encode(record), (*_ALERT_HEADERS, *headers)))
            for moved in customer.sent:
                outputs.append(Output(ENRICHED, moved.to_id, encode(moved), _MOVED_HEADERS, is_rerouted=True))
            state = customer.state
            if state is None:
                states[key] = wake_ups[key] = None
                continue
            if floor is not None:
                state.next_check = floor
            if now is not None:
                if customer.is_outlook_due and (outlook := conclude(customer, state, now, view)) is not None:
                    outputs.append(Output(CHURN_RISK, key, encode(outlook), _RISK_HEADERS))
                    n_outlooks += 1
                wake_ups[key] = wake_at_ms(customer, state, now)
            states[key] = encode_state(state)
        if self._on_decided is not None:
            records = [record for customer in changed for record in customer.records]
            checks = [customer.check for customer in changed if customer.check is not None]
            self._on_decided(records, n_outlooks, checks)
        return decisions


def _followed(key: str, state: bytes | None, states: StateView[bytes], in_force: InForce) -> Followed:
    if state is not None:
        known = decode_state(state)
        return Followed(key, known, in_force, _erased(known))
    memory = states.get(erased_key(key))
    return Followed(key, None, in_force, None if memory is None else _erased(decode_state(memory)))


def _erased(state: CustomerState) -> Erased | None:
    return None if state.links is None else state.links.erased
