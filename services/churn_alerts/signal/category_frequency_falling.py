"""Category frequency falling: a category bought regularly is hardly bought any more, whatever else is."""

from msgspec import Struct

from services.churn_alerts.signal.counts import BlockCounts, counted, lately, merged_counts
from services.churn_alerts.signal.model import FAR_DAYS, Finding, Moment, SignalRule, strength
from services.churn_alerts.signal.tail import lower_tail
from shared.contracts.alert import Signal

CATEGORIES_KEPT = 6
LEAST_ORDERS = 4
LEAST_DAYS = 90
MOST_OF_USUAL = 0.34
NAME_LENGTH = 48


class Category(Struct, frozen=True, array_like=True, gc=False):
    """Orders that held something of the category `name`."""

    name: str
    counts: BlockCounts


def observe(part: tuple[Category, ...], day: int, names: set[str]) -> tuple[Category, ...]:
    """Return the part with one more order that held the categories `names`; the least bought give way beyond six."""
    left = {name[:NAME_LENGTH] for name in names}
    kept = []
    for category in part:
        if category.name in left:
            left.discard(category.name)
            kept.append(Category(category.name, counted(category.counts, day)))
        else:
            kept.append(category)
    kept.extend(Category(name, counted(None, day)) for name in sorted(left))
    return _bounded(kept)


def merge(one: tuple[Category, ...], other: tuple[Category, ...]) -> tuple[Category, ...]:
    counts: dict[str, BlockCounts] = {}
    for category in (*one, *other):
        joined = merged_counts(counts.get(category.name), category.counts)
        if joined is not None:
            counts[category.name] = joined
    return _bounded([Category(name, joined) for name, joined in counts.items()])


def _bounded(categories: list[Category]) -> tuple[Category, ...]:
    categories.sort(key=lambda category: (-category.counts.total, category.name))
    return tuple(categories[:CATEGORIES_KEPT])


def evaluate(part: tuple[Category, ...], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the category that fell most, if P(as few orders with it | earlier rate) is at most `threshold`."""
    worst: tuple[float, Category] | None = None
    for category in part:
        counts = lately(category.counts, moment.day)
        if counts.n_before < LEAST_ORDERS or counts.before_days < LEAST_DAYS:
            continue
        tail = lower_tail(counts.n_recent, counts.n_before, counts.before_days, counts.recent_days)
        if tail <= threshold and counts.n_recent <= MOST_OF_USUAL * counts.usual and (worst is None or tail < worst[0]):
            worst = tail, category
    if worst is None:
        return None
    name = worst[1].name
    counts = lately(worst[1].counts, moment.day)
    times = f"{counts.n_recent} time{'' if counts.n_recent == 1 else 's'}"
    signal = Signal(
        name="category_frequency_falling",
        value=float(counts.n_recent),
        threshold=round(MOST_OF_USUAL * counts.usual, 1),
        contribution=round(weight * strength(counts.usual / (counts.n_recent + 1)), 4),
        reason_en=f"{name} bought {times} in the last {counts.recent_days} days; {counts.usual:.1f} would be usual",
        reason_zh=f"近{counts.recent_days}天购买“{name}”{counts.n_recent}次，通常约{counts.usual:.1f}次",
    )
    return Finding(signal, moment.day + FAR_DAYS)


RULE = SignalRule(
    name="category_frequency_falling",
    weight=0.4,
    threshold=0.05,
    unit="probability of as few orders with the category, given the customer's earlier rate",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
