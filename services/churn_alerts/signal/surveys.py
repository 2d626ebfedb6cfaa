"""Answered surveys, newest few of each kind, on one scale; what low_csat and nps_detractor share."""

from collections.abc import Callable

from msgspec import Struct

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, strength
from shared.contracts.alert import Signal, SignalName

ANSWERS_KEPT = 3


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """One answer: when, event id, what was said and the top of its scale, and its place on the scale in thousandths."""

    at_ms: int
    event_id: str
    score: float
    scale_max: float
    permille: int


def answered(
    part: tuple[Answer, ...], at_ms: int, event_id: str, score: float, scale_min: float, scale_max: float
) -> tuple[Answer, ...]:
    """Return the newest three answers with one more; an answer off its scale counts as the scale's end."""
    span = scale_max - scale_min
    place = min(max((score - scale_min) / span, 0.0), 1.0) if span > 0 else 1.0
    return merge(part, (Answer(at_ms, event_id, score, scale_max, round(1000 * place)),))


def merge(one: tuple[Answer, ...], other: tuple[Answer, ...]) -> tuple[Answer, ...]:
    return tuple(sorted((*one, *other), key=lambda answer: (answer.at_ms, answer.event_id))[-ANSWERS_KEPT:])


def worst_of_newest_day(part: tuple[Answer, ...], day: int, window_days: int) -> Answer | None:
    """Return the lowest answer of the newest day with answers, if that day is within the window ending on `day`.

    Of one day the worst counts: the order within a day is not known well enough to let a better one undo it.
    """
    seen = [answer for answer in part if day - window_days < answer.at_ms // DAY_MS <= day]
    if not seen:
        return None
    newest = seen[-1].at_ms // DAY_MS
    return min(
        (answer for answer in seen if answer.at_ms // DAY_MS == newest),
        key=lambda answer: (answer.permille, answer.at_ms, answer.event_id),
    )


def low_answer(
    name: SignalName,
    part: tuple[Answer, ...],
    moment: Moment,
    window_days: int,
    weight: float,
    threshold: float,
    say: Callable[[Answer], tuple[str, str]],
) -> Finding | None:
    """Return the signal if the worst of the newest answers of the window lies at most `threshold` up its scale.

    Twice as strong at the very bottom of the scale as at the threshold. `say` gives the reason, English and Chinese.
    """
    answer = worst_of_newest_day(part, moment.day, window_days)
    if answer is None or answer.permille > 1000 * threshold:
        return None
    depth = 1.0 - answer.permille / (1000 * threshold) if threshold else 1.0
    reason_en, reason_zh = say(answer)
    signal = Signal(
        name=name,
        value=answer.score,
        threshold=threshold,
        contribution=round(weight * strength(1.0 + 2.0 * depth), 4),
        evidence=[answer.event_id],
        reason_en=reason_en,
        reason_zh=reason_zh,
    )
    return Finding(signal, answer.at_ms // DAY_MS + window_days)
