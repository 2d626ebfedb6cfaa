"""Alert rules: one versioned document, published as a control record; version 1 is what holds until one is.

A change of rules is a new version in force from a stated event time. It re-decides nothing that is already decided:
open alerts keep the version that raised them, and a silence that was alerted is not alerted again.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from services.churn_alerts.alert.playbook import Playbook, shipped_playbooks
from services.churn_alerts.alert.tier import TierCuts
from shared.contracts.alert import SignalName, Tier
from shared.contracts.enriched import Probability
from shared.errors import Reject

Days = Annotated[int, Meta(ge=1, le=3_650)]
LogOdds = Annotated[float, Meta(ge=0, le=20)]

FIRST_VERSION: Final = 1


class SignalWeight(Struct, frozen=True, forbid_unknown_fields=True):
    """Overrides of one signal: its weight in log-odds when it just holds, and its threshold in the signal's unit."""

    weight: LogOdds
    threshold: Annotated[float, Meta(ge=0, le=10_000)]


class SilenceRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a silence is measured by; days. `horizon_days` is fixed for the life of the state.

    `window_days` is the plain rule "nothing for W days" that fits the business; the floor of the checks is a quarter of
    it. `lost_after_days`: lost anyway, no alert. The default fits purchases that are weeks to months apart.
    """

    horizon_days: Days = 90
    window_days: Days = 60
    lost_after_days: Days = 120
    min_events: Days = 2


def _per_tier(value: float) -> dict[Tier, float]:
    return {"new": value, "bronze": value, "silver": value, "gold": value, "platinum": value}


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole policy.

    `silence_thresholds`: risk (probability of no purchase within the horizon) at which a silence is alerted, by tier.
    `signal_thresholds`: sum of the signals' contributions (log-odds) at which signals alone raise an alert, by tier.
    `least_p_leaving`: no alert while the customer more likely stays; the risk, with what the signals add to it, must
    reach this. It bounds the thresholds that a generation brings, and what signals alone may raise. More of the first
    moments that look this bad are false than the risk says, hence more than one half (docs/churn.md).
    Thresholds written into the rules hold as written.
    `alone_log_odds`: signals that sum to so much raise whatever the risk says: who complains five times in a month is
    told, however regularly he bought.
    `capacity_per_day`: alerts a day the team can work; the controller of `capacity.py` turns it into new thresholds.
    `adapts_thresholds`: each generation of the model brings silence thresholds, set to `capacity_per_day` or, without
    one, to at most as many alerts as the plain rule would raise, and fewer where more would not be worth it; false:
    those written here hold. `tier_cuts`: while they are the default, each generation brings the company's own fifths.
    `cooldown_days`: after an alert ended, signals raise none for so long; `silence_cooldown_days`: nor does silence
    (0: measured to cost recall, docs/churn.md). `recover_log_odds`: an alert raised by signals ends as recovered once
    they sum to so much less than the threshold. `rearm_log_odds`: after an alerted customer returned, he is alerted for
    silence again only after his risk at a purchase fell so far under the threshold (0: off, measured to cost recall).
    """

    purchases: SilenceRules = SilenceRules()
    contacts: SilenceRules = SilenceRules(horizon_days=45, window_days=30, lost_after_days=90, min_events=4)
    alerts_on_contact_silence: bool = True
    silence_thresholds: dict[Tier, Probability] = field(default_factory=lambda: _per_tier(0.5))
    adapts_thresholds: bool = True
    least_p_leaving: Probability = 0.65
    alone_log_odds: LogOdds = 2.6
    signal_thresholds: dict[Tier, LogOdds] = field(default_factory=lambda: _per_tier(1.5))
    signals: dict[SignalName, SignalWeight] = {}
    tier_cuts: TierCuts = TierCuts()
    playbooks: list[Playbook] = field(default_factory=shipped_playbooks)
    capacity_per_day: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    cooldown_days: Annotated[int, Meta(ge=0, le=365)] = 14
    silence_cooldown_days: Annotated[int, Meta(ge=0, le=365)] = 0
    recover_log_odds: LogOdds = 0.5
    rearm_log_odds: LogOdds = 0.0


class InForceRules(Struct, frozen=True):
    """Rules with their version and, for the signals, weights and thresholds with the priors filled in."""

    version: int
    rules: Rules


DEFAULT: Final = Rules()
DEFAULT_IN_FORCE: Final = InForceRules(FIRST_VERSION, DEFAULT)


def read_rules(document: Mapping[str, Any]) -> Rules:
    """Return the rules of a `rules.published` document; members left out are version 1's.

    Raises `Reject` naming the member that is wrong.
    """
    try:
        rules = msgspec.convert(dict(document), Rules)
    except msgspec.ValidationError as error:
        raise Reject(f"not alert rules: {error}") from error
    for silence in (rules.purchases, rules.contacts):
        if silence.lost_after_days <= silence.window_days // 4:
            raise Reject("lost_after_days must lie beyond a quarter of window_days, or nothing is ever checked")
    for thresholds in (rules.silence_thresholds, rules.signal_thresholds):
        if missing := set(_per_tier(0)) - set(thresholds):
            raise Reject(f"thresholds miss the tiers {', '.join(sorted(missing))}")
    return rules


def to_document(rules: Rules) -> dict[str, Any]:
    """Return the JSON members of rules, the `rules` of a `rules.published` record."""
    document: dict[str, Any] = msgspec.to_builtins(rules)
    return document
