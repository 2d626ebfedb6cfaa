"""Contact falling silent: a customer who used to get in touch no longer does; the churn score on contacts."""

from msgspec import Struct

from services.churn_alerts.signal.model import FAR_DAYS, Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

LEAST_CONTACTS = 4
LEAST_DAYS = 14
LEAST_RISK = 0.5


class ContactSilence(Struct, frozen=True, gc=False):
    """What is known of the customer's contacts.

    `p` is the risk when the churn score was applied to the contacts (businesses without orders), else None.
    """

    n_contacts: int
    silence_days: int
    usual_gap_days: float
    p: float | None = None


def evaluate(part: ContactSilence | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the contact silence is at least `threshold` usual gaps, and two weeks, long.

    Where the churn score judges the contacts, it does so itself, and holds from a risk of one half on.
    """
    if part is None:
        return None
    enough = max(threshold * part.usual_gap_days, LEAST_DAYS)
    if part.p is not None:
        if part.p < LEAST_RISK:
            return None
    elif part.n_contacts < LEAST_CONTACTS or part.silence_days < enough:
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
    return Finding(signal, moment.day + FAR_DAYS)


RULE = SignalRule(
    name="contact_falling_silent",
    weight=0.6,
    threshold=3.0,
    unit="contact silence in usual gaps between contacts",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
