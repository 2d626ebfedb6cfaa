"""Repeated reopening: tickets that were called solved come back, the same one or several."""

from msgspec import Struct

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

WINDOW_DAYS = 45
REOPENS_KEPT = 6
ID_LENGTH = 48


class Reopen(Struct, frozen=True, array_like=True, gc=False):
    at_ms: int
    event_id: str
    ticket_id: str


def observe(part: tuple[Reopen, ...], at_ms: int, event_id: str, ticket_id: str) -> tuple[Reopen, ...]:
    """Return the newest six reopenings with one more."""
    return merge(part, (Reopen(at_ms, event_id, ticket_id[:ID_LENGTH]),))


def merge(one: tuple[Reopen, ...], other: tuple[Reopen, ...]) -> tuple[Reopen, ...]:
    return tuple(sorted((*one, *other), key=lambda reopen: (reopen.at_ms, reopen.event_id))[-REOPENS_KEPT:])


def evaluate(part: tuple[Reopen, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if tickets were reopened at least `threshold` times in the last 45 days."""
    recent = [reopen for reopen in part if moment.day - WINDOW_DAYS < reopen.at_ms // DAY_MS <= moment.day]
    if not recent or len(recent) < threshold:
        return None
    n, n_tickets = len(recent), len({reopen.ticket_id for reopen in recent})
    tickets_en = f"ticket {recent[-1].ticket_id} was" if n_tickets == 1 else f"{n_tickets} tickets were"
    tickets_zh = f"工单{recent[-1].ticket_id}" if n_tickets == 1 else f"{n_tickets}张工单"
    signal = Signal(
        name="repeated_reopen",
        value=float(n),
        threshold=threshold,
        contribution=round(weight * strength(n / threshold), 4),
        evidence=[reopen.event_id for reopen in recent[-4:]],
        reason_en=f"{tickets_en} reopened {n} times in {WINDOW_DAYS} days",
        reason_zh=f"{WINDOW_DAYS}天内{tickets_zh}被重新打开{n}次",
    )
    return Finding(signal, recent[0].at_ms // DAY_MS + WINDOW_DAYS)


RULE = SignalRule(
    name="repeated_reopen",
    weight=1.5,
    threshold=2,
    unit="reopenings in 45 days",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
