"""What is left once a customer's events are taken in: his next wake-up, and what is told of his risk. Pure."""

from typing import Literal

from msgspec import Struct

from services.churn_alerts.customer.checks import Closing, View
from services.churn_alerts.customer.followed import Followed, SilenceCheck, last_day_of
from services.churn_alerts.customer.in_force import Basis
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.outlook import risk_of
from services.churn_alerts.customer.schedule import CHECK_DELAY_MS, ROUND_MS
from services.churn_alerts.customer.state import DONE, UNPLANNED
from services.churn_alerts.signal.state import next_review_day
from shared.clock import from_ms
from shared.contracts.alert import CustomerRisk, Tier

Phase = Literal["unscored", "active", "at_risk", "lost"]


class Standing(Struct, frozen=True, gc=False):
    """A customer's running silence, and why no risk is given for it (None: one is)."""

    basis: Basis
    silence: Purchases | None
    phase: Phase | None


def standing(followed: Followed) -> Standing:
    """Return where the customer stands once all events are taken in."""
    basis, silence = followed.running_silence()
    return Standing(basis, silence, _phase(followed, basis, silence))


def wake_at_ms(followed: Followed, now: Standing) -> int | None:
    """Return when the customer must be looked at next, or None. The running silence must have been planned."""
    state = followed.present()
    if state.merged_into:
        return None
    if state.settle_ms:
        return max(state.settle_ms, followed.now_ms + CHECK_DELAY_MS + ROUND_MS)
    now_ms, next_check = followed.now_ms, state.next_check
    policy = followed.in_force.policy_for_day(max(state.clock_ms, now_ms) // DAY_MS - 1)
    day = next_review_day(state.signals, state.judged_day, policy.weights["payment_delayed"][1])
    if next_check != UNPLANNED:
        silence, schedule = now.silence, policy.silence(now.basis)
        if silence is not None and silence.n_days >= schedule.min_purchases:
            last_day, lost_after = last_day_of(silence), schedule.lost_after_days
            if next_check >= 0:
                day = _earlier(day, last_day + min(next_check, lost_after))
            elif next_check == DONE and state.judged_day < last_day + lost_after:
                day = _earlier(day, last_day + lost_after)
    if state.alert is not None:
        day = _earlier(day, state.alert.ends_day)
    if day is None:
        return None
    return max(end_of_day_ms(day), now_ms + ROUND_MS) + CHECK_DELAY_MS


def _earlier(day: int | None, other: int) -> int:
    return other if day is None or other < day else day


def closing(followed: Followed, now: Standing) -> Closing | None:
    """Return what must be asked before `conclude`; None if nothing need be."""
    silence = now.silence
    if silence is None:
        return None
    state = followed.present()
    needs_floor = (
        state.next_check == UNPLANNED and now.phase != "unscored" and not state.settle_ms and not state.merged_into
    )
    silence_days = followed.silence_days(silence) if followed.is_outlook_due and now.phase is None else None
    if silence_days is None and not needs_floor:
        return None
    return Closing(silence, now.basis, silence_days, needs_floor, needs_value=followed.woken_day is not None)


def conclude(followed: Followed, now: Standing, view: View | None) -> CustomerRisk | None:
    """Return what is to be said of the customer's risk, if there is news of it; his silence must have been planned."""
    state, silence = followed.present(), now.silence
    day = followed.as_of_day()
    as_of_ms = state.clock_ms if followed.woken_day is None else end_of_day_ms(day)
    phase, tier = now.phase, None
    if view is not None:
        policy = followed.in_force.policy_for_day(day)
        tier = view.tier(policy.tier_cuts)
        counted: Tier = "new" if now.basis == "contacts" else tier
        is_high = view.p >= policy.silence_threshold(counted, now.basis)
        if followed.woken_day is not None and silence is not None and state.next_check != UNPLANNED:
            followed.check = SilenceCheck(followed.key, last_day_of(silence), day, counted, view.p, policy)
        phase = "at_risk" if is_high else "active"
    n_purchases = 0 if state.purchases is None else state.purchases.n_days
    told = f"{phase or 'unscored'}:{n_purchases}"
    if view is not None:
        told += f":{view.p:.2f}:{'value' if view.residual_value is not None else ''}"
    if followed.woken_day is not None and told == state.told:
        return None
    state.told = told
    risk = None
    if view is not None and silence is not None and tier is not None:
        risk = risk_of(view, silence, as_of_ms, tier, state.currency, now.basis)
    return CustomerRisk(
        customer_id=followed.key,
        as_of=from_ms(as_of_ms),
        state=phase or "unscored",
        n_purchases=n_purchases,
        last_purchase_at=None if (ordered_ms := state.signals.last_order_ms) is None else from_ms(ordered_ms),
        risk=risk,
    )


def _phase(followed: Followed, basis: Basis, silence: Purchases | None) -> Phase | None:
    """Return why no risk is given for the running silence: too little is known, or he is lost; None if one is."""
    if silence is None or not silence.recent:
        return "unscored"
    day = followed.as_of_day()
    policy = followed.in_force.policy_for_day(day).silence(basis)
    if silence.n_days < policy.min_purchases:
        return "unscored"
    return "lost" if day - last_day_of(silence) >= policy.lost_after_days else None
