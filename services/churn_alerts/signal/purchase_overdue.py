"""Purchase overdue: silent longer than the customer's own usual gap explains; measured by the churn score itself."""

from msgspec import Struct

from services.churn_alerts.signal.model import FAR_DAYS, Finding, Moment, SignalRule
from shared.contracts.alert import Signal


class Silence(Struct, frozen=True, gc=False):
    """What the score knows of the running silence; `p` is the risk, `last_id` the newest order's event id."""

    silence_days: int
    usual_gap_days: float
    p: float
    horizon_days: float
    last_id: str


def evaluate(part: Silence | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the risk is at least `threshold`.

    The contribution is the risk's share of the weight. It tells how much the silence says; it is not added to the
    decision, which compares the risk itself.
    """
    if part is None or part.p < threshold:
        return None
    u, gap = part.silence_days, part.usual_gap_days
    usual = f"{gap:.0f}" if gap >= 1.5 else "1"
    days = "day" if usual == "1" else "days"
    told_en, told_zh = (f"usually one every {usual} {days}", f"通常每{usual}天购买一次")
    if u <= gap:
        told_en, told_zh = (
            f"the usual gap is {usual} {days}, but purchases were getting rarer",
            f"通常间隔{usual}天，但购买已在减少",
        )
    signal = Signal(
        name="purchase_overdue",
        value=float(u),
        threshold=round(gap, 1),
        contribution=round(weight * part.p, 4),
        evidence=[part.last_id] if part.last_id else [],
        reason_en=f"no purchase for {u} day{'' if u == 1 else 's'}; {told_en}",
        reason_zh=f"已{u}天未购买，{told_zh}",
    )
    return Finding(signal, moment.day + FAR_DAYS)


RULE = SignalRule(
    name="purchase_overdue",
    weight=2.0,
    threshold=0.5,
    unit="probability of no purchase within the horizon",
    judged="day_end",
    can_raise=False,
    evaluate=evaluate,
)
