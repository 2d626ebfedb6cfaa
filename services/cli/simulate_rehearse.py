"""The world of a truth file through the live processors, offline: as if they had run through all of its days.

A running system takes a whole world for history: nothing is judged on its events, and the model that ships judges all.
Here every event arrives when it happens, and the model is refitted every 28 days from what was known, as it is live.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from services.churn_alerts.alert.rules import DEFAULT, FIRST_VERSION, to_document
from services.churn_alerts.customer.generation import Generation, to_model
from services.churn_alerts.customer.history import history_of_states
from services.churn_alerts.customer.in_force import MODELS, RULES, Published, ReadDocuments
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.refit import holds_from_ms, in_force_at_ms, is_due, next_generation
from services.cli.replay_chain import Chain, Replayed
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from services.simulator.life.model import DAY_MS
from services.simulator.score import Alert
from services.simulator.script import script
from services.simulator.world import World
from shared.clock import from_ms, to_ms
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord, AlertUpdated
from shared.contracts.codec import encode
from shared.contracts.control import ModelPublished, RulesPublished

# The result does not depend on it; each partition has ticks of its own to get through.
_PARTITIONS: Final = 1
_BASIS: Final = "orders"


class _Controls:
    """Rules and the newest generation, as the processors' control view shows them."""

    def __init__(self, rules: RulesPublished | None) -> None:
        self._rules = rules
        self.newest: ModelPublished | None = None

    def in_force(self, name: str, at_ms: int) -> Published | None:
        if name == RULES and self._rules is not None:
            return _AsPublished(self._rules.version, to_ms(self._rules.in_force_at), self._rules.rules)
        newest = self.newest
        if newest is None or name != MODELS[_BASIS] or to_ms(newest.in_force_at) > at_ms:
            return None
        return _AsPublished(newest.version, to_ms(newest.in_force_at), newest.model)


class _AsPublished(msgspec.Struct, frozen=True):
    version: int
    in_force_at_ms: int
    document: dict[str, Any]


class Refitter:
    """Every customer's purchases as of the end of each day, and the generation that follows from them."""

    def __init__(self, rules: RulesPublished | None) -> None:
        self._purchases: dict[str, Purchases] = {}
        self._published = _Controls(rules)
        self._newest: Generation | None = None

    def take(self, event: dict[str, Any], at_ms: int) -> None:
        """Note an order or a return."""
        if event["type"] not in ("order.placed", "order.returned"):
            return
        horizon_days = ReadDocuments().policy(self._published, at_ms).horizon_days(_BASIS)
        customer = event["customer"]["id"]
        state = self._purchases.get(customer) or no_purchases(horizon_days)
        day = at_ms // DAY_MS
        is_order = event["type"] == "order.placed"
        self._purchases[customer] = observe(state, day, event["amount"]) if is_order else observe_return(state, day)

    def end_day(self, day: int) -> ModelPublished | None:
        """Return the generation that is published at a day's end, if one is due and there is enough to fit it on."""
        if not is_due(self._newest, day):
            return None
        policy = ReadDocuments().policy(self._published, in_force_at_ms(day))
        bought = [(customer, state) for customer, state in sorted(self._purchases.items()) if state.recent]
        if not bought:
            return None
        history = history_of_states(bought, float(policy.horizon_days(_BASIS)), day)
        generation = next_generation(history, day, policy, _BASIS, self._newest, 1.0)
        if generation is None:
            return None
        since_ms = holds_from_ms(day, self._newest)
        self._newest = generation
        self._published.newest = ModelPublished(
            name=MODELS[_BASIS],
            version=generation.version,
            in_force_at=from_ms(since_ms),
            model=to_model(generation),
        )
        return self._published.newest


def rehearse(world: World, *, is_refitted: bool = True, capacity_per_day: float | None = None) -> list[Alert]:
    """Return the alerts that the live processors raise about a world whose people are known by their ids.

    `capacity_per_day` is the team's; without one, at most as many alerts as the plain rule would raise.
    """
    alerts: dict[str, Alert] = {}
    lines = _lines(world, is_refitted, _rules(world, capacity_per_day))
    found = Chain(Scorer.load(SHIPPED_ARTEFACT), _PARTITIONS).run(lines, world.span.until_ms)
    records = sorted(one for one in found if isinstance(one, Replayed))
    for record in records:
        _tell(alerts, msgspec.json.decode(record.value, type=AlertRecord))
    return list(alerts.values())


def _rules(world: World, capacity_per_day: float | None) -> RulesPublished | None:
    if capacity_per_day is None:
        return None
    document = to_document(replace(DEFAULT, capacity_per_day=capacity_per_day))
    return RulesPublished(version=FIRST_VERSION + 1, in_force_at=from_ms(world.span.start_ms - DAY_MS), rules=document)


def _lines(world: World, is_refitted: bool, rules: RulesPublished | None) -> Iterator[bytes]:
    if rules is not None:
        yield encode(rules)
    refitter = Refitter(rules)
    day: int | None = None
    for step in sorted(script(world, frozenset()), key=lambda one: one.at_ms):
        event = step.event
        if event is None:
            raise ValueError("without providers, everything is told as own events")
        step_day = step.at_ms // DAY_MS
        for ended in range(step_day if day is None else day, step_day):
            generation = refitter.end_day(ended) if is_refitted else None
            if generation is not None:
                yield encode(generation)
        day = step_day
        refitter.take(event, step.at_ms)
        yield msgspec.json.encode(event)


def _tell(alerts: dict[str, Alert], record: AlertRecord) -> None:
    match record:
        case AlertRaised():
            alerts[record.alert_id] = Alert(
                alert_id=record.alert_id,
                customer_id=record.customer_id,
                raised_at=record.at,
                cause=record.body.cause,
                is_historical=record.is_historical,
            )
        case AlertUpdated():
            alerts[record.alert_id] = replace(alerts[record.alert_id], cause=record.body.cause)
        case AlertCleared():
            alerts[record.alert_id] = replace(alerts[record.alert_id], resolved_at=record.at, ended_by=record.reason)
