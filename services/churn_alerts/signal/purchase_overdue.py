"""Purchase overdue: silent longer than the customer's own usual gap explains; measured by the churn score itself."""

from dataclasses import dataclass

from services.churn_alerts.signal.model import Finding, Moment, SignalRule
from shared.contracts.alert import Signal


@dataclass(frozen=True, slots=True)
class Silence:
    """What the score knows of the running silence; `p` is the risk, `last_id` the newest order's event id."""

    silence_days: int
    usual_gap_days: float
    p: float
    horizon_days: float
    last_id: str


def evaluate(part: Silence | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal once the silence is longer than the usual gap and the risk at least `threshold`.

    The contribution is the risk's distance from one half in log-odds, times the weight: it tells how much the silence
    alone says. It is not added to the decision, which compares the risk itself.
    """
    if part is None or part.p < threshold or part.silence_days <= part.usual_gap_days:
        return None
    p = min(part.p, 1.0 - 1e-6)
    usual = f"{part.usual_gap_days:.0f}" if part.usual_gap_days >= 1.5 else "1"
    signal = Signal(
        name="purchase_overdue",
        value=float(part.silence_days),
        threshold=round(part.usual_gap_days, 1),
        contribution=round(weight * max(p - threshold, 0.0) / max(1.0 - threshold, 1e-6), 4),
        evidence=[part.last_id] if part.last_id else [],
        reason_en=f"no purchase for {part.silence_days} days; usually one every {usual} {days_en(usual)}",
        reason_zh=f"已{part.silence_days}天未购买，通常每{usual}天购买一次",
    )
    return Finding(signal, moment.day + part.silence_days)


def days_en(number: str) -> str:
    return "day" if number == "1" else "days"


RULE = SignalRule(
    name="purchase_overdue",
    weight=2.0,
    threshold=0.5,
    unit="probability of no purchase within the horizon",
    judged="day_end",
    can_raise=False,
    evaluate=evaluate,
)
