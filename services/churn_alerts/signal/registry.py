"""Every signal, in the order in which an alert shows equal ones; to add a signal, add its module and a line here."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.churn_alerts.signal import (
    category_frequency_falling,
    complaints_surging,
    contact_falling_silent,
    expectation_mismatch,
    inquiry_without_order,
    low_csat,
    nps_detractor,
    payment_delayed,
    purchase_frequency_falling,
    purchase_overdue,
    repeated_reopen,
    sentiment_sliding,
)
from services.churn_alerts.signal.contact_falling_silent import ContactSilence
from services.churn_alerts.signal.model import Finding, Moment, SignalRule
from services.churn_alerts.signal.purchase_overdue import Silence
from services.churn_alerts.signal.state import SignalState
from shared.contracts.alert import Signal, SignalName

SIGNALS: tuple[SignalRule, ...] = (
    purchase_overdue.RULE,
    complaints_surging.RULE,
    expectation_mismatch.RULE,
    repeated_reopen.RULE,
    low_csat.RULE,
    nps_detractor.RULE,
    sentiment_sliding.RULE,
    payment_delayed.RULE,
    inquiry_without_order.RULE,
    contact_falling_silent.RULE,
    purchase_frequency_falling.RULE,
    category_frequency_falling.RULE,
)

BY_NAME: Mapping[SignalName, SignalRule] = {rule.name: rule for rule in SIGNALS}

# Weight and threshold of each signal, as rules have them in force.
Weights = Mapping[SignalName, tuple[float, float]]

PRIOR_WEIGHTS: Weights = {rule.name: (rule.weight, rule.threshold) for rule in SIGNALS}

# What unhappy texts bring about.
_ABOUT_TEXTS: frozenset[SignalName] = frozenset({"complaints_surging", "expectation_mismatch", "sentiment_sliding"})

_ON_EVENTS = tuple(rule for rule in SIGNALS if rule.judged == "event")
_RAISING = tuple(rule for rule in SIGNALS if rule.can_raise)


def find_on_event(state: SignalState, moment: Moment, weights: Weights) -> list[Finding]:
    """Return the signals judged on events that hold, strongest first."""
    return _found(_ON_EVENTS, _parts_of_events(state), moment, weights)


def find_all(
    state: SignalState, moment: Moment, weights: Weights, silence: Silence | None, contacts: ContactSilence | None
) -> list[Finding]:
    """Return every signal that holds at the end of the moment's day, strongest first."""
    return _found(SIGNALS, _parts(state, silence, contacts), moment, weights)


def find_raising(
    state: SignalState, moment: Moment, weights: Weights, contacts: ContactSilence | None
) -> list[Finding]:
    """Return those of `find_all` that add to what the silence score says; the others only explain it."""
    return _found(_RAISING, _parts(state, None, contacts), moment, weights)


def raising_contribution(findings: list[Finding]) -> float:
    """Return the log-odds that the findings add to what the silence score says."""
    return added_log_odds(finding.signal for finding in findings)


def added_log_odds(signals: Iterable[Signal]) -> float:
    """Return the log-odds that signals add together: of those that rest on the same texts, the strongest alone counts.

    A complaint after an order is a surge, a mismatch and a worse mood at once; it happened once.
    """
    total = said = 0.0
    for signal in signals:
        if signal.name in _ABOUT_TEXTS:
            said = max(said, signal.contribution)
        elif BY_NAME[signal.name].can_raise:
            total += signal.contribution
    return total + said


def _parts(state: SignalState, silence: Silence | None, contacts: ContactSilence | None) -> dict[SignalName, Any]:
    moods = state.moods
    negatives = state.mismatch.negatives if moods.blocks else ()
    return {
        **_parts_of_events(state),
        "purchase_overdue": silence,
        "sentiment_sliding": (moods, tuple([(one.at_ms, one.event_id) for one in negatives])) if moods.blocks else None,
        "payment_delayed": state.payments if state.payments.invoices else None,
        "inquiry_without_order": (state.inquiries, state.last_order_ms) if state.inquiries else None,
        "contact_falling_silent": contacts,
        "purchase_frequency_falling": state.orders,
        "category_frequency_falling": state.categories,
    }


def _parts_of_events(state: SignalState) -> dict[SignalName, Any]:
    mismatch = state.mismatch
    return {
        "complaints_surging": state.complaints,
        "expectation_mismatch": mismatch if mismatch.negatives or mismatch.missed else None,
        "repeated_reopen": state.reopens,
        "low_csat": state.csat,
        "nps_detractor": state.nps,
    }


def _found(
    rules: tuple[SignalRule, ...], parts: Mapping[SignalName, Any], moment: Moment, weights: Weights
) -> list[Finding]:
    findings = []
    for rule in rules:
        part = parts[rule.name]
        # Most customers have nothing of most kinds.
        if not part:
            continue
        weight, threshold = weights[rule.name]
        finding = rule.evaluate(part, moment, weight, threshold)
        if finding is not None:
            findings.append(finding)
    findings.sort(key=lambda finding: -finding.signal.contribution)
    return findings
