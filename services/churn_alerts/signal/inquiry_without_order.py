"""Inquiry without order: the customer asked before buying, more than once, and a week later there is still no order."""

from msgspec import Struct

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

WINDOW_DAYS = 45
PATIENCE_DAYS = 7
INQUIRIES_KEPT = 5
TOPIC_LENGTH = 48


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """One inquiry: when (milliseconds), the event's id, and what it was about."""

    at_ms: int
    event_id: str
    topic: str


def observe(part: tuple[Asked, ...], at_ms: int, event_id: str, topic: str) -> tuple[Asked, ...]:
    """Return the newest five inquiries with one more."""
    return _bounded((*part, Asked(at_ms, event_id, topic[:TOPIC_LENGTH])))


def merge(one: tuple[Asked, ...], other: tuple[Asked, ...]) -> tuple[Asked, ...]:
    return _bounded((*one, *other))


def _bounded(inquiries: tuple[Asked, ...]) -> tuple[Asked, ...]:
    return tuple(sorted(inquiries, key=lambda asked: (asked.at_ms, asked.event_id))[-INQUIRIES_KEPT:])


def review_day(part: tuple[Asked, ...], after_day: int) -> int | None:
    """Return the next day after `after_day` on which an inquiry's patience ends."""
    days = (asked.at_ms // DAY_MS + PATIENCE_DAYS for asked in part)
    return min((day for day in days if day > after_day), default=None)


def evaluate(
    part: tuple[tuple[Asked, ...], int | None], moment: Moment, weight: float, threshold: float
) -> Finding | None:
    """Return the signal if at least `threshold` inquiries of the last 45 days are a week old and no order followed.

    `part` is the inquiries and the time of the newest order (milliseconds, or None).
    """
    inquiries, last_order_ms = part
    newest_answered = moment.day - PATIENCE_DAYS
    open_ones = [
        asked
        for asked in inquiries
        if moment.day - WINDOW_DAYS < asked.at_ms // DAY_MS <= newest_answered
        and (last_order_ms is None or asked.at_ms // DAY_MS > last_order_ms // DAY_MS)
    ]
    if not open_ones or len(open_ones) < threshold:
        return None
    topics = list(dict.fromkeys(asked.topic for asked in open_ones if asked.topic))
    about_en = f" about {', '.join(topics)}" if topics else ""
    about_zh = f"“{'、'.join(topics)}”" if topics else ""
    n = len(open_ones)
    signal = Signal(
        name="inquiry_without_order",
        value=float(n),
        threshold=threshold,
        contribution=round(weight * strength(n / threshold), 4),
        evidence=[asked.event_id for asked in open_ones],
        reason_en=f"asked {n} time{'' if n == 1 else 's'}{about_en} and did not order within {PATIENCE_DAYS} days",
        reason_zh=f"咨询{about_zh}{n}次，{PATIENCE_DAYS}天内未下单",
    )
    return Finding(signal, open_ones[0].at_ms // DAY_MS + WINDOW_DAYS)


RULE = SignalRule(
    name="inquiry_without_order",
    weight=0.8,
    threshold=2,
    unit="inquiries of the last 45 days, a week old, with no order after them",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
