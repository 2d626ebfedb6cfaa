"""NPS detractor: the customer's newest answer to "would you recommend us?" is 0 to 6 of 10."""

from services.churn_alerts.signal.model import Finding, Moment, SignalRule
from services.churn_alerts.signal.surveys import Answer, low_answer

WINDOW_DAYS = 60


def evaluate(part: tuple[Answer, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the newest answer of the last 60 days is at most `threshold` up its scale (6 of 10: .6)."""
    return low_answer("nps_detractor", part, moment, WINDOW_DAYS, weight, threshold, _reason)


def _reason(answer: Answer) -> tuple[str, str]:
    en = f"would not recommend us: {answer.score:g} of {answer.scale_max:g}"
    return en, f"推荐意愿{answer.score:g}分（满分{answer.scale_max:g}分），属于贬损者"


RULE = SignalRule(
    name="nps_detractor",
    weight=0.9,
    threshold=0.6,
    unit="place of the answer on its scale, 0 worst, 1 best",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
