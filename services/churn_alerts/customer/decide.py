"""One customer's events and wake-ups followed in his own event time: what changes, and which alerts that means. Pure.

`Following` is written as generators that ask questions of the score (`checks.Question`) and go on with the answers, so
that many customers are followed side by side and each round of questions is answered in one vectorised call.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from services.churn_alerts.alert.decide import (
    SEVERITIES,
    Moment,
    cleared,
    describe,
    is_material,
    is_news,
    log_odds,
    raised,
    reason_of_return,
    signals_alert_id,
    silence_alert_id,
    updated,
)
from services.churn_alerts.customer import joined
from services.churn_alerts.customer.checks import Closing, Crossed, Crossing, Look, Question, View
from services.churn_alerts.customer.in_force import Basis, InForce, Policy
from services.churn_alerts.customer.joined import LinkRecord
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.outlook import risk_of, tier_at_purchase
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.state import (
    DONE,
    UNPLANNED,
    CustomerState,
    fingerprint_of,
    new_state,
    with_contact,
)
from services.churn_alerts.signal import fold
from services.churn_alerts.signal.contact_falling_silent import ContactSilence
from services.churn_alerts.signal.model import Finding
from services.churn_alerts.signal.model import Moment as SignalMoment
from services.churn_alerts.signal.purchase_overdue import Silence
from services.churn_alerts.signal.registry import find_all, find_on_event, raising_contribution
from services.churn_alerts.signal.state import next_review_day
from shared.clock import from_ms, to_ms
from shared.contracts.alert import AlertBody, AlertRecord, ClearReason, CustomerRisk, Tier
from shared.contracts.enriched import Sentiment
from shared.contracts.event import (
    CustomerErased,
    EventBase,
    Interaction,
    OrderPlaced,
    OrderReturned,
)
from shared.contracts.identity import HistoryLeft, HistoryMoved
from shared.trace_headers import carried

CHECK_DELAY_MS: Final = 15 * 60_000
"""How long after a UTC day's end its checks are carried out: stragglers of the day arrive first. Stamps do not move."""

SETTLE_MS: Final = 15 * 60_000
"""How long after imported history was received its customer is judged (docs/adr/0007)."""

ROUND_MS: Final = 5 * 60_000
_HISTORY: Final = timedelta(days=1)
# An alert is looked at again after so many days when its evidence sets no earlier date.
_REVIEW_DAYS: Final = 365

# Signals that time brings about, not an event; they need no newer evidence to raise after an earlier alert.
_TIMED: Final = frozenset({"inquiry_without_order", "payment_delayed", "contact_falling_silent"})

Headers = Sequence[tuple[str, bytes]]
Phase = Literal["unscored", "active", "at_risk", "lost"]
Answers = Generator[Question, Any, None]


class Heard(Struct, frozen=True, gc=False):
    """One event of the customer, its text's sentiment, the partition's watermark after it, and its record's headers.

    `linked_id` is whose history it adds to, if not the customer's own.
    """

    event: EventBase
    sentiment: Sentiment | None
    now_ms: int
    headers: Headers = ()
    linked_id: str = ""

    @property
    def at_ms(self) -> int:
        return to_ms(self.event.occurred_at)


class Relinked(Struct, frozen=True, gc=False):
    """A record about the customer's links, read at `offset`, and the partition's watermark after it."""

    record: LinkRecord
    now_ms: int
    offset: int

    @property
    def at_ms(self) -> int:
        return to_ms(self.record.at)


class SilenceCheck(Struct, frozen=True):
    """The risk at a wake-up of the silence that began on `spell_day`, and the policy it was compared with."""

    customer_id: str
    spell_day: int
    day: int
    tier: Tier
    p: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class _Said:
    """What an alert says, and the first day on which time alone may change it."""

    body: AlertBody
    ends_day: int


class Following:
    """A customer while a run or a wake-up is decided. `state` is a copy of his own; None once he is erased."""

    __slots__ = (
        "_headers",
        "_in_force",
        "_woken_day",
        "check",
        "is_changed",
        "is_outlook_due",
        "is_plan_due",
        "key",
        "now_ms",
        "record_headers",
        "records",
        "sent",
        "state",
    )

    def __init__(self, key: str, state: CustomerState, in_force: InForce) -> None:
        self.key = key
        self.state: CustomerState | None = state
        self.records: list[AlertRecord] = []
        # Of each record: the trace and time of the event that led to it; nothing where time alone did.
        self.record_headers: list[Headers] = []
        # Histories on their way to other customers.
        self.sent: list[HistoryMoved | HistoryLeft] = []
        self.is_changed = False
        # Whether a purchase or a wake-up changed what is to be said of the customer's risk.
        self.is_outlook_due = False
        # Whether the next wake-up may have moved.
        self.is_plan_due = False
        self.now_ms = 0
        # What the newest check found, for those who watch capacity.
        self.check: SilenceCheck | None = None
        self._woken_day: int | None = None
        self._headers: Headers = ()
        self._in_force = in_force

    def hear_all(self, events: Sequence[Heard | Relinked]) -> Answers | None:
        """Take in events in order; returns None when all are, else the questions that must be answered on the way."""
        for index, heard in enumerate(events):
            questions = self._hear(heard)
            if questions is not None:
                return self._hear_rest(questions, events[index + 1 :])
        return None

    def _hear_rest(self, questions: Answers, events: Sequence[Heard | Relinked]) -> Answers:
        yield from questions
        for heard in events:
            more = self._hear(heard)
            if more is not None:
                yield from more

    def _hear(self, heard: Heard | Relinked) -> Answers | None:
        if isinstance(heard, Relinked):
            self._hear_of_links(heard)
            return None
        event = heard.event
        at_ms = to_ms(event.occurred_at)
        day = at_ms // DAY_MS
        state = self.state
        if state is None:
            state = self.state = new_state(day)
        if state.has_seen(fingerprint_of(event.source, event.id), day):
            return None
        if heard.linked_id or state.parts:
            policy = self._in_force.policy_for_day(day - 1)
            horizons = (policy.horizon_days("orders"), policy.horizon_days("contacts"))
            joined.remember(state, heard.linked_id, event, heard.sentiment, horizons)
        self.is_changed = True
        # Wake-ups fall on whole five minutes: of the watermark, which depends on the other customers of the partition,
        # only those count.
        self.now_ms = heard.now_ms // ROUND_MS * ROUND_MS
        self._headers = heard.headers
        received_at = event.received_at
        is_history = isinstance(received_at, datetime) and received_at - event.occurred_at > _HISTORY
        if is_history and isinstance(received_at, datetime):
            state.settle_ms = max(state.settle_ms, _rounded_up(to_ms(received_at) + SETTLE_MS))
            self.is_plan_due = True
        if at_ms > state.clock_ms:
            state.clock_ms = at_ms
        if isinstance(event, OrderPlaced):
            return self._purchase(event, heard, at_ms, day, is_history)
        if isinstance(event, OrderReturned):
            return self._return(heard, at_ms, day, is_history)
        if isinstance(event, CustomerErased):
            self._erase(at_ms)
            return None
        if fold.is_contact(event):
            state.contact_days = with_contact(state.contact_days, day)
            if state.purchases is None:
                return self._contact(heard, at_ms, day, is_history)
        return self._fold(heard, at_ms, day, is_history)

    def wake(self, due_ms: int) -> Answers:
        """Carry out what is due of the days that have ended by `due_ms`: silence checks, then the signals."""
        state = self._present()
        self.is_changed = self.is_outlook_due = self.is_plan_due = True
        self.now_ms = due_ms
        is_settling = 0 < state.settle_ms <= due_ms
        day = self._woken_day = due_ms // DAY_MS - 1
        basis, silence = self.running_silence()
        if silence is not None:
            yield from self._check(basis, silence, day - _last_day(silence) + 1, is_history=False)
            self._lose(basis, silence, day)
        payment_patience = self._in_force.policy_for_day(day).weights["payment_delayed"][1]
        review_day = next_review_day(state.signals, state.judged_day, payment_patience)
        is_due = review_day is not None and review_day <= day
        if is_due or (state.alert is not None and state.alert.ends_day <= day):
            yield from self._judge_day(day, is_settling)
        if is_settling:
            state.settle_ms = 0
        state.judged_day = max(state.judged_day, day)

    def running_silence(self) -> tuple[Basis, Purchases | None]:
        """Return what the customer's silence is measured on, and its state if there is one."""
        state = self._present()
        if state.purchases is not None and state.purchases.recent:
            return "orders", state.purchases
        return "contacts", state.contacts

    def wake_at_ms(self) -> int | None:
        """Return when the customer must be looked at next, or None. The running silence must have been planned."""
        state = self._present()
        if state.merged_into:
            return None
        if state.settle_ms:
            return max(state.settle_ms, self.now_ms + CHECK_DELAY_MS + ROUND_MS)
        days = []
        day_now = max(state.clock_ms, self.now_ms) // DAY_MS
        policy = self._in_force.policy_for_day(day_now - 1)
        basis, silence = self.running_silence()
        if silence is not None and silence.n_days >= policy.silence(basis).min_purchases:
            last_day = _last_day(silence)
            lost_after = policy.silence(basis).lost_after_days
            if state.next_check >= 0:
                days.append(last_day + min(state.next_check, lost_after))
            elif state.next_check == DONE and state.judged_day < last_day + lost_after:
                days.append(last_day + lost_after)
        review_day = next_review_day(state.signals, state.judged_day, policy.weights["payment_delayed"][1])
        if review_day is not None:
            days.append(review_day)
        if state.alert is not None:
            days.append(state.alert.ends_day)
        if not days:
            return None
        due_ms = end_of_day_ms(min(days)) + CHECK_DELAY_MS
        return max(due_ms, self.now_ms + CHECK_DELAY_MS + ROUND_MS)

    def closing(self) -> Closing | None:
        """Return what must be asked before `conclude`, once all events are taken in; None if nothing need be."""
        if not (self.is_outlook_due or self.is_plan_due):
            return None
        state = self._present()
        basis, silence = self.running_silence()
        if silence is None:
            return None
        phase = self._phase(basis, silence)
        needs_floor = (
            state.next_check == UNPLANNED and phase != "unscored" and not state.settle_ms and not state.merged_into
        )
        silence_days = self._silence_days(silence) if self.is_outlook_due and phase is None else None
        if silence_days is None and not needs_floor:
            return None
        return Closing(silence, basis, silence_days, needs_floor, needs_value=self._woken_day is not None)

    def conclude(self, view: View | None, floor: int | None) -> CustomerRisk | None:
        """Plan the running silence and return what is to be said of the customer's risk, if there is news of it."""
        state = self._present()
        if floor is not None:
            state.next_check = floor
        if not self.is_outlook_due:
            return None
        basis, silence = self.running_silence()
        day = self._as_of_day()
        as_of_ms = state.clock_ms if self._woken_day is None else end_of_day_ms(day)
        policy = self._in_force.policy_for_day(day)
        phase = self._phase(basis, silence)
        if view is not None:
            tier = self._tier(silence, basis, view, policy)
            is_high = view.p >= policy.silence_threshold(tier, basis)
            if self._woken_day is not None and silence is not None and state.next_check != UNPLANNED:
                self.check = SilenceCheck(self.key, _last_day(silence), day, tier, view.p, policy)
            phase = "at_risk" if state.alert is not None or is_high else "active"
        told: str = phase or "unscored"
        if view is not None:
            told = f"{phase}:{view.p:.2f}:{'value' if view.residual_value is not None else ''}"
        if self._woken_day is not None and told == state.told:
            return None
        state.told = told
        risk = None
        if view is not None and silence is not None:
            risk = risk_of(view, silence, as_of_ms, policy.tier_cuts, state.currency, basis)
        return CustomerRisk(
            customer_id=self.key,
            as_of=from_ms(as_of_ms),
            state=phase or "unscored",
            n_purchases=0 if state.purchases is None else state.purchases.n_days,
            last_purchase_at=None if state.signals.last_order_ms is None else from_ms(state.signals.last_order_ms),
            risk=risk,
        )

    def _phase(self, basis: Basis, silence: Purchases | None) -> Phase | None:
        """Return why no risk is given for the running silence: too little is known, or he is lost; None if one is."""
        if silence is None or not silence.recent:
            return "unscored"
        policy = self._in_force.policy_for_day(self._as_of_day()).silence(basis)
        if silence.n_days < policy.min_purchases:
            return "unscored"
        return "lost" if self._silence_days(silence) >= policy.lost_after_days else None

    def _as_of_day(self) -> int:
        return self._present().clock_ms // DAY_MS if self._woken_day is None else self._woken_day

    def _silence_days(self, silence: Purchases) -> int:
        return max(self._as_of_day() - _last_day(silence), 0)

    def _purchase(self, event: OrderPlaced, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers | None:
        state = self._present()
        silence = state.purchases
        last_day = None if silence is None else silence.last_day
        if last_day is not None and day > last_day and self._has_checks(silence, day - last_day):
            return self._purchase_after_checks(event, heard, at_ms, day, is_history)
        self._apply_purchase(event, heard, at_ms, day, is_history)
        return None

    def _purchase_after_checks(
        self, event: OrderPlaced, heard: Heard, at_ms: int, day: int, is_history: bool
    ) -> Answers:
        silence = self._present().purchases
        if silence is None:
            return
        yield from self._check("orders", silence, day - _last_day(silence), is_history)
        self._apply_purchase(event, heard, at_ms, day, is_history)

    def _apply_purchase(self, event: OrderPlaced, heard: Heard, at_ms: int, day: int, is_history: bool) -> None:
        state = self._present()
        before = state.purchases
        if before is None:
            before = no_purchases(self._in_force.policy_for_day(day - 1).horizon_days("orders"))
        last_day = before.last_day
        if last_day is None:
            state.contacts = None
        else:
            self._lose("orders", before, day - 1)
        if last_day is None or day > last_day:
            state.next_check = UNPLANNED
            self._return_of_customer(at_ms, is_history)
        state.purchases = observe(before, day, event.amount)
        state.currency = event.currency
        self.is_outlook_due = self.is_outlook_due or not is_history
        self._observe_signals(heard, at_ms, day)

    def _return(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers | None:
        silence = self._present().purchases
        if silence is not None and silence.last_day is not None and self._has_checks(silence, day - silence.last_day):
            return self._return_after_checks(heard, at_ms, day, is_history)
        self._apply_return(heard, at_ms, day, is_history)
        return None

    def _return_after_checks(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers:
        silence = self._present().purchases
        if silence is None:
            return
        yield from self._check("orders", silence, day - _last_day(silence), is_history)
        self._apply_return(heard, at_ms, day, is_history)

    def _apply_return(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> None:
        state = self._present()
        horizon_days = self._in_force.policy_for_day(day - 1).horizon_days("orders")
        state.purchases = observe_return(state.purchases or no_purchases(horizon_days), day)
        self.is_outlook_due = self.is_outlook_due or (not is_history and bool(state.purchases.recent))
        self._observe_signals(heard, at_ms, day)

    def _contact(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers | None:
        """Count a contact of a customer who never bought as if it were a purchase without an amount."""
        state = self._present()
        silence = state.contacts
        last_day = None if silence is None else silence.last_day
        if last_day == day:
            return self._fold(heard, at_ms, day, is_history)
        if last_day is not None and day > last_day and self._has_checks(silence, day - last_day, "contacts"):
            return self._contact_after_checks(heard, at_ms, day, is_history)
        self._apply_contact(at_ms, day, is_history)
        return self._fold(heard, at_ms, day, is_history)

    def _contact_after_checks(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers:
        silence = self._present().contacts
        if silence is None:
            return
        yield from self._check("contacts", silence, day - _last_day(silence), is_history)
        self._apply_contact(at_ms, day, is_history)
        rest = self._fold(heard, at_ms, day, is_history)
        if rest is not None:
            yield from rest

    def _apply_contact(self, at_ms: int, day: int, is_history: bool) -> None:
        state = self._present()
        before = state.contacts
        last_day = None if before is None else before.last_day
        if before is not None and last_day is not None:
            self._lose("contacts", before, day - 1)
        else:
            before = no_purchases(self._in_force.policy_for_day(day - 1).horizon_days("contacts"))
        if last_day is None or day > last_day:
            state.next_check = UNPLANNED
            if state.alert is not None and state.alert.is_silence:
                self._return_of_customer(at_ms, is_history)
        state.contacts = observe(before, day)
        self.is_plan_due = True
        self.is_outlook_due = self.is_outlook_due or not is_history

    def _fold(self, heard: Heard, at_ms: int, day: int, is_history: bool) -> Answers | None:
        may_hold = self._observe_signals(heard, at_ms, day)
        return self._judge_event(day) if may_hold and not is_history else None

    def _observe_signals(self, heard: Heard, at_ms: int, day: int) -> bool:
        state = self._present()
        signals = state.signals
        noted = signals.evidence_day
        may_hold = fold.observe(signals, heard.event, heard.sentiment, at_ms, day)
        if may_hold or type(heard.event) is not Interaction:
            self.is_plan_due = True
            if day <= state.judged_day:
                # The day was judged without this: the next day's end judges again.
                signals.evidence_day = max(noted, state.judged_day + 1)
        return may_hold and not state.merged_into

    def _has_checks(self, silence: Purchases | None, until_u: int, basis: Basis = "orders") -> bool:
        """Return whether checks of the running silence before `until_u` days of it have not been carried out."""
        state = self._present()
        if silence is None or state.next_check == DONE or state.merged_into:
            return False
        policy = self._in_force.policy_for_day(_last_day(silence) - 1).silence(basis)
        if silence.n_days < policy.min_purchases:
            return False
        first = state.next_check if state.next_check >= 0 else -(-policy.window_days // 4)
        return first < min(until_u, policy.lost_after_days)

    def _check(self, basis: Basis, silence: Purchases, until_u: int, is_history: bool) -> Answers:
        """Carry out the checks of the running silence before `until_u` days of it, in the customer's own event time."""
        if not self._has_checks(silence, until_u, basis):
            return
        state = self._present()
        last_day = _last_day(silence)
        day = last_day + until_u - 1
        policy = self._in_force.policy_for_day(day)
        if basis == "contacts" and not policy.in_force.rules.alerts_on_contact_silence:
            state.next_check = DONE
            return
        if state.is_disarmed and policy.in_force.rules.rearm_log_odds > 0:
            is_armed = yield from self._rearm(silence, basis)
            if not is_armed:
                return
        crossed: Crossed = yield Crossing(
            purchases=silence,
            basis=basis,
            first_check=state.next_check,
            until_u=until_u,
            tier=self._tier_at_purchase(silence, basis, policy),
            sigma=self._sigma(day, policy, basis),
            from_u=self._quiet_until_day(policy.in_force.rules.silence_cooldown_days) - last_day,
        )
        state.next_check = crossed.next_check
        if crossed.view is not None:
            state.next_check = DONE
            self._alert_silence(basis, silence, crossed.view, is_history)

    def _rearm(self, silence: Purchases, basis: Basis) -> Generator[Question, Any, bool]:
        """Return whether the risk at the last purchase fell far enough to alert the customer for silence again."""
        state = self._present()
        policy = self._in_force.policy_for_day(_last_day(silence))
        view: View = yield Look(silence, basis, 0)
        threshold = policy.silence_threshold(self._tier_at_purchase(silence, basis, policy), basis)
        if log_odds(view.p) > log_odds(threshold) - policy.in_force.rules.rearm_log_odds:
            state.next_check = DONE
            return False
        state.is_disarmed = False
        return True

    def _alert_silence(self, basis: Basis, silence: Purchases, view: View, is_history: bool) -> None:
        """Raise the alert of a silence at the check that crossed, or add the silence to the alert that is open."""
        state = self._present()
        day = _last_day(silence) + view.silence_days
        policy = self._in_force.policy_for_day(day)
        moment = Moment(end_of_day_ms(day), self.now_ms, is_history)
        findings = self._findings(day, policy, view, basis)
        tier = self._tier(silence, basis, view, policy)
        excess = log_odds(view.p) + raising_contribution(findings) - log_odds(policy.silence_threshold(tier, basis))
        said = self._say(findings, view, basis, silence, tier, excess, policy, moment, day)
        if state.alert is not None:
            self._update(said, moment, is_silence=True)
            return
        alert_id = silence_alert_id(self.key, _last_day(silence), policy.version)
        self._raise(alert_id, said, policy, moment, is_silence=True, clearable_from_ms=moment.at_ms)

    def _judge_event(self, day: int) -> Answers | None:
        """Judge, on an event, the signals that events bring about: raise an alert, or tell an open one at once."""
        state = self._present()
        policy = self._in_force.policy_for_day(day)
        day = max(day, state.clock_ms // DAY_MS)
        found = find_on_event(state.signals, SignalMoment(day, state.signals.since_day), policy.weights)
        if not found:
            return None
        alert = state.alert
        if alert is None:
            if not self._may_raise(day, policy, found):
                return None
        elif alert.severity == SEVERITIES[-1] and {finding.signal.name for finding in found} <= set(alert.signals):
            return None
        return self._judge(day, policy, Moment(state.clock_ms, self.now_ms, False), found)

    def _judge_day(self, day: int, is_settling: bool) -> Answers:
        """Judge every signal at the end of a day."""
        policy = self._in_force.policy_for_day(day)
        is_quiet = self._present().alert is None
        if is_quiet and not self._may_raise(day, policy, self._findings(day, policy, None, "orders")):
            return
        yield from self._judge(day, policy, Moment(end_of_day_ms(day), self.now_ms, is_settling), None)

    def _judge(self, day: int, policy: Policy, moment: Moment, on_event: list[Finding] | None) -> Answers:
        """Raise, update or clear by the signals as of `day`; `on_event` are those found before the day has ended.

        Only those count for raising within the day, so that the order of a day's events does not matter.
        """
        state = self._present()
        basis, silence = self.running_silence()
        view: View | None = None
        if silence is not None and silence.n_days >= policy.silence(basis).min_purchases:
            view = yield Look(silence, basis, max(day - _last_day(silence), 0))
        findings = self._findings(day, policy, view, basis)
        tier = self._tier(silence, basis, view, policy)
        threshold = policy.signal_threshold(tier)
        total = raising_contribution(findings if on_event is None else on_event)
        alert = state.alert
        if alert is None:
            if total >= threshold:
                alert_id = signals_alert_id(self.key, day, policy.version)
                said = self._say(findings, view, basis, silence, tier, total - threshold, policy, moment, day)
                self._raise(alert_id, said, policy, moment, is_silence=False, clearable_from_ms=end_of_day_ms(day))
            return
        if on_event is None and not alert.is_silence:
            if self._bought_after_evidence(day):
                self._clear("returned", moment)
                return
            if total < threshold - policy.in_force.rules.recover_log_odds:
                self._clear("recovered", moment)
                return
        excess = total - threshold
        if alert.is_silence and view is not None:
            excess = log_odds(view.p) + total - log_odds(policy.silence_threshold(tier, basis))
        said = self._say(findings, view, basis, silence, tier, excess, policy, moment, day)
        if is_material(alert, said.body) or (on_event is None and is_news(alert, said.body)):
            self._update(said, moment, is_silence=False)
        elif on_event is None:
            state.alert = replace(alert, ends_day=said.ends_day)

    def _tier(self, silence: Purchases | None, basis: Basis, view: View | None, policy: Policy) -> Tier:
        if silence is None or view is None or basis == "contacts":
            return "new"
        return view.tier(policy.tier_cuts)

    def _bought_after_evidence(self, day: int) -> bool:
        """Return whether the customer of an alert that an event raised bought again, by the end of `day`."""
        state = self._present()
        ordered_ms = state.signals.last_order_ms
        if state.alert is None or ordered_ms is None:
            return False
        ordered_day = ordered_ms // DAY_MS
        return state.alert.raised_ms // DAY_MS <= ordered_day <= day and ordered_ms > _newest_evidence_ms(state)

    def _say(
        self,
        findings: list[Finding],
        view: View | None,
        basis: Basis,
        silence: Purchases | None,
        tier: Tier,
        excess: float,
        policy: Policy,
        moment: Moment,
        day: int,
    ) -> "_Said":
        state = self._present()
        rules = policy.in_force.rules
        risk = None
        if view is not None and silence is not None:
            risk = risk_of(view, silence, moment.at_ms, policy.tier_cuts, state.currency, basis)
        signals = [finding.signal for finding in findings]
        negatives = state.signals.mismatch.negatives
        body = describe(signals, negatives, risk, tier, excess, rules, day, is_about_contacts=basis == "contacts")
        ends_day = min((finding.ends_day for finding in findings), default=day + _REVIEW_DAYS)
        return _Said(body, max(ends_day, day + 1))

    def _raise(
        self, alert_id: str, said: "_Said", policy: Policy, moment: Moment, *, is_silence: bool, clearable_from_ms: int
    ) -> None:
        state = self._present()
        state.alert, record = raised(
            self.key,
            alert_id,
            said.body,
            moment,
            rules_version=policy.version,
            is_silence=is_silence,
            clearable_from_ms=clearable_from_ms,
            ends_day=said.ends_day,
        )
        if state.parked is not None and state.parked.alert_id == alert_id:
            # It was told before and ended when he was joined to another: this is its next chapter.
            revision = state.parked.revision + 1
            state.alert, record = replace(state.alert, revision=revision), replace(record, revision=revision)
        state.parked = None
        self._tell(record)
        self.is_plan_due = True

    def _update(self, said: "_Said", moment: Moment, *, is_silence: bool) -> None:
        state = self._present()
        if state.alert is None:
            raise LookupError("no alert is open")
        state.alert, record = updated(
            self.key, state.alert, said.body, moment, is_silence=is_silence, ends_day=said.ends_day
        )
        self._tell(record)
        self.is_plan_due = True

    def _return_of_customer(self, at_ms: int, is_history: bool) -> None:
        state = self._present()
        alert = state.alert
        if alert is None or (at_ms < alert.clearable_from_ms and not alert.is_silence):
            return
        state.is_disarmed = alert.is_silence
        self._clear(reason_of_return(alert, at_ms), Moment(at_ms, self.now_ms, is_history))

    def _lose(self, basis: Basis, silence: Purchases, day: int) -> None:
        """End the alert of a customer who by the end of `day` has been silent for so long that he counts as lost."""
        state = self._present()
        last_day = _last_day(silence)
        lost_after = self._in_force.policy_for_day(day).silence(basis).lost_after_days
        if day - last_day < lost_after:
            return
        state.next_check = DONE
        lost_ms = end_of_day_ms(last_day + lost_after)
        if state.alert is not None and state.alert.raised_ms <= lost_ms:
            self._clear("lost", Moment(lost_ms, self.now_ms, False))

    def _erase(self, at_ms: int) -> None:
        if self._present().alert is not None:
            self._clear("erased", Moment(at_ms, self.now_ms, False))
        self.state = None

    def _hear_of_links(self, heard: Relinked) -> None:
        """Take over histories, or let go of them; an alert is this customer's, or ends where he has one already."""
        at_ms, self._headers = heard.at_ms, ()
        turn = joined.hear(self.key, self.state or new_state(at_ms // DAY_MS), heard.record, heard.offset)
        if turn.state is self.state and not turn.sent:
            return
        self.is_changed = self.is_plan_due = True
        self.now_ms = heard.now_ms // ROUND_MS * ROUND_MS
        self.state = turn.state
        self.sent.extend(turn.sent)
        self.is_outlook_due = turn.state is not None and (self.is_outlook_due or turn.is_restated)
        for alert in turn.replaced:
            self._tell(cleared(self.key, alert, "merged", Moment(at_ms, self.now_ms, alert.is_historical)))

    def _clear(self, reason: ClearReason, moment: Moment) -> None:
        state = self._present()
        if state.alert is None:
            raise LookupError("no alert is open")
        self._tell(cleared(self.key, state.alert, reason, moment))
        state.cleared_ms = max(moment.at_ms, state.alert.last_ms)
        state.alert = None
        self.is_plan_due = True

    def _tell(self, record: AlertRecord) -> None:
        """Keep a record to publish, under the trace of the event that led to it."""
        trace_id = _trace_id(self._headers)
        self.record_headers.append(carried(self._headers))
        self.records.append(record if trace_id is None else replace(record, correlation_id=trace_id))

    def _findings(self, day: int, policy: Policy, view: View | None, basis: Basis) -> list[Finding]:
        """Return every signal that holds at the end of `day`, the silence among them if the score is known."""
        state = self._present()
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
            self._contact_silence(day, view, basis),
        )

    def _contact_silence(self, day: int, view: View | None, basis: Basis) -> ContactSilence | None:
        contacts = self._present().contact_days
        if contacts is None or contacts.n_days < 2:
            return None
        usual = (contacts.last_day - contacts.first_day) / (contacts.n_days - 1)
        silence_days = max(day - contacts.last_day, 0)
        if basis == "contacts" and view is not None:
            return ContactSilence(contacts.n_days, silence_days, view.usual_gap_days, view.p)
        return ContactSilence(contacts.n_days, silence_days, usual)

    def _sigma(self, day: int, policy: Policy, basis: Basis) -> float:
        """Return what other signals add, in log-odds, to the risk of a silence check at the end of `day`."""
        state = self._present()
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
        findings = self._findings(day, policy, None, basis)
        if basis == "contacts":
            # Contact silence is what is being checked; it may not count twice.
            findings = [finding for finding in findings if finding.signal.name != "contact_falling_silent"]
        return round(raising_contribution(findings), 4)

    def _tier_at_purchase(self, silence: Purchases, basis: Basis, policy: Policy) -> Tier:
        if basis == "contacts" or policy.is_uniform:
            return "new"
        generation = self._in_force.generation_for_day(basis, _last_day(silence) - 1, silence.horizon_days)
        return tier_at_purchase(silence, generation, policy.tier_cuts)

    def _quiet_until_day(self, cooldown_days: int) -> int:
        cleared_ms = self._present().cleared_ms
        return cleared_ms // DAY_MS + cooldown_days if cleared_ms and cooldown_days else 0

    def _may_raise(self, day: int, policy: Policy, findings: list[Finding]) -> bool:
        """Return whether signals may raise an alert: strong enough for some tier, no cooldown, and something is new."""
        state = self._present()
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

    def _present(self) -> CustomerState:
        if self.state is None:
            raise LookupError("the customer was erased")
        return self.state


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


def _trace_id(headers: Headers) -> str | None:
    """Return the trace id of a W3C traceparent header, 32 hex digits, if there is one."""
    for name, value in headers:
        if name == "traceparent":
            parts = value.decode("ascii", "replace").split("-")
            return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
    return None


def _rounded_up(at_ms: int) -> int:
    return -(-at_ms // ROUND_MS) * ROUND_MS


def _last_day(silence: Purchases) -> int:
    last_day = silence.last_day
    if last_day is None:
        raise ValueError("a silence begins with a purchase")
    return last_day


def follow(open_ones: Sequence[Answers], answer_all: Callable[[list[Question]], list[Any]]) -> None:
    """Drive generators to their end in rounds; the questions of a round are answered in one call."""
    waiting: list[tuple[Answers, Question]] = []
    for questions in open_ones:
        first = next(questions, None)
        if first is not None:
            waiting.append((questions, first))
    while waiting:
        answers = answer_all([question for _, question in waiting])
        going_on: list[tuple[Answers, Question]] = []
        for (questions, _), given in zip(waiting, answers, strict=True):
            try:
                going_on.append((questions, questions.send(given)))
            except StopIteration:
                continue
        waiting = going_on
