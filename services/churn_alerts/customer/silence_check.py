"""Checks of a customer's running silence: which are due, whether one raises an alert, when he counts as lost. Pure."""

from collections.abc import Generator
from typing import Any

from services.churn_alerts.alert.decide import MOST_ADDED, Moment, log_odds, silence_alert_id
from services.churn_alerts.customer.checks import Crossed, Crossing, Look, Question, View
from services.churn_alerts.customer.describe import findings_of, raising_of, say, tier_of_view
from services.churn_alerts.customer.followed import Answers, Followed, last_day_of
from services.churn_alerts.customer.in_force import Basis, Policy
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.outlook import tier_at_purchase
from services.churn_alerts.customer.state import DONE
from services.churn_alerts.signal.registry import raising_contribution
from shared.contracts.alert import Tier


def has_checks(followed: Followed, silence: Purchases | None, until_u: int, basis: Basis = "orders") -> bool:
    """Return whether checks of the running silence before `until_u` days of it have not been carried out."""
    state = followed.present()
    if silence is None or state.next_check == DONE or state.merged_into:
        return False
    policy = followed.in_force.policy_for_day(last_day_of(silence) - 1).silence(basis)
    if silence.n_days < policy.min_purchases:
        return False
    first = state.next_check if state.next_check >= 0 else -(-policy.window_days // 4)
    return first < min(until_u, policy.lost_after_days)


def check(followed: Followed, basis: Basis, silence: Purchases, until_u: int) -> Answers:
    """Carry out the checks of the running silence before `until_u` days of it, in the customer's own event time.

    A silence that imported history itself ends is not checked: nobody could have been told in time.
    """
    if not has_checks(followed, silence, until_u, basis):
        return
    state = followed.present()
    last_day = last_day_of(silence)
    day = last_day + until_u - 1
    policy = followed.in_force.policy_for_day(day)
    if basis == "contacts" and not policy.in_force.rules.alerts_on_contact_silence:
        state.next_check = DONE
        return
    if state.is_disarmed and policy.in_force.rules.rearm_log_odds > 0:
        is_armed = yield from _rearm(followed, silence, basis)
        if not is_armed:
            return
    crossed: Crossed = yield Crossing(
        purchases=silence,
        basis=basis,
        first_check=state.next_check,
        until_u=until_u,
        tier=_tier_at_purchase(followed, silence, basis, policy),
        sigma=_sigma(followed, day, policy, basis),
        from_u=_quiet_until_day(followed, policy.in_force.rules.silence_cooldown_days) - last_day,
    )
    state.next_check = crossed.next_check
    if crossed.view is not None:
        state.next_check = DONE
        _alert_silence(followed, basis, silence, crossed.view)


def _rearm(followed: Followed, silence: Purchases, basis: Basis) -> Generator[Question, Any, bool]:
    """Return whether the risk at the last purchase fell far enough to alert the customer for silence again."""
    state = followed.present()
    policy = followed.in_force.policy_for_day(last_day_of(silence))
    view: View = yield Look(silence, basis, 0)
    threshold = policy.silence_threshold(_tier_at_purchase(followed, silence, basis, policy), basis)
    if log_odds(view.p) > log_odds(threshold) - policy.in_force.rules.rearm_log_odds:
        state.next_check = DONE
        return False
    state.is_disarmed = False
    return True


def _alert_silence(followed: Followed, basis: Basis, silence: Purchases, view: View) -> None:
    """Raise the alert of a silence at the check that crossed, or add the silence to the alert that is open."""
    state = followed.present()
    day = last_day_of(silence) + view.silence_days
    policy = followed.in_force.policy_for_day(day)
    moment = Moment(end_of_day_ms(day), followed.now_ms, is_history=False)
    findings = findings_of(followed, day, policy, view, basis)
    tier = tier_of_view(silence, basis, view, policy)
    excess = log_odds(view.p) + raising_contribution(findings) - log_odds(policy.silence_threshold(tier, basis))
    said = say(followed, findings, view, basis, silence, tier, excess, policy, moment, day)
    if state.alert is not None:
        followed.update_alert(said, moment, is_silence=True)
        return
    alert_id = silence_alert_id(followed.key, last_day_of(silence), policy.version)
    followed.raise_alert(alert_id, said, policy, moment, is_silence=True, clearable_from_ms=moment.at_ms)


def lose(followed: Followed, basis: Basis, silence: Purchases, day: int) -> None:
    """End the alert of a customer who by the end of `day` has been silent for so long that he counts as lost."""
    state = followed.present()
    last_day = last_day_of(silence)
    lost_after = followed.in_force.policy_for_day(day).silence(basis).lost_after_days
    if day - last_day < lost_after:
        return
    state.next_check = DONE
    lost_ms = end_of_day_ms(last_day + lost_after)
    if state.alert is not None and state.alert.raised_ms <= lost_ms:
        followed.clear_alert("lost", Moment(lost_ms, followed.now_ms, False))


def _tier_at_purchase(followed: Followed, silence: Purchases, basis: Basis, policy: Policy) -> Tier:
    if basis == "contacts" or policy.is_uniform:
        return "new"
    generation = followed.in_force.generation_for_day(basis, last_day_of(silence) - 1, silence.horizon_days)
    return tier_at_purchase(silence, generation, policy.tier_cuts)


def _quiet_until_day(followed: Followed, cooldown_days: int) -> int:
    cleared_ms = followed.present().cleared_ms
    return cleared_ms // DAY_MS + cooldown_days if cleared_ms and cooldown_days else 0


def _sigma(followed: Followed, day: int, policy: Policy, basis: Basis) -> float:
    """Return what other signals add, in log-odds, to the risk of a silence check at the end of `day`."""
    state = followed.present()
    signals = state.signals
    has_signals = (
        signals.complaints is not None
        or signals.mismatch.negatives
        or signals.mismatch.missed
        or signals.csat
        or signals.nps
        or signals.reopens
        or signals.inquiries
        or signals.payments.invoices
        or signals.categories
        or state.contact_days is not None
    )
    if not has_signals:
        return 0.0
    findings = raising_of(followed, day, policy)
    if basis == "contacts":
        # Contact silence is what is being checked; it may not count twice.
        findings = [finding for finding in findings if finding.signal.name != "contact_falling_silent"]
    return round(min(raising_contribution(findings), MOST_ADDED), 4)
