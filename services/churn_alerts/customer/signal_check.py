"""A customer's signals judged, on an event or at a day's end: the alert they raise, change or end. Pure."""

from collections.abc import Generator
from typing import Any, Final

from msgspec.structs import replace

from services.churn_alerts.alert.decide import (
    SEVERITIES,
    Moment,
    is_material,
    is_news,
    log_odds,
    p_with,
    signals_alert_id,
)
from services.churn_alerts.customer.checks import Look, Question, View
from services.churn_alerts.customer.describe import findings_of, raising_of, say, tier_of_view
from services.churn_alerts.customer.followed import Answers, Followed, last_day_of
from services.churn_alerts.customer.in_force import Basis, Policy
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.purchases import before_day
from services.churn_alerts.customer.state import CustomerState
from services.churn_alerts.signal.model import Finding
from services.churn_alerts.signal.model import Moment as SignalMoment
from services.churn_alerts.signal.registry import find_on_event, raising_contribution

# Signals that time brings about, not an event; they need no newer evidence to raise after an earlier alert.
_TIMED: Final = frozenset({"inquiry_without_order", "payment_delayed", "contact_falling_silent"})


def judge_event(followed: Followed, day: int) -> Answers | None:
    """Judge, on an event, the signals that events bring about: raise an alert, or tell an open one at once."""
    state = followed.present()
    policy = followed.in_force.policy_for_day(day)
    day = max(day, state.clock_ms // DAY_MS)
    found = find_on_event(state.signals, SignalMoment(day, state.signals.since_day), policy.weights)
    if not found:
        return None
    alert = state.alert
    if alert is None:
        if not _may_raise(followed, day, policy, found):
            return None
    elif alert.severity == SEVERITIES[-1] and {finding.signal.name for finding in found} <= set(alert.signals):
        return None
    return _judge(followed, day, policy, Moment(state.clock_ms, followed.now_ms, False), found)


def judge_day(followed: Followed, day: int, is_settling: bool) -> Answers:
    """Judge every signal at the end of a day.

    After an import a day is judged later than events of the next one; an alert that rests on those is theirs to change.
    """
    policy = followed.in_force.policy_for_day(day)
    alert = followed.present().alert
    if alert is not None and not alert.is_silence and alert.last_ms > end_of_day_ms(day):
        return
    is_quiet = alert is None
    if is_quiet and not _may_raise(followed, day, policy, raising_of(followed, day, policy)):
        return
    yield from _judge(followed, day, policy, Moment(end_of_day_ms(day), followed.now_ms, is_settling), None)


def _judge(followed: Followed, day: int, policy: Policy, moment: Moment, on_event: list[Finding] | None) -> Answers:
    """Raise, update or clear by the signals as of `day`; `on_event` are those found before the day has ended.

    Only those count for raising within the day, so that the order of a day's events does not matter.
    """
    state = followed.present()
    basis, silence = followed.running_silence()
    view: View | None = None
    if silence is not None and silence.n_days >= policy.silence(basis).min_purchases:
        view = yield Look(silence, basis, max(day - last_day_of(silence), 0))
    findings = findings_of(followed, day, policy, view, basis)
    tier = tier_of_view(silence, basis, view, policy)
    threshold = policy.signal_threshold(tier)
    total = raising_contribution(findings if on_event is None else on_event)
    alert = state.alert
    if alert is None:
        if total >= threshold and (
            yield from _is_leaving(basis, silence, view, total, day, policy, is_within_day=on_event is not None)
        ):
            alert_id = signals_alert_id(followed.key, day, policy.version)
            said = say(followed, findings, view, basis, silence, tier, total - threshold, policy, moment, day)
            followed.raise_alert(alert_id, said, policy, moment, is_silence=False, clearable_from_ms=end_of_day_ms(day))
        return
    if on_event is None and not alert.is_silence:
        if _bought_after_evidence(followed, day):
            followed.clear_alert("returned", moment)
            return
        if total < threshold - policy.in_force.rules.recover_log_odds:
            followed.clear_alert("recovered", moment)
            return
    excess = total - threshold
    if alert.is_silence and view is not None:
        excess = log_odds(view.p) + total - log_odds(policy.silence_threshold(tier, basis))
    said = say(followed, findings, view, basis, silence, tier, excess, policy, moment, day)
    if is_material(alert, said.body) or (on_event is None and is_news(alert, said.body)):
        followed.update_alert(said, moment, is_silence=False)
    elif on_event is None:
        state.alert = replace(alert, ends_day=said.ends_day)


def _is_leaving(
    basis: Basis,
    silence: Purchases | None,
    view: View | None,
    total: float,
    day: int,
    policy: Policy,
    *,
    is_within_day: bool,
) -> Generator[Question, Any, bool]:
    """Return whether the risk with the log-odds `total` of the signals is enough for an alert.

    Of a customer without a risk the signals' own threshold decides. Within a day the risk is that of the days before:
    whether he also buys today may not depend on the order.
    """
    if is_within_day and silence is not None:
        before = before_day(silence, day)
        view = None
        if before.recent and before.n_days >= policy.silence(basis).min_purchases:
            view = yield Look(before, basis, day - last_day_of(before))
    rules = policy.in_force.rules
    return view is None or total >= rules.alone_log_odds or p_with(view.p, total) >= rules.least_p_leaving


def _bought_after_evidence(followed: Followed, day: int) -> bool:
    """Return whether the customer of an alert that an event raised bought again, by the end of `day`."""
    state = followed.present()
    ordered_ms = state.signals.last_order_ms
    if state.alert is None or ordered_ms is None:
        return False
    ordered_day = ordered_ms // DAY_MS
    return state.alert.raised_ms // DAY_MS <= ordered_day <= day and ordered_ms > _newest_evidence_ms(state)


def _may_raise(followed: Followed, day: int, policy: Policy, findings: list[Finding]) -> bool:
    """Return whether signals may raise an alert: strong enough for some tier, no cooldown, and something is new."""
    state = followed.present()
    least = min(policy.in_force.rules.signal_thresholds.values())
    if raising_contribution(findings) < least:
        return False
    if not state.cleared_ms:
        return True
    if day < state.cleared_ms // DAY_MS + max(policy.in_force.rules.cooldown_days, 1):
        return False
    if _newest_evidence_ms(state) > state.cleared_ms:
        return True
    return raising_contribution([finding for finding in findings if finding.signal.name in _TIMED]) >= least


def _newest_evidence_ms(state: CustomerState) -> int:
    """Return the time of the newest event that a signal judged on events rests on."""
    signals = state.signals
    times = [signals.mismatch.negatives[-1].at_ms if signals.mismatch.negatives else 0]
    times.extend(
        item[-1].at_ms for item in (signals.mismatch.missed, signals.csat, signals.nps, signals.reopens) if item
    )
    if signals.complaints is not None:
        times.append(signals.complaints.proofs[-1][0])
    return max(times)
