"""NPS detractor: the customer's newest answer to "would you recommend us?" is 0 to 6 of 10."""

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule, strength
from services.churn_alerts.signal.surveys import Answer, worst_of_newest_day
from shared.contracts.alert import Signal

WINDOW_DAYS = 60


def evaluate(part: tuple[Answer, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the newest answer of the last 60 days is at most `threshold` up its scale (6 of 10: .6)."""
    answer = worst_of_newest_day(part, moment.day, WINDOW_DAYS)
    if answer is None or answer.permille > 1000 * threshold:
        return None
    depth = 1.0 - answer.permille / (1000 * threshold) if threshold else 1.0
    signal = Signal(
        name="nps_detractor",
        value=answer.score,
        threshold=threshold,
        contribution=round(weight * strength(1.0 + 2.0 * depth), 4),
        evidence=[answer.event_id],
        reason_en=f"would not recommend us: {answer.score:g} of {answer.scale_max:g}",
        reason_zh=f"推荐意愿{answer.score:g}分（满分{answer.scale_max:g}分），属于贬损者",
    )
    return Finding(signal, answer.at_ms // DAY_MS + WINDOW_DAYS)


RULE = SignalRule(
    name="nps_detractor",
    weight=0.9,
    threshold=0.6,
    unit="place of the answer on its scale, 0 worst, 1 best",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
