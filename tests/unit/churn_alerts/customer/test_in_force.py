"""Of published rules and generations the newer thresholds hold, and what cannot be read changes nothing, aloud."""

from typing import Any

from msgspec.structs import replace

from services.churn_alerts.alert.rules import Rules, to_document
from services.churn_alerts.alert.tier import TIERS, TierCuts
from services.churn_alerts.customer.generation import prior_for, to_model
from services.churn_alerts.customer.in_force import ReadDocuments
from shared.kafka.controls import Controls
from shared.kafka.processor import Control

CUTS = TierCuts(frequency=(1.0, 2.0, 3.0, 5.0))
FITTED = replace(prior_for(90), thresholds=dict.fromkeys(TIERS, 0.75), tier_cuts=CUTS)


def controls(*published: tuple[str, int, int, dict[str, Any]]) -> Controls:
    found = Controls()
    for name, version, in_force_at_ms, document in published:
        found.add(Control(name, version, in_force_at_ms, document), 0)
    return found


def threshold(at_ms: int, *published: tuple[str, int, int, dict[str, Any]]) -> float:
    return ReadDocuments().policy(controls(*published), at_ms).silence_threshold("gold")


def test_a_generation_brings_thresholds_and_cuts() -> None:
    known = controls(("churn", 1, 10, to_model(FITTED)))

    before, after = (ReadDocuments().policy(known, at_ms) for at_ms in (9, 10))

    assert (before.silence_threshold("gold"), before.tier_cuts) == (0.5, TierCuts())
    assert (after.silence_threshold("gold"), after.tier_cuts) == (0.75, CUTS)
    assert after.version == 1


def test_no_generation_lowers_a_threshold_under_what_an_alert_needs() -> None:
    eager = to_model(replace(FITTED, thresholds=dict.fromkeys(TIERS, 0.2)))
    rules = to_document(Rules(least_p_leaving=0.35))

    assert threshold(20, ("churn", 1, 10, eager)) == Rules().least_p_leaving
    assert threshold(20, ("churn", 1, 15, eager), ("rules", 2, 10, rules)) == 0.35


def test_newer_rules_outrank_an_older_generation() -> None:
    rules = to_document(Rules(silence_thresholds=dict.fromkeys(TIERS, 0.8)))

    assert threshold(20, ("churn", 1, 10, to_model(FITTED)), ("rules", 2, 15, rules)) == 0.8
    assert threshold(20, ("churn", 1, 15, to_model(FITTED)), ("rules", 2, 10, rules)) == 0.75


def test_rules_may_hold_their_thresholds() -> None:
    rules = to_document(Rules(adapts_thresholds=False))

    assert threshold(20, ("churn", 1, 15, to_model(FITTED)), ("rules", 2, 10, rules)) == 0.5


def test_a_generation_of_another_horizon_is_left_out() -> None:
    assert threshold(20, ("churn", 1, 10, to_model(replace(FITTED, horizon_days=28.0)))) == 0.5


def test_what_cannot_be_read_leaves_the_one_before_and_is_told_once() -> None:
    good = to_document(Rules(silence_thresholds=dict.fromkeys(TIERS, 0.8)))
    known = controls(("rules", 2, 10, good), ("rules", 3, 20, {"no": "rules"}), ("churn", 1, 20, {"version": "x"}))
    told: list[tuple[str, int]] = []
    documents = ReadDocuments(lambda name, version, _reason: told.append((name, version)))

    policies = [documents.policy(known, at_ms) for at_ms in (30, 31)]

    assert [(policy.version, policy.silence_threshold("new")) for policy in policies] == [(2, 0.8), (2, 0.8)]
    assert sorted(told) == [("churn", 1), ("rules", 3)]
