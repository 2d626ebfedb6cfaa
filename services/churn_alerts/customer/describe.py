"""What holds of a customer on a day, and what his alert says of it: findings, tier, body. Pure."""

from typing import Final

from services.churn_alerts.alert.decide import Moment, describe
from services.churn_alerts.customer.checks import View
from services.churn_alerts.customer.followed import Followed, Said
from services.churn_alerts.customer.in_force import Basis, Policy
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.outlook import risk_of
from services.churn_alerts.signal.contact_falling_silent import ContactSilence
from services.churn_alerts.signal.model import Finding
from services.churn_alerts.signal.model import Moment as SignalMoment
from services.churn_alerts.signal.purchase_overdue import Silence
from services.churn_alerts.signal.registry import find_all, find_raising
from shared.clock import from_ms
from shared.contracts.alert import Tier

# An alert is looked at again after so many days when its evidence sets no earlier date.
_REVIEW_DAYS: Final = 365


def tier_of_view(silence: Purchases | None, basis: Basis, view: View | None, policy: Policy) -> Tier:
    if silence is None or view is None or basis == "contacts":
        return "new"
    return view.tier(policy.tier_cuts)


def say(
    followed: Followed,
    findings: list[Finding],
    view: View | None,
    basis: Basis,
    silence: Purchases | None,
    tier: Tier,
    excess: float,
    policy: Policy,
    moment: Moment,
    day: int,
) -> Said:
    state = followed.present()
    rules = policy.in_force.rules
    risk = None
    if view is not None and silence is not None:
        risk = risk_of(view, silence, from_ms(moment.at_ms), view.tier(policy.tier_cuts), state.currency, basis)
    signals = [finding.signal for finding in findings]
    negatives = state.signals.mismatch.negatives
    body = describe(
        signals,
        negatives,
        risk,
        tier,
        excess,
        rules,
        day,
        is_about_contacts=basis == "contacts",
        quiet_since_day=None if silence is None else silence.last_day,
    )
    ends_day = min((finding.ends_day for finding in findings), default=day + _REVIEW_DAYS)
    return Said(body, max(ends_day, day + 1))


def findings_of(followed: Followed, day: int, policy: Policy, view: View | None, basis: Basis) -> list[Finding]:
    """Return every signal that holds at the end of `day`, the silence among them if the score is known."""
    state = followed.present()
    overdue = None
    if view is not None and basis == "orders":
        sales = state.signals.mismatch.sales
        last_id = sales[-1].event_id if sales else ""
        overdue = Silence(view.silence_days, view.usual_gap_days, view.p, view.generation.horizon_days, last_id)
    return find_all(
        state.signals,
        SignalMoment(day, state.signals.since_day),
        policy.weights,
        overdue,
        _contact_silence(followed, day, view, basis),
    )


def raising_of(followed: Followed, day: int, policy: Policy) -> list[Finding]:
    """Return the signals that hold at the end of `day` and can raise an alert, whatever the score says."""
    signals = followed.present().signals
    moment = SignalMoment(day, signals.since_day)
    return find_raising(signals, moment, policy.weights, _contact_silence(followed, day, None, "orders"))


def _contact_silence(followed: Followed, day: int, view: View | None, basis: Basis) -> ContactSilence | None:
    contacts = followed.present().contact_days
    if contacts is None or contacts.n_days < 2:
        return None
    usual = (contacts.last_day - contacts.first_day) / (contacts.n_days - 1)
    silence_days = max(day - contacts.last_day, 0)
    if basis == "contacts" and view is not None:
        return ContactSilence(contacts.n_days, silence_days, view.usual_gap_days, view.p)
    return ContactSilence(contacts.n_days, silence_days, usual)
