"""What is left once a customer's events are taken in: his next wake-up, and what is told of his risk. Pure."""

from typing import Literal

from msgspec import Struct

from services.churn_alerts.customer.checks import Closing, View
from services.churn_alerts.customer.followed import Followed, SilenceCheck, last_day_of
from services.churn_alerts.customer.in_force import Basis
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.outlook import risk_of
from services.churn_alerts.customer.schedule import CHECK_DELAY_MS, ROUND_MS
from services.churn_alerts.customer.state import DONE, UNPLANNED, CustomerState
from services.churn_alerts.signal.state import next_review_day
from shared.clock import from_ms
from shared.contracts.alert import CustomerRisk, Tier

Phase = Literal["unscored", "active", "at_risk", "lost"]


class Standing(Struct, frozen=True, gc=False):
    """A customer's running silence as of `day`, and why no risk is given for it (None: one is)."""

    basis: Basis
    silence: Purchases | None
    day: int
    phase: Phase | None


def standing(followed: Followed, state: CustomerState) -> Standing:
    """Return where the customer stands once all events are taken in."""
    day = state.clock_ms // DAY_MS if followed.woken_day is None else followed.woken_day
    basis, silence = followed.running_silence()
    if silence is None or not silence.recent:
        return Standing(basis, silence, day, "unscored")
    policy = followed.in_force.policy_for_day(day).silence(basis)
    if silence.n_days < policy.min_purchases:
        return Standing(basis, silence, day, "unscored")
    return Standing(basis, silence, day, "lost" if day - last_day_of(silence) >= policy.lost_after_days else None)


def wake_at_ms(followed: Followed, state: CustomerState, now: Standing) -> int | None:
    """Return when the customer must be looked at next, or None. The running silence must have been planned."""
    if state.merged_into:
        return None
    now_ms = followed.now_ms
    if state.settle_ms:
        return max(state.settle_ms, now_ms + CHECK_DELAY_MS + ROUND_MS)
    newest_ms = max(now_ms, state.clock_ms)
    policy = followed.in_force.policy_for_day(newest_ms // DAY_MS - 1)
    day = next_review_day(state.signals, state.judged_day, policy.weights["payment_delayed"][1])
    next_check, silence = state.next_check, now.silence
    if silence is not None and next_check != UNPLANNED:
        schedule = policy.silence(now.basis)
        if silence.n_days >= schedule.min_purchases:
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


def closing(followed: Followed, state: CustomerState, now: Standing) -> Closing | None:
    """Return what must be asked before `conclude`; None if nothing need be."""
    phase, silence = now.phase, now.silence
    if silence is None or phase == "unscored":
        return None
    needs_floor = state.next_check == UNPLANNED and not state.settle_ms and not state.merged_into
    silence_days = max(now.day - last_day_of(silence), 0) if followed.is_outlook_due and phase is None else None
    if silence_days is None and not needs_floor:
        return None
    return Closing(silence, now.basis, silence_days, needs_floor, needs_value=followed.woken_day is not None)


def conclude(followed: Followed, state: CustomerState, now: Standing, view: View | None) -> CustomerRisk | None:
    """Return what is to be said of the customer's risk, if there is news of it; his silence must have been planned."""
    day, phase, silence, purchases = now.day, now.phase, now.silence, state.purchases
    is_woken = followed.woken_day is not None
    n_purchases = 0 if purchases is None else purchases.n_days
    tier: Tier | None = None
    if view is None:
        told = f"{phase or 'unscored'}:{n_purchases}"
    else:
        policy = followed.in_force.policy_for_day(day)
        tier = view.tier(policy.tier_cuts)
        counted: Tier = "new" if now.basis == "contacts" else tier
        is_high = view.p >= policy.silence_threshold(counted, now.basis)
        if is_woken and silence is not None and state.next_check != UNPLANNED:
            followed.check = SilenceCheck(followed.key, last_day_of(silence), day, counted, view.p, policy)
        phase = "at_risk" if is_high else "active"
        told = f"{phase}:{n_purchases}:{view.p:.2f}:{'value' if view.residual_value is not None else ''}"
    if is_woken and told == state.told:
        return None
    state.told = told
    as_of_ms = end_of_day_ms(day) if is_woken else state.clock_ms
    as_of, ordered_ms = from_ms(as_of_ms), state.signals.last_order_ms
    risk = None
    if view is not None and silence is not None and tier is not None:
        risk = risk_of(view, silence, as_of, tier, state.currency, now.basis)
    return CustomerRisk(
        customer_id=followed.key,
        as_of=as_of,
        state=phase or "unscored",
        n_purchases=n_purchases,
        # Mostly the same instant: making one of it costs as much as all the rest.
        last_purchase_at=None if ordered_ms is None else as_of if ordered_ms == as_of_ms else from_ms(ordered_ms),
        risk=risk,
    )
