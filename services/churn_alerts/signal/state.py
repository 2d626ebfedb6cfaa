"""What the signals keep of one customer: the parts side by side, their merge, and the days that need another look."""

from msgspec import Struct

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
from services.churn_alerts.signal.category_frequency_falling import Category
from services.churn_alerts.signal.complaints_surging import Complaints
from services.churn_alerts.signal.counts import BlockCounts, merged_counts
from services.churn_alerts.signal.expectation_mismatch import Mismatch
from services.churn_alerts.signal.inquiry_without_order import Asked
from services.churn_alerts.signal.payment_delayed import Payments
from services.churn_alerts.signal.repeated_reopen import Reopen
from services.churn_alerts.signal.sentiment_sliding import Moods
from services.churn_alerts.signal.surveys import Answer

NEVER = -1


class SignalState(Struct, array_like=True, gc=False):
    """Every part is a value; a copy of this struct may be given new parts without touching the original.

    `since_day` is the first UTC day anything is known of. `evidence_day` is the newest day whose end must
    judge the signals anew, −1 if none. Every part is small and bounded: the whole is 100–600 bytes for most customers.
    """

    since_day: int
    evidence_day: int = NEVER
    orders: BlockCounts | None = None
    categories: tuple[Category, ...] = ()
    inquiries: tuple[Asked, ...] = ()
    mismatch: Mismatch = Mismatch()
    payments: Payments = Payments()
    complaints: Complaints | None = None
    moods: Moods = Moods()
    csat: tuple[Answer, ...] = ()
    nps: tuple[Answer, ...] = ()
    reopens: tuple[Reopen, ...] = ()

    @property
    def last_order_ms(self) -> int | None:
        """The time of the newest order."""
        sales = self.mismatch.sales
        return sales[-1].at_ms if sales else None


def next_review_day(state: SignalState, after_day: int, payment_threshold: float) -> int | None:
    """Return the first day after `after_day` whose end must be looked at for the signals' sake, if any."""
    if not (state.inquiries or state.payments.invoices):
        return state.evidence_day if state.evidence_day > after_day else None
    days = []
    if state.evidence_day > after_day:
        days.append(state.evidence_day)
    if state.inquiries and (day := inquiry_without_order.review_day(state.inquiries, after_day)) is not None:
        days.append(day)
    if state.payments.invoices:
        due = payment_delayed.review_day(state.payments, after_day, payment_threshold)
        if due is not None:
            days.append(due)
    return min(days, default=None)


def merge(one: SignalState, other: SignalState) -> SignalState:
    """Return the state of the customer that two identities turned out to be; symmetric."""
    return SignalState(
        since_day=min(one.since_day, other.since_day),
        evidence_day=max(one.evidence_day, other.evidence_day),
        orders=merged_counts(one.orders, other.orders),
        categories=category_frequency_falling.merge(one.categories, other.categories),
        inquiries=inquiry_without_order.merge(one.inquiries, other.inquiries),
        mismatch=expectation_mismatch.merge(one.mismatch, other.mismatch),
        payments=payment_delayed.merge(one.payments, other.payments),
        complaints=complaints_surging.merge(one.complaints, other.complaints),
        moods=sentiment_sliding.merge(one.moods, other.moods),
        csat=surveys.merge(one.csat, other.csat),
        nps=surveys.merge(one.nps, other.nps),
        reopens=repeated_reopen.merge(one.reopens, other.reopens),
    )
