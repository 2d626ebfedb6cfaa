"""Purchase frequency falling: fewer orders in the last two to three months than the earlier rate makes likely."""

from services.churn_alerts.signal.counts import BlockCounts, lately
from services.churn_alerts.signal.model import FAR_DAYS, Finding, Moment, SignalRule, strength
from services.churn_alerts.signal.tail import lower_tail
from shared.contracts.alert import Signal

# Less history than this says nothing about a rate.
LEAST_ORDERS = 4
LEAST_DAYS = 90
# A significant but small fall is no reason to call anyone.
MOST_OF_USUAL = 0.5


def evaluate(part: BlockCounts | None, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if P(as few orders | earlier rate) is at most `threshold` and the rate has at least halved."""
    if part is None:
        return None
    counts = lately(part, moment.day)
    if counts.n_before < LEAST_ORDERS or counts.before_days < LEAST_DAYS:
        return None
    usual = counts.usual
    tail = lower_tail(counts.n_recent, counts.n_before, counts.before_days, counts.recent_days)
    if tail > threshold or counts.n_recent > MOST_OF_USUAL * usual:
        return None
    signal = Signal(
        name="purchase_frequency_falling",
        value=float(counts.n_recent),
        threshold=round(MOST_OF_USUAL * usual, 1),
        contribution=round(weight * strength(usual / (counts.n_recent + 1)), 4),
        reason_en=f"{_orders(counts.n_recent)} in the last {counts.recent_days} days; {usual:.1f} would be usual",
        reason_zh=f"近{counts.recent_days}天下单{counts.n_recent}次，通常约{usual:.1f}次",
    )
    return Finding(signal, moment.day + FAR_DAYS)


def _orders(n: int) -> str:
    return f"{n or 'no'} order{'' if n == 1 else 's'}"


RULE = SignalRule(
    name="purchase_frequency_falling",
    weight=0.5,
    threshold=0.05,
    unit="probability of as few orders, given the customer's earlier rate",
    judged="day_end",
    can_raise=False,
    evaluate=evaluate,
)
