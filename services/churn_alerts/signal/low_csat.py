"""Low satisfaction: the customer's newest CSAT (or effort) answer is in the lower part of its scale."""

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule, strength
from services.churn_alerts.signal.surveys import Answer, worst_of_newest_day
from shared.contracts.alert import Signal

WINDOW_DAYS = 30


def evaluate(part: tuple[Answer, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the newest answer of the last 30 days lies at most `threshold` up its scale."""
    answer = worst_of_newest_day(part, moment.day, WINDOW_DAYS)
    if answer is None or answer.permille > 1000 * threshold:
        return None
    # Twice as strong at the very bottom of the scale as at the threshold.
    depth = 1.0 - answer.permille / (1000 * threshold) if threshold else 1.0
    signal = Signal(
        name="low_csat",
        value=answer.score,
        threshold=threshold,
        contribution=round(weight * strength(1.0 + 2.0 * depth), 4),
        evidence=[answer.event_id],
        reason_en=f"rated the service {answer.score:g} of {answer.scale_max:g}",
        reason_zh=f"满意度评分{answer.score:g}分（满分{answer.scale_max:g}分）",
    )
    return Finding(signal, answer.at_ms // DAY_MS + WINDOW_DAYS)


RULE = SignalRule(
    name="low_csat",
    weight=1.0,
    threshold=0.4,
    unit="place of the answer on its scale, 0 worst, 1 best",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
