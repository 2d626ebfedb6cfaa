"""The life of a customer's one open alert: what raises, updates and clears it, and the records that say so. Pure."""

import hashlib
from collections.abc import Sequence
from math import exp, log
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.churn_alerts.alert.cause import cause_of
from services.churn_alerts.alert.evidence import summary
from services.churn_alerts.alert.playbook import choose_playbook, sensitivity_of
from services.churn_alerts.alert.rules import Rules
from services.churn_alerts.signal.expectation_mismatch import Negative
from services.churn_alerts.signal.registry import added_log_odds
from shared.clock import from_ms
from shared.contracts.alert import (
    AlertBody,
    AlertCleared,
    AlertRaised,
    AlertUpdated,
    ClearReason,
    Risk,
    Severity,
    Signal,
    Tier,
)
from shared.ids import digest_id

SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")

# How many steps of severity a tier starts with, and the log-odds over the threshold that add a step each.
_TIER_STEPS: Final[dict[Tier, int]] = {"new": 0, "bronze": 0, "silver": 1, "gold": 1, "platinum": 2}
_EXCESS_STEPS: Final = (0.7, 1.6)
# The risk from which an alert may be called high, and critical: no alarm about a customer who most likely stays.
_LEAST_P_LEAVING: Final = (0.2, 0.5)


# Signals that follow from silence: they explain an alert, their coming and going is no news.
_FOLLOWING: Final = frozenset(
    {"purchase_overdue", "purchase_frequency_falling", "category_frequency_falling", "contact_falling_silent"}
)


class OpenAlert(Struct, frozen=True, array_like=True, gc=False):
    """What the state keeps of the open alert. Times are milliseconds since 1970.

    A purchase before `clearable_from_ms` does not clear it: within the day of an alert that an event raised, the order
    of events is not known well enough, so that day's end judges. `ends_day` is when time alone may end its evidence.
    """

    alert_id: str
    raised_ms: int
    last_ms: int
    revision: int
    rules_version: int
    severity: Severity
    signals: tuple[str, ...]
    is_silence: bool
    clearable_from_ms: int
    ends_day: int
    fingerprint: str
    is_historical: bool = False


class Moment(Struct, frozen=True, gc=False):
    """When something is decided: its event time, the partition's watermark, and whether history decided it."""

    at_ms: int
    now_ms: int
    is_history: bool

    @property
    def is_historical(self) -> bool:
        """Whether the decision is stored and counted, and notifies nobody."""
        return self.is_history or self.now_ms - self.at_ms > HISTORY_MS


MOST_ADDED: Final = 1.0
"""Log-odds that signals together may add to a known risk. Their weights are priors, each for itself: summed up, they
overstate (docs/signals.md)."""

HISTORY_MS: Final = 86_400_000
"""Older than this is history: it builds state and never notifies anyone."""


def silence_alert_id(customer_id: str, spell_start_day: int, rules_version: int) -> str:
    """Return the id of the alert about the silence that began on a UTC day (days since 1970)."""
    return digest_id("alr", customer_id, f"silence:{spell_start_day}", str(rules_version))


def signals_alert_id(customer_id: str, day: int, rules_version: int) -> str:
    """Return the id of the alert that signals raised on a UTC day (days since 1970)."""
    return digest_id("alr", customer_id, f"signals:{day}", str(rules_version))


def log_odds(p: float) -> float:
    bounded = min(max(p, 1e-6), 1 - 1e-6)
    return log(bounded / (1 - bounded))


def severity_of(excess: float, tier: Tier, p_leaving: float | None = None) -> Severity:
    """Return the severity: a step for silver and gold, two for platinum, and one each at .7 and 1.6 over the threshold.

    `excess` is the log-odds by which the evidence exceeds what raises an alert. `p_leaving`, the risk with what the
    signals add to it, is what a severity may claim at most: high from one in five on, critical from one in two.
    """
    steps = _TIER_STEPS[tier] + sum(1 for step in _EXCESS_STEPS if excess >= step)
    if p_leaving is not None:
        steps = min(steps, 1 + sum(1 for least in _LEAST_P_LEAVING if p_leaving >= least))
    return SEVERITIES[min(steps, len(SEVERITIES) - 1)]


def p_leaving(risk: Risk | None, signals: Sequence[Signal]) -> float | None:
    """Return the risk with the log-odds that the signals add, None where there is no risk."""
    return None if risk is None else p_with(risk.p_churn, added_log_odds(signals))


def p_with(p: float, added: float) -> float:
    """Return the risk `p` with the log-odds that signals add to it, as far as they may."""
    return 1.0 / (1.0 + exp(-(log_odds(p) + min(added, MOST_ADDED))))


def describe(
    signals: Sequence[Signal],
    negatives: Sequence[Negative],
    risk: Risk | None,
    tier: Tier,
    excess: float,
    rules: Rules,
    day: int,
    *,
    is_about_contacts: bool = False,
    quiet_since_day: int | None = None,
) -> AlertBody:
    """Return what the alert says as of the end of `day`: severity, cause, signals, one sentence why, and a playbook.

    `quiet_since_day` is the day of the last purchase, or contact, where there is one.
    """
    cause, p_cause = cause_of(negatives, signals, day, quiet_since_day)
    is_shrinking = risk is not None and any(
        reason.group == "baskets_shrinking" and reason.contribution > 0 for reason in risk.reasons
    )
    chosen = choose_playbook(rules.playbooks, cause, tier, sensitivity_of(cause, is_shrinking))
    p_churn, horizon_days = (None, 0.0) if risk is None else (risk.p_churn, risk.horizon_days)
    en, zh = summary(signals, p_churn, horizon_days, is_about_contacts)
    return AlertBody(
        severity=severity_of(excess, tier, p_leaving(risk, signals)),
        cause=cause,
        p_cause=p_cause,
        signals=list(signals),
        summary_en=en,
        summary_zh=zh,
        risk=risk,
        playbook=chosen.name if chosen else None,
        playbook_reason=chosen.reason_en if chosen else "",
        playbook_reason_zh=chosen.reason_zh if chosen else "",
    )


def raised(
    customer_id: str,
    alert_id: str,
    body: AlertBody,
    moment: Moment,
    *,
    rules_version: int,
    is_silence: bool,
    clearable_from_ms: int,
    ends_day: int,
) -> tuple[OpenAlert, AlertRaised]:
    """Return a new open alert and its record."""
    alert = OpenAlert(
        alert_id=alert_id,
        raised_ms=moment.at_ms,
        last_ms=moment.at_ms,
        revision=1,
        rules_version=rules_version,
        severity=body.severity,
        signals=_names(body),
        is_silence=is_silence,
        clearable_from_ms=clearable_from_ms,
        ends_day=ends_day,
        fingerprint=_fingerprint(body),
        is_historical=moment.is_historical,
    )
    record = AlertRaised(
        alert_id=alert_id,
        customer_id=customer_id,
        at=from_ms(moment.at_ms),
        revision=1,
        rules_version=rules_version,
        body=body,
        is_historical=moment.is_historical,
    )
    return alert, record


def is_material(alert: OpenAlert, body: AlertBody) -> bool:
    """Return whether the news cannot wait for the day's end: severity rose, or a signal that was not there."""
    if SEVERITIES.index(body.severity) > SEVERITIES.index(alert.severity):
        return True
    return not set(_names(body)) <= _FOLLOWING.union(alert.signals)


def is_news(alert: OpenAlert, body: AlertBody) -> bool:
    """Return whether the alert would say anything else than it last said, mere passing of time apart."""
    return _fingerprint(body) != alert.fingerprint


def updated(
    customer_id: str, alert: OpenAlert, body: AlertBody, moment: Moment, *, is_silence: bool, ends_day: int
) -> tuple[OpenAlert, AlertUpdated]:
    """Return the alert with its new evidence and the record. It keeps the rules version that raised it."""
    at_ms = max(moment.at_ms, alert.last_ms)
    is_historical = alert.is_historical and moment.is_historical
    changed = replace(
        alert,
        last_ms=at_ms,
        revision=alert.revision + 1,
        severity=body.severity,
        signals=_names(body),
        is_silence=alert.is_silence or is_silence,
        ends_day=ends_day,
        fingerprint=_fingerprint(body),
        is_historical=is_historical,
    )
    record = AlertUpdated(
        alert_id=alert.alert_id,
        customer_id=customer_id,
        at=from_ms(at_ms),
        revision=changed.revision,
        rules_version=alert.rules_version,
        body=body,
        is_historical=moment.is_historical,
    )
    return changed, record


def cleared(customer_id: str, alert: OpenAlert, reason: ClearReason, moment: Moment) -> AlertCleared:
    """Return the record that ends the alert."""
    return AlertCleared(
        alert_id=alert.alert_id,
        customer_id=customer_id,
        at=from_ms(max(moment.at_ms, alert.last_ms)),
        revision=alert.revision + 1,
        rules_version=alert.rules_version,
        reason=reason,
        is_historical=moment.is_historical,
    )


def reason_of_return(alert: OpenAlert, purchase_ms: int) -> ClearReason:
    """Return why a purchase clears: he came back; or, if it lies before the raise, there was no silence to alert."""
    return "evidence_undone" if alert.is_silence and purchase_ms < alert.raised_ms else "returned"


def _names(body: AlertBody) -> tuple[str, ...]:
    return tuple(signal.name for signal in body.signals)


def _fingerprint(body: AlertBody) -> str:
    news = sorted((signal.name, signal.evidence) for signal in body.signals if signal.name not in _FOLLOWING)
    said = (body.severity, body.cause, news)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=6).hexdigest()
