"""How an event changes the signals' state: which parts each type of event feeds."""

from services.churn_alerts.signal import (
    category_frequency_falling,
    complaints_surging,
    expectation_mismatch,
    inquiry_without_order,
    payment_delayed,
    repeated_reopen,
    sentiment_sliding,
    surveys,
)
from services.churn_alerts.signal.aspects import aspect_bits
from services.churn_alerts.signal.counts import counted
from services.churn_alerts.signal.event import (
    ConsultationCompleted,
    EventBase,
    Inquiry,
    Interaction,
    OrderPlaced,
    PaymentDue,
    PaymentLate,
    PaymentPaid,
    Sentiment,
    SurveyAnswered,
    TicketOpened,
    TicketReopened,
    TicketReplied,
)
from services.churn_alerts.signal.expectation_mismatch import Negative
from services.churn_alerts.signal.model import DAY_MS
from services.churn_alerts.signal.state import SignalState
from shared.clock import to_ms
from shared.contracts.event import CORRECTED, NOT_A_NEW_CONTACT

CONTACTS: frozenset[type[EventBase]] = frozenset(
    {Interaction, Inquiry, TicketOpened, TicketReplied, TicketReopened, SurveyAnswered}
)
"""Types of event by which a customer gets in touch."""


def is_from_customer(event: EventBase) -> bool:
    """Return whether the customer himself did or said this; unmarked events count as his."""
    if event.direction is not None and event.direction != "inbound":
        return False
    return event.actor is None or event.actor.kind == "customer"


def is_contact(event: EventBase) -> bool:
    """Return whether by this event the customer got in touch anew."""
    if type(event) not in CONTACTS or not is_from_customer(event):
        return False
    return not event.attributes or event.attributes.get("kind") not in NOT_A_NEW_CONTACT


def observe(state: SignalState, event: EventBase, sentiment: Sentiment | None, at_ms: int, day: int) -> bool:
    """Give `state`, a copy of the caller's own, the parts as they are after the event.

    Returns whether a signal that is judged on events may have begun to hold. An `evidence_day` is noted for every day
    whose end must judge anew.
    """
    if day < state.since_day:
        state.since_day = day
    may_hold = False
    if sentiment is not None and is_from_customer(event) and event.attributes.get("kind") != CORRECTED:
        may_hold = _observe_text(state, event, sentiment, at_ms, day)
    if type(event) is not Interaction:
        may_hold = _observe_type(state, event, at_ms, day) or may_hold
    if may_hold and day > state.evidence_day:
        state.evidence_day = day
    return may_hold


def _observe_text(state: SignalState, event: EventBase, sentiment: Sentiment, at_ms: int, day: int) -> bool:
    state.moods = sentiment_sliding.observe(state.moods, day, sentiment.score)
    if sentiment.is_complaint:
        state.complaints = complaints_surging.observe(state.complaints, at_ms, day, event.id)
    elif sentiment.label != "negative":
        return False
    negative = Negative(at_ms, event.id, round(1000 * sentiment.p_negative), aspect_bits(sentiment, event.text))
    state.mismatch = expectation_mismatch.with_negative(state.mismatch, negative)
    return True


def _observe_type(state: SignalState, event: EventBase, at_ms: int, day: int) -> bool:
    if isinstance(event, OrderPlaced):
        _observe_order(state, event, at_ms, day)
        return False
    if isinstance(event, Inquiry):
        topic = event.product or event.category or ""
        state.inquiries = inquiry_without_order.observe(state.inquiries, at_ms, event.id, topic)
        return False
    if isinstance(event, PaymentDue | PaymentLate | PaymentPaid):
        _observe_payment(state, event, day)
        return False
    if isinstance(event, SurveyAnswered):
        answers = state.nps if event.kind == "nps" else state.csat
        answers = surveys.answered(answers, at_ms, event.id, event.score, event.scale_min, event.scale_max)
        if event.kind == "nps":
            state.nps = answers
        else:
            state.csat = answers
        return True
    if isinstance(event, TicketReopened):
        state.reopens = repeated_reopen.observe(state.reopens, at_ms, event.id, event.ticket_id)
        return True
    if isinstance(event, ConsultationCompleted) and not event.goal_met:
        state.mismatch = expectation_mismatch.with_missed_goal(state.mismatch, at_ms, event.id)
        return True
    return False


def _observe_order(state: SignalState, event: OrderPlaced, at_ms: int, day: int) -> None:
    state.orders = counted(state.orders, day)
    if event.items and (names := {item.category for item in event.items if item.category}):
        state.categories = category_frequency_falling.observe(state.categories, day, names)
    state.mismatch = expectation_mismatch.with_sale(state.mismatch, at_ms, event.id)
    # A text of the days before may now stand "before an order"; the day's end will say.
    if state.mismatch.negatives:
        state.evidence_day = max(state.evidence_day, day)


def _observe_payment(state: SignalState, event: PaymentDue | PaymentLate | PaymentPaid, day: int) -> None:
    is_paid = isinstance(event, PaymentPaid)
    if isinstance(event, PaymentDue | PaymentLate) and float(event.amount) <= 0:
        # Nobody pays an invoice over nothing, or a credit note.
        return
    state.payments = payment_delayed.observe(
        state.payments,
        event.invoice_id,
        due_day=None if event.due_at is None else to_ms(event.due_at) // DAY_MS,
        paid_day=day if is_paid else None,
        is_late=isinstance(event, PaymentLate),
        event_id=event.id,
    )
    if not isinstance(event, PaymentDue):
        state.evidence_day = max(state.evidence_day, day)
