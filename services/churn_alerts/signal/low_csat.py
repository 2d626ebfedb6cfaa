"""Low satisfaction: the customer's newest CSAT (or effort) answer is in the lower part of its scale."""

from services.churn_alerts.signal.model import Finding, Moment, SignalRule
from services.churn_alerts.signal.surveys import Answer, low_answer

WINDOW_DAYS = 30


def evaluate(part: tuple[Answer, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the newest answer of the last 30 days lies at most `threshold` up its scale."""
    return low_answer("low_csat", part, moment, WINDOW_DAYS, weight, threshold, _reason)


def _reason(answer: Answer) -> tuple[str, str]:
    en = f"rated the service {answer.score:g} of {answer.scale_max:g}"
    return en, f"满意度评分{answer.score:g}分（满分{answer.scale_max:g}分）"


RULE = SignalRule(
    name="low_csat",
    weight=1.0,
    threshold=0.4,
    unit="place of the answer on its scale, 0 worst, 1 best",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
