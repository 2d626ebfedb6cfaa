"""Which rules and which generation of the model hold at an event time, read from control records once each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import msgspec

from services.churn_alerts.alert.rules import DEFAULT_IN_FORCE, InForceRules, SilenceRules, read_rules
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
    def document(self) -> dict[str, Any]: ...


class ControlSource(Protocol):
    """What of the engine's control view is used here."""

    def in_force(self, name: str, at_ms: int) -> Published | None: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in force with what follows from them."""

    version: int
    purchases: SilencePolicy
    contacts: SilencePolicy
    weights: Weights
    in_force: InForceRules
    is_uniform: bool
    """Whether all tiers have the same silence threshold."""

    def silence(self, basis: Basis) -> SilencePolicy:
        return self.purchases if basis == "orders" else self.contacts

    def horizon_days(self, basis: Basis) -> int:
        rules = self.in_force.rules
        return (rules.purchases if basis == "orders" else rules.contacts).horizon_days

    def silence_threshold(self, tier: Tier) -> float:
        return self.in_force.rules.silence_thresholds[tier]

    def signal_threshold(self, tier: Tier) -> float:
        return self.in_force.rules.signal_thresholds[tier]


class ReadDocuments:
    """Parsed rules and generations, kept between calls so that each is read once."""

    def __init__(self) -> None:
        self._policies: dict[int, tuple[object, Policy]] = {}
        self._generations: dict[tuple[str, int], tuple[object, Generation | None]] = {}

    def policy(self, published: Published | None) -> Policy:
        """Return the policy of published rules; rules that cannot be read count as version 1's, under their version."""
        if published is None:
            return DEFAULT_POLICY
        known = self._policies.get(published.version)
        if known is not None and known[0] is published.document:
            return known[1]
        try:
            rules = InForceRules(published.version, read_rules(published.document))
        except Reject:
            rules = InForceRules(published.version, DEFAULT_IN_FORCE.rules)
        policy = policy_of(rules)
        self._policies[published.version] = published.document, policy
        return policy

    def generation(self, name: str, published: Published | None, horizon_days: float) -> Generation:
        """Return the published generation if it can be read and has the horizon of the states, else the prior."""
        if published is not None:
            known = self._generations.get((name, published.version))
            if known is None or known[0] is not published.document:
                known = published.document, _read_generation(published.document)
                self._generations[name, published.version] = known
            if known[1] is not None and known[1].horizon_days == horizon_days:
                return known[1]
        return _prior(horizon_days)


class InForce:
    """Answers for one call of the processor, remembered by day."""

    def __init__(self, controls: ControlSource, documents: ReadDocuments) -> None:
        self._controls = controls
        self._documents = documents
        self._policies: dict[int, Policy] = {}
        self._generations: dict[tuple[str, int, float], Generation] = {}

    def policy_at(self, at_ms: int) -> Policy:
        return self._documents.policy(self._controls.in_force(RULES, at_ms))

    def policy_for_day(self, day: int) -> Policy:
        """Return the policy for checks at the end of `day`."""
        policy = self._policies.get(day)
        if policy is None:
            policy = self._policies[day] = self.policy_at(end_of_day_ms(day))
        return policy

    def generation_for_day(self, basis: Basis, day: int, horizon_days: float) -> Generation:
        """Return the generation for checks at the end of `day`."""
        name = MODELS[basis]
        generation = self._generations.get((name, day, horizon_days))
        if generation is None:
            published = self._controls.in_force(name, end_of_day_ms(day))
            generation = self._documents.generation(name, published, horizon_days)
            self._generations[name, day, horizon_days] = generation
        return generation


def policy_of(rules: InForceRules) -> Policy:
    """Return rules with their signals' weights filled in from the priors."""
    weights = dict(PRIOR_WEIGHTS)
    weights.update({name: (own.weight, own.threshold) for name, own in rules.rules.signals.items()})
    return Policy(
        version=rules.version,
        purchases=silence_policy(rules.rules.purchases),
        contacts=silence_policy(rules.rules.contacts),
        weights=weights,
        in_force=rules,
        is_uniform=len(set(rules.rules.silence_thresholds.values())) == 1,
    )


def silence_policy(rules: SilenceRules) -> SilencePolicy:
    """Return the schedule of checks that the rules ask for."""
    return SilencePolicy(
        min_purchases=rules.min_events, lost_after_days=rules.lost_after_days, window_days=rules.window_days
    )


def _read_generation(model: dict[str, Any]) -> Generation | None:
    try:
        return from_model(model)
    except (msgspec.ValidationError, ValueError):
        return None


@lru_cache(maxsize=16)
def _prior(horizon_days: float) -> Generation:
    return prior_for(horizon_days)


DEFAULT_POLICY: Final = policy_of(DEFAULT_IN_FORCE)
