"""Contact falling silent: a customer who used to get in touch no longer does; the churn score on contacts."""

from dataclasses import dataclass

from services.churn_alerts.signal.model import Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

LEAST_CONTACTS = 4
LEAST_DAYS = 14


@dataclass(frozen=True, slots=True)
class ContactSilence:
    """What is known of the customer's contacts; `usual_gap_days` is e to the mean log gap between contact days."""

    n_contacts: int
    silence_days: int
    usual_gap_days: float


def evaluate(part: ContactSilence | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the contact silence is at least `threshold` usual gaps, and two weeks, long."""
    if part is None or part.n_contacts < LEAST_CONTACTS:
        return None
    enough = max(threshold * part.usual_gap_days, LEAST_DAYS)
    if part.silence_days < enough:
        return None
    usual = max(part.usual_gap_days, 1.0)
    signal = Signal(
        name="contact_falling_silent",
        value=float(part.silence_days),
        threshold=round(enough, 1),
        contribution=round(weight * strength(part.silence_days / enough), 4),
        reason_en=f"no contact for {part.silence_days} days; usually every {usual:.0f} day{'' if usual < 1.5 else 's'}",
        reason_zh=f"已{part.silence_days}天没有联系，通常每{usual:.0f}天联系一次",
    )
    return Finding(signal, moment.day + part.silence_days)


RULE = SignalRule(
    name="contact_falling_silent",
    weight=0.6,
    threshold=3.0,
    unit="contact silence in usual gaps between contacts",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
