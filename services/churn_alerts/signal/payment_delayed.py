"""Payment delayed: an invoice unpaid for longer than this customer usually takes."""

from msgspec import Struct

from services.churn_alerts.signal.model import Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

INVOICES_KEPT = 6
ID_LENGTH = 48
WINDOW_DAYS = 120


class Invoice(Struct, frozen=True, array_like=True, gc=False):
    """One invoice; a day of −1 is not known (yet). `event_id` called it late, or announced it."""

    invoice_id: str
    due_day: int = -1
    paid_day: int = -1
    is_called_late: bool = False
    event_id: str = ""


class Payments(Struct, frozen=True, array_like=True, gc=False):
    """Open and recent invoices (six, by due day), and how late the settled ones that gave way were."""

    invoices: tuple[Invoice, ...] = ()
    n_settled: int = 0
    settled_late_days: int = 0


def observe(
    part: Payments, invoice_id: str, due_day: int | None, paid_day: int | None, is_late: bool, event_id: str
) -> Payments:
    """Return the part with what one payment event says of an invoice; any order of the events gives the same."""
    key = invoice_id[:ID_LENGTH]
    known = next((invoice for invoice in part.invoices if invoice.invoice_id == key), None)
    said = Invoice(
        key,
        -1 if due_day is None else due_day,
        -1 if paid_day is None else paid_day,
        is_late,
        event_id if paid_day is None else "",
    )
    others = tuple(invoice for invoice in part.invoices if invoice is not known)
    joined = said if known is None else _joined(known, said)
    return _bounded(Payments((*others, joined), part.n_settled, part.settled_late_days))


def merge(one: Payments, other: Payments) -> Payments:
    merged = Payments(one.invoices, one.n_settled + other.n_settled, one.settled_late_days + other.settled_late_days)
    for invoice in other.invoices:
        known = next((item for item in merged.invoices if item.invoice_id == invoice.invoice_id), None)
        rest = tuple(item for item in merged.invoices if item is not known)
        joined = invoice if known is None else _joined(known, invoice)
        merged = _bounded(Payments((*rest, joined), merged.n_settled, merged.settled_late_days))
    return merged


def _joined(one: Invoice, other: Invoice) -> Invoice:
    proofs = sorted((not item.is_called_late, item.event_id) for item in (one, other) if item.event_id)
    return Invoice(
        one.invoice_id,
        max(one.due_day, other.due_day),
        max(one.paid_day, other.paid_day),
        one.is_called_late or other.is_called_late,
        proofs[0][1] if proofs else "",
    )


def _bounded(part: Payments) -> Payments:
    invoices = sorted(part.invoices, key=lambda invoice: (invoice.due_day, invoice.invoice_id))
    n_settled, late_days = part.n_settled, part.settled_late_days
    while len(invoices) > INVOICES_KEPT:
        gone = next((invoice for invoice in invoices if invoice.paid_day >= 0), invoices[0])
        invoices.remove(gone)
        if gone.paid_day >= 0:
            n_settled += 1
            late_days += _days_late(gone)
    return Payments(tuple(invoices), n_settled, late_days)


def _days_late(paid: Invoice) -> int:
    return max(paid.paid_day - paid.due_day, 0) if paid.due_day >= 0 else 0


def usual_delay_days(part: Payments) -> float:
    """Return how many days after the due day this customer has paid on average; 0 without history."""
    paid = [_days_late(invoice) for invoice in part.invoices if invoice.paid_day >= 0]
    n = part.n_settled + len(paid)
    return (part.settled_late_days + sum(paid)) / n if n else 0.0


def review_day(part: Payments, after_day: int, threshold: float) -> int | None:
    """Return the next day after `after_day` on which an unpaid invoice becomes a signal."""
    patience = int(threshold + usual_delay_days(part))
    days = (invoice.due_day + patience for invoice in part.invoices if invoice.paid_day < 0)
    return min((day for day in days if day > after_day), default=None)


def evaluate(part: Payments, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if an invoice is unpaid `threshold` days beyond the customer's usual delay."""
    patience = int(threshold + usual_delay_days(part))
    late = [
        invoice
        for invoice in part.invoices
        if invoice.paid_day < 0 and patience <= moment.day - invoice.due_day < WINDOW_DAYS
    ]
    if not late:
        return None
    days = moment.day - late[0].due_day
    n = len(late)
    signal = Signal(
        name="payment_delayed",
        value=float(days),
        threshold=float(patience),
        contribution=round(weight * strength(days / max(patience, 1)), 4),
        evidence=[invoice.event_id for invoice in late if invoice.event_id][:4],
        reason_en=f"{n} invoice{'' if n == 1 else 's'} unpaid, the oldest {days} days past due",
        reason_zh=f"{n}张账单未付，最久逾期{days}天",
    )
    return Finding(signal, late[0].due_day + WINDOW_DAYS)


RULE = SignalRule(
    name="payment_delayed",
    weight=1.0,
    threshold=7,
    unit="days unpaid beyond the due day and the customer's usual delay",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
