"""Which rules and which generation of the model hold at an event time, read from control records once each. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import msgspec

from services.churn_alerts.alert.rules import DEFAULT_IN_FORCE, InForceRules, SilenceRules, read_rules
from services.churn_alerts.alert.tier import TierCuts
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.generation import Generation, from_model, prior_for
from services.churn_alerts.customer.model import end_of_day_ms
from services.churn_alerts.signal.registry import PRIOR_WEIGHTS, Weights
from shared.contracts.alert import Tier
from shared.errors import Reject

Basis = Literal["orders", "contacts"]
"""What falls silent: purchases, or contacts where a business has no orders."""

RULES: Final = "rules"
MODELS: Final[Mapping[Basis, str]] = {"orders": "churn", "contacts": "churn.contacts"}
"""The names under which generations of the two models are published."""


class Published(Protocol):
    @property
    def version(self) -> int: ...
    @property
    def in_force_at_ms(self) -> int: ...
    @property
    def document(self) -> dict[str, Any]: ...


class ControlSource(Protocol):
    """What of the engine's control view is used here."""

    def in_force(self, name: str, at_ms: int) -> Published | None: ...


OnUnreadable = Callable[[str, int, str], None]
"""Hears the name and version of a published document that cannot be read, and why; once for each in a process."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in force with what follows from them and from the generations of the models in force."""

    version: int
    purchases: SilencePolicy
    contacts: SilencePolicy
    weights: Weights
    in_force: InForceRules
    thresholds: Mapping[Basis, Mapping[Tier, float]]
    tier_cuts: TierCuts
    is_uniform: bool
    """Whether all tiers have the same silence threshold."""

    def silence(self, basis: Basis) -> SilencePolicy:
        return self.purchases if basis == "orders" else self.contacts

    def horizon_days(self, basis: Basis) -> int:
        rules = self.in_force.rules
        return (rules.purchases if basis == "orders" else rules.contacts).horizon_days

    def silence_threshold(self, tier: Tier, basis: Basis = "orders") -> float:
        return self.thresholds[basis][tier]

    def signal_threshold(self, tier: Tier) -> float:
        return self.in_force.rules.signal_thresholds[tier]


class ReadDocuments:
    """Parsed rules and generations, kept between calls so that each is read once.

    What cannot be read is told to `on_unreadable` and leaves in force what was before it.
    """

    def __init__(self, on_unreadable: OnUnreadable = lambda _name, _version, _reason: None) -> None:
        self._on_unreadable = on_unreadable
        self._documents: dict[tuple[str, int], tuple[object, InForceRules | Generation | None]] = {}
        self._policies: dict[tuple[int, ...], tuple[InForceRules, tuple[Generation | None, ...], Policy]] = {}

    def rules(self, controls: ControlSource, at_ms: int) -> tuple[InForceRules, int]:
        """Return the newest readable rules in force at an event time, and since when they are."""
        published, read = self._newest(controls, RULES, at_ms)
        if published is None or not isinstance(read, InForceRules):
            return DEFAULT_IN_FORCE, 0
        return read, published.in_force_at_ms

    def generation(
        self, controls: ControlSource, basis: Basis, at_ms: int, horizon_days: float
    ) -> tuple[Generation | None, int]:
        """Return the newest readable generation in force that has the horizon of the states, and since when it is."""
        published, read = self._newest(controls, MODELS[basis], at_ms)
        if published is None or not isinstance(read, Generation) or read.horizon_days != horizon_days:
            return None, 0
        return read, published.in_force_at_ms

    def policy(self, controls: ControlSource, at_ms: int) -> Policy:
        """Return the policy in force at an event time; of rules and a generation, the newer one's thresholds hold."""
        rules, since_ms = self.rules(controls, at_ms)
        generations: list[Generation | None] = []
        for basis in MODELS:
            silence = rules.rules.purchases if basis == "orders" else rules.rules.contacts
            generation, newer_ms = self.generation(controls, basis, at_ms, silence.horizon_days)
            generations.append(generation if newer_ms >= since_ms else None)
        if rules is DEFAULT_IN_FORCE and generations == [None, None]:
            return DEFAULT_POLICY
        key = (rules.version, *(0 if one is None else one.version for one in generations))
        known = self._policies.get(key)
        of = tuple(generations)
        if known is None or known[0] is not rules or any(one is not two for one, two in zip(known[1], of, strict=True)):
            known = self._policies[key] = rules, of, policy_of(rules, *of)
        return known[2]

    def _newest(
        self, controls: ControlSource, name: str, at_ms: int
    ) -> tuple[Published | None, InForceRules | Generation | None]:
        while True:
            published = controls.in_force(name, at_ms)
            if published is None:
                return None, None
            known = self._documents.get((name, published.version))
            if known is None or known[0] is not published.document:
                known = self._documents[name, published.version] = published.document, self._read(name, published)
            if known[1] is not None:
                return published, known[1]
            at_ms = published.in_force_at_ms - 1

    def _read(self, name: str, published: Published) -> InForceRules | Generation | None:
        try:
            if name == RULES:
                return InForceRules(published.version, read_rules(published.document))
            return from_model(published.document)
        except (Reject, msgspec.ValidationError, ValueError) as error:
            self._on_unreadable(name, published.version, str(error))
            return None


class _PolicyByDay(dict[int, Policy]):
    def __init__(self, policy_at: Callable[[int], Policy]) -> None:
        super().__init__()
        self._policy_at = policy_at

    def __missing__(self, day: int) -> Policy:
        policy = self[day] = self._policy_at(end_of_day_ms(day))
        return policy


class InForce:
    """Answers for one call of the processor, remembered by day."""

    def __init__(self, controls: ControlSource, documents: ReadDocuments) -> None:
        self._controls = controls
        self._documents = documents
        # The policy for checks at the end of a day. A dict's own method, because it is asked several times an event.
        self.policy_for_day: Final[Callable[[int], Policy]] = _PolicyByDay(self.policy_at).__getitem__
        self._generations: dict[tuple[str, int, float], Generation] = {}

    def policy_at(self, at_ms: int) -> Policy:
        return self._documents.policy(self._controls, at_ms)

    def generation_for_day(self, basis: Basis, day: int, horizon_days: float) -> Generation:
        """Return the generation for checks at the end of `day`."""
        generation = self._generations.get((basis, day, horizon_days))
        if generation is None:
            found, _ = self._documents.generation(self._controls, basis, end_of_day_ms(day), horizon_days)
            generation = self._generations[basis, day, horizon_days] = found or _prior(horizon_days)
        return generation


def policy_of(
    rules: InForceRules, orders_model: Generation | None = None, contacts_model: Generation | None = None
) -> Policy:
    """Return rules with their signals' weights filled in from the priors, and what the generations bring."""
    weights = dict(PRIOR_WEIGHTS)
    weights.update({name: (own.weight, own.threshold) for name, own in rules.rules.signals.items()})
    thresholds: dict[Basis, Mapping[Tier, float]] = {}
    for basis, model in zip(MODELS, (orders_model, contacts_model), strict=True):
        adapted = model.thresholds if model is not None and rules.rules.adapts_thresholds else None
        least = rules.rules.least_p_leaving
        thresholds[basis] = (
            rules.rules.silence_thresholds if adapted is None else {tier: max(p, least) for tier, p in adapted.items()}
        )
    cuts = rules.rules.tier_cuts
    if orders_model is not None and orders_model.tier_cuts is not None and cuts == TierCuts():
        cuts = orders_model.tier_cuts
    return Policy(
        version=rules.version,
        purchases=silence_policy(rules.rules.purchases),
        contacts=silence_policy(rules.rules.contacts),
        weights=weights,
        in_force=rules,
        thresholds=thresholds,
        tier_cuts=cuts,
        is_uniform=len(set(thresholds["orders"].values())) == 1,
    )


def silence_policy(rules: SilenceRules) -> SilencePolicy:
    """Return the schedule of checks that the rules ask for."""
    return SilencePolicy(
        min_purchases=rules.min_events, lost_after_days=rules.lost_after_days, window_days=rules.window_days
    )


@lru_cache(maxsize=16)
def _prior(horizon_days: float) -> Generation:
    return prior_for(horizon_days)


DEFAULT_POLICY: Final = policy_of(DEFAULT_IN_FORCE)
