"""One customer's events and wake-ups followed in his own event time: what changes, and which alerts that means. Pure.

Written as generators that ask questions of the score (`checks.Question`) and go on with the answers, so that many
customers are followed side by side and each round of questions is answered in one vectorised call.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.churn_alerts.alert.decide import Moment, cleared, reason_of_return
from services.churn_alerts.customer import joined
from services.churn_alerts.customer.checks import Question
from services.churn_alerts.customer.followed import Answers, Followed, Heard, Received, last_day_of
from services.churn_alerts.customer.joined import LinkRecord
from services.churn_alerts.customer.model import DAY_MS, Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.schedule import SETTLE_MS, rounded_down, rounded_up
from services.churn_alerts.customer.signal_check import judge_day, judge_event
from services.churn_alerts.customer.silence_check import check, has_checks, lose
from services.churn_alerts.customer.state import (
    UNPLANNED,
    CustomerState,
    fingerprint_of,
    new_customer,
    with_contact,
)
from services.churn_alerts.signal import fold
from services.churn_alerts.signal.event import CustomerErased, EventBase, Interaction, OrderPlaced, OrderReturned
from services.churn_alerts.signal.state import next_review_day
from shared.clock import to_ms
from shared.links import Erased, received_ms

_HISTORY: Final = timedelta(days=1)


def hear_on(followed: Followed, questions: Answers, inputs: Sequence[Received]) -> Answers:
    """Ask the questions of an event, then take in those after it, of which there may be more until this is begun."""
    yield from questions
    for one in inputs:
        more = hear(followed, one)
        if more is not None:
            yield from more


def hear(followed: Followed, one: Received) -> Answers | None:
    """Take in an event or a record about links.

    Returns None when that is done, else the questions that must be answered on the way.
    """
    heard: Heard | LinkRecord = one.event
    if not isinstance(heard, Heard):
        _hear_of_links(followed, heard, one)
        return None
    event = heard.event
    at_ms = one.at_ms
    day = at_ms // DAY_MS
    state, erased = followed.state, followed.erased
    if erased is not None:
        is_covered = erased.covers_erasure(event) if isinstance(event, CustomerErased) else erased.covers(event)
        if is_covered:
            return None
    if state is None:
        state = followed.state = new_customer(day, erased)
    if state.has_seen(fingerprint_of(event.source, event.id), day):
        return None
    if heard.linked_id or state.parts:
        policy = followed.in_force.policy_for_day(day - 1)
        horizons = (policy.horizon_days("orders"), policy.horizon_days("contacts"))
        joined.remember(state, heard.linked_id, event, heard.sentiment, horizons)
    followed.is_changed = True
    # Wake-ups fall on whole five minutes: of the watermark, which depends on the other customers of the partition,
    # only those count.
    followed.now_ms = rounded_down(one.now_ms)
    followed.headers = one.headers
    received_at, is_history = event.received_at, False
    if isinstance(received_at, datetime) and received_at - event.occurred_at > _HISTORY:
        is_history = True
        state.settle_ms = max(state.settle_ms, rounded_up(to_ms(received_at) + SETTLE_MS))
        followed.is_plan_due = True
    if at_ms > state.clock_ms:
        state.clock_ms = at_ms
    kind = type(event)
    if kind in fold.CONTACTS:
        if fold.is_contact(event):
            contacts = state.contact_days
            if contacts is None or not contacts.first_day <= day <= contacts.last_day:
                state.contact_days = with_contact(contacts, day)
            if state.purchases is None:
                return _contact(followed, state, heard, at_ms, day, is_history)
    elif kind is OrderPlaced:
        return _purchase(followed, state, heard, at_ms, day, is_history)
    elif kind is OrderReturned:
        return _return(followed, state, heard, at_ms, day, is_history)
    elif kind is CustomerErased:
        _erase(followed, event, at_ms)
        return None
    return _fold(followed, state, heard, at_ms, day, is_history)


def wake(followed: Followed, due_ms: int) -> Answers:
    """Carry out what is due of the days that have ended by `due_ms`: silence checks, then the signals."""
    state = followed.present()
    followed.is_changed = followed.is_outlook_due = followed.is_plan_due = True
    followed.now_ms = due_ms
    is_settling = 0 < state.settle_ms <= due_ms
    day = followed.woken_day = due_ms // DAY_MS - 1
    basis, silence = followed.running_silence()
    if silence is not None:
        yield from check(followed, basis, silence, day - last_day_of(silence) + 1)
        lose(followed, basis, silence, day)
    payment_patience = followed.in_force.policy_for_day(day).weights["payment_delayed"][1]
    review_day = next_review_day(state.signals, state.judged_day, payment_patience)
    is_due = review_day is not None and review_day <= day
    if is_due or (state.alert is not None and state.alert.ends_day <= day):
        yield from judge_day(followed, day, is_settling)
    if is_settling:
        state.settle_ms = 0
    state.judged_day = max(state.judged_day, day)


def _purchase(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> Answers | None:
    silence = state.purchases
    if silence is not None and not is_history and silence.recent:
        silence_days = day - last_day_of(silence)
        if silence_days > 0 and has_checks(followed, silence, silence_days):
            return _purchase_after_checks(followed, state, silence, heard, at_ms, day)
    _apply_purchase(followed, state, heard, at_ms, day, is_history)
    return None


def _purchase_after_checks(
    followed: Followed, state: CustomerState, silence: Purchases, heard: Heard, at_ms: int, day: int
) -> Answers:
    yield from check(followed, "orders", silence, day - last_day_of(silence))
    _apply_purchase(followed, state, heard, at_ms, day, is_history=False)


def _apply_purchase(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> None:
    event = heard.event
    if not isinstance(event, OrderPlaced):
        raise TypeError("only an order is a purchase")
    before = state.purchases
    if before is None:
        before = no_purchases(followed.in_force.policy_for_day(day - 1).horizon_days("orders"))
    last_day = before.last_day
    if last_day is None:
        state.contacts = None
    elif day - 1 > last_day:
        lose(followed, "orders", before, day - 1)
    if last_day is None or day > last_day:
        state.next_check = UNPLANNED
        _return_of_customer(followed, at_ms, is_history)
    state.purchases = observe(before, day, event.amount)
    state.currency = event.currency
    if not is_history:
        followed.is_outlook_due = True
    _observe_signals(followed, state, heard, at_ms, day)


def _return(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> Answers | None:
    silence = state.purchases
    if (
        silence is not None
        and silence.recent
        and not is_history
        and has_checks(followed, silence, day - last_day_of(silence))
    ):
        return _return_after_checks(followed, state, silence, heard, at_ms, day)
    _apply_return(followed, state, heard, at_ms, day, is_history)
    return None


def _return_after_checks(
    followed: Followed, state: CustomerState, silence: Purchases, heard: Heard, at_ms: int, day: int
) -> Answers:
    yield from check(followed, "orders", silence, day - last_day_of(silence))
    _apply_return(followed, state, heard, at_ms, day, is_history=False)


def _apply_return(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> None:
    horizon_days = followed.in_force.policy_for_day(day - 1).horizon_days("orders")
    state.purchases = observe_return(state.purchases or no_purchases(horizon_days), day)
    followed.is_outlook_due = followed.is_outlook_due or (not is_history and bool(state.purchases.recent))
    _observe_signals(followed, state, heard, at_ms, day)


def _contact(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> Answers | None:
    """Count a contact of a customer who never bought as if it were a purchase without an amount."""
    silence = state.contacts
    last_day = None if silence is None else silence.last_day
    if last_day == day:
        return _fold(followed, state, heard, at_ms, day, is_history)
    if (
        silence is not None
        and last_day is not None
        and day > last_day
        and not is_history
        and has_checks(followed, silence, day - last_day, "contacts")
    ):
        return _contact_after_checks(followed, state, silence, heard, at_ms, day)
    _apply_contact(followed, state, at_ms, day, is_history)
    return _fold(followed, state, heard, at_ms, day, is_history)


def _contact_after_checks(
    followed: Followed, state: CustomerState, silence: Purchases, heard: Heard, at_ms: int, day: int
) -> Answers:
    yield from check(followed, "contacts", silence, day - last_day_of(silence))
    _apply_contact(followed, state, at_ms, day, is_history=False)
    rest = _fold(followed, state, heard, at_ms, day, is_history=False)
    if rest is not None:
        yield from rest


def _apply_contact(followed: Followed, state: CustomerState, at_ms: int, day: int, is_history: bool) -> None:
    before = state.contacts
    last_day = None if before is None else before.last_day
    if before is not None and last_day is not None:
        lose(followed, "contacts", before, day - 1)
    else:
        before = no_purchases(followed.in_force.policy_for_day(day - 1).horizon_days("contacts"))
    if last_day is None or day > last_day:
        state.next_check = UNPLANNED
        if state.alert is not None and state.alert.is_silence:
            _return_of_customer(followed, at_ms, is_history)
    state.contacts = observe(before, day)
    followed.is_plan_due = True
    followed.is_outlook_due = followed.is_outlook_due or not is_history


def _fold(
    followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int, is_history: bool
) -> Answers | None:
    may_hold = _observe_signals(followed, state, heard, at_ms, day)
    return judge_event(followed, day) if may_hold and not is_history else None


def _observe_signals(followed: Followed, state: CustomerState, heard: Heard, at_ms: int, day: int) -> bool:
    signals = state.signals
    noted = signals.evidence_day
    may_hold = fold.observe(signals, heard.event, heard.sentiment, at_ms, day)
    if not may_hold and type(heard.event) is Interaction:
        return False
    followed.is_plan_due = True
    if day <= state.judged_day:
        # The day was judged without this: the next day's end judges again.
        signals.evidence_day = max(noted, state.judged_day + 1)
    return may_hold and not state.merged_into


def _return_of_customer(followed: Followed, at_ms: int, is_history: bool) -> None:
    state = followed.present()
    alert = state.alert
    if alert is None or (at_ms < alert.clearable_from_ms and not alert.is_silence):
        return
    state.is_disarmed = alert.is_silence
    followed.clear_alert(reason_of_return(alert, at_ms), Moment(at_ms, followed.now_ms, is_history))


def _erase(followed: Followed, event: EventBase, at_ms: int) -> None:
    if followed.present().alert is not None:
        followed.clear_alert("erased", Moment(at_ms, followed.now_ms, False))
    followed.erase(Erased(at_ms, max(at_ms, received_ms(event))))


def _hear_of_links(followed: Followed, record: LinkRecord, one: Received) -> None:
    """Take over histories, or let go of them; an alert is this customer's, or ends where he has one already."""
    at_ms, followed.headers = one.at_ms, ()
    state = followed.state or new_customer(at_ms // DAY_MS, followed.erased)
    turn = joined.hear(followed.key, state, record, one.offset, followed.erased)
    if turn.state is state and not (turn.sent or turn.ended):
        return
    followed.is_changed = followed.is_plan_due = True
    followed.now_ms = rounded_down(one.now_ms)
    if turn.state is None:
        followed.erase(Erased(at_ms, at_ms))
    elif turn.state is not state:
        followed.state = turn.state
    followed.sent += tuple(turn.sent)
    followed.is_outlook_due = followed.state is not None and (followed.is_outlook_due or turn.is_restated)
    for alert in turn.ended:
        followed.tell(cleared(followed.key, alert, turn.ended_by, Moment(at_ms, followed.now_ms, alert.is_historical)))


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
