"""Complaints surging: more complaints in the last 30 days than the customer's own history makes likely."""

from bisect import insort

from msgspec import Struct

from services.churn_alerts.signal.model import (
    Finding,
    Moment,
    Proof,
    SignalRule,
    ids_since,
    merged_proofs,
    strength,
    with_proof,
)
from services.churn_alerts.signal.tail import count_at_tail, upper_tail
from shared.contracts.alert import Signal

WINDOW_DAYS = 30
DAYS_KEPT = 40
# One complaint never is a surge.
LEAST = 2

# The usual customer before his own history speaks: half a complaint's worth of knowledge, one complaint in 120 days.
# A prior that no company's data has confirmed; what it detects at which false alarms is simulated in the tests.
PRIOR_COMPLAINTS = 0.5
PRIOR_DAYS = 60.0


class Complaints(Struct, frozen=True, array_like=True, gc=False):
    """How many ever, the UTC days of the newest 40 (ascending, with repetitions), and proofs."""

    total: int
    days: tuple[int, ...]
    proofs: tuple[Proof, ...]


def observe(part: Complaints | None, at_ms: int, day: int, event_id: str) -> Complaints:
    """Return the part with one more complaint."""
    if part is None:
        return Complaints(1, (day,), ((at_ms, event_id),))
    days = list(part.days)
    insort(days, day)
    return Complaints(part.total + 1, tuple(days[-DAYS_KEPT:]), with_proof(part.proofs, at_ms, event_id))


def merge(one: Complaints | None, other: Complaints | None) -> Complaints | None:
    if one is None or other is None:
        return other if one is None else one
    days = tuple(sorted((*one.days, *other.days))[-DAYS_KEPT:])
    return Complaints(one.total + other.total, days, merged_proofs(one.proofs, other.proofs))


def evaluate(part: Complaints | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the surge, if P(as many complaints in 30 days | own history) is at most `threshold`."""
    if part is None:
        return None
    first_day = moment.day - WINDOW_DAYS + 1
    recent = [day for day in part.days if first_day <= day <= moment.day]
    if len(recent) < LEAST:
        return None
    n_before = part.total - sum(1 for day in part.days if day >= first_day)
    before_days = max(first_day - moment.since_day, 0)
    shape, days = PRIOR_COMPLAINTS + n_before, PRIOR_DAYS + before_days
    tail = upper_tail(len(recent), shape, days, WINDOW_DAYS)
    if tail > threshold:
        return None
    usual = shape / days * WINDOW_DAYS
    told_en, told_zh = (f"about {usual:.1f}", f"约{usual:.1f}次") if usual >= 0.05 else ("none", "没有")
    enough = count_at_tail(threshold, shape, days, WINDOW_DAYS, LEAST)
    signal = Signal(
        name="complaints_surging",
        value=float(len(recent)),
        threshold=float(enough),
        contribution=round(weight * strength(len(recent) / enough), 4),
        evidence=ids_since(part.proofs, first_day),
        reason_en=f"{len(recent)} complaints in the last 30 days, {told_en} would be usual for this customer",
        reason_zh=f"近30天投诉{len(recent)}次，该客户通常{told_zh}",
    )
    return Finding(signal, recent[0] + WINDOW_DAYS)


RULE = SignalRule(
    name="complaints_surging",
    weight=1.6,
    threshold=0.015,
    unit="probability of as many complaints in 30 days, given the customer's own history",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
