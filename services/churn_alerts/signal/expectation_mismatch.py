"""Expectation mismatch: unhappy words shortly before or soon after an order, or a goal that was not met."""

from msgspec import Struct

from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule, strength
from shared.contracts.alert import Signal

BEFORE_DAYS = 7
AFTER_DAYS = 30
NEGATIVES_KEPT = 6
ORDERS_KEPT = 2
# Calibrated probability from which one text counts fully; below it, a text counts half.
CLEARLY_NEGATIVE = 0.8
BEFORE_SALE_SHARE = 0.5


class Negative(Struct, frozen=True, array_like=True, gc=False):
    """One unhappy text: when, event id, p_negative in thousandths, and its aspects as bits (see `alert/cause.py`)."""

    at_ms: int
    event_id: str
    permille: int
    aspects: int = 0


class Sale(Struct, frozen=True, array_like=True, gc=False):
    at_ms: int
    event_id: str


class Mismatch(Struct, frozen=True, array_like=True, gc=False):
    """The newest unhappy texts, the newest orders, and the newest consultations that missed their goal."""

    negatives: tuple[Negative, ...] = ()
    sales: tuple[Sale, ...] = ()
    missed: tuple[Sale, ...] = ()


def with_negative(part: Mismatch, negative: Negative) -> Mismatch:
    negatives = part.negatives
    if not negatives or (negative.at_ms, negative.event_id) >= (negatives[-1].at_ms, negatives[-1].event_id):
        # The common case, without sorting.
        return Mismatch((*negatives, negative)[-NEGATIVES_KEPT:], part.sales, part.missed)
    return Mismatch(_newest((*negatives, negative), NEGATIVES_KEPT), part.sales, part.missed)


def with_sale(part: Mismatch, at_ms: int, event_id: str) -> Mismatch:
    sale, sales = Sale(at_ms, event_id), part.sales
    last = sales[-1] if sales else None
    if last is None:
        kept: tuple[Sale, ...] = (sale,)
    elif at_ms // DAY_MS > last.at_ms // DAY_MS:
        # The common cases, without sorting: the first order of a new day,
        kept = (*sales[-ORDERS_KEPT:], sale)
    elif (at_ms, event_id) >= (last.at_ms, last.event_id):
        # and a later one of that day, which takes the place of the last but the first.
        has_two = len(sales) > 1 and sales[-2].at_ms // DAY_MS == last.at_ms // DAY_MS
        kept = (*sales[:-1], sale) if has_two else (*sales, sale)
    else:
        kept = _newest_sales((*sales, sale))
    return Mismatch(part.negatives, kept, part.missed)


def with_missed_goal(part: Mismatch, at_ms: int, event_id: str) -> Mismatch:
    return Mismatch(part.negatives, part.sales, _newest((*part.missed, Sale(at_ms, event_id)), ORDERS_KEPT))


def merge(one: Mismatch, other: Mismatch) -> Mismatch:
    return Mismatch(
        _newest((*one.negatives, *other.negatives), NEGATIVES_KEPT),
        _newest_sales((*one.sales, *other.sales)),
        _newest((*one.missed, *other.missed), ORDERS_KEPT),
    )


def _newest(items: tuple, limit: int) -> tuple:  # type: ignore[type-arg]
    return tuple(sorted(items, key=lambda item: (item.at_ms, item.event_id))[-limit:])


def _newest_sales(sales: tuple[Sale, ...]) -> tuple[Sale, ...]:
    """Return the first and last sale of the newest day with sales, and the two newest of the days before it."""
    ordered = sorted(sales, key=lambda sale: (sale.at_ms, sale.event_id))
    newest_day = ordered[-1].at_ms // DAY_MS if ordered else 0
    on_it = [sale for sale in ordered if sale.at_ms // DAY_MS == newest_day]
    before = ordered[: len(ordered) - len(on_it)]
    return (*before[-ORDERS_KEPT:], *(on_it if len(on_it) < 3 else (on_it[0], on_it[-1])))


def _sales_of(part: Mismatch, day: int) -> list[Sale]:
    """Return the sales of `day` and the two newest before it: an order of the day itself displaces none of those."""
    before = [sale for sale in part.sales if sale.at_ms // DAY_MS < day]
    return before[-ORDERS_KEPT:] + [sale for sale in part.sales if sale.at_ms // DAY_MS == day]


def evaluate(part: Mismatch, moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the unhappy texts around sales of the last 30 days weigh at least `threshold`.

    A text within 30 days after an order weighs 1 (½ if only mildly negative), one within 7 days before an order half of
    that; a missed goal weighs 1.
    """
    first_day = moment.day - AFTER_DAYS + 1
    total = 0.0
    n_after = n_before = 0
    evidence: list[Sale | Negative] = []
    sold = [sale.at_ms for sale in _sales_of(part, moment.day)] if part.negatives else []
    for negative in part.negatives:
        said_ms = negative.at_ms
        if not first_day <= said_ms // DAY_MS <= moment.day:
            continue
        weighs = 1.0 if negative.permille >= 1000 * CLEARLY_NEGATIVE else 0.5
        is_before = False
        for sold_ms in sold:
            if 0 <= said_ms - sold_ms <= AFTER_DAYS * DAY_MS:
                n_after += 1
                total += weighs
                evidence.append(negative)
                break
            is_before = is_before or 0 < sold_ms - said_ms <= BEFORE_DAYS * DAY_MS
        else:
            if is_before:
                n_before += 1
                total += weighs * BEFORE_SALE_SHARE
                evidence.append(negative)
    missed = [goal for goal in part.missed if first_day <= goal.at_ms // DAY_MS <= moment.day]
    total += len(missed)
    evidence.extend(missed)
    if total < threshold or not evidence:
        return None
    evidence.sort(key=lambda item: (item.at_ms, item.event_id))
    said = [("soon after an order", "下单后不久", n_after), ("before an order", "下单前", n_before)]
    parts_en = [f"{n} unhappy message{'' if n == 1 else 's'} {when}" for when, _, n in said if n]
    parts_zh = [f"{when}有{n}条不满" for _, when, n in said if n]
    if missed:
        parts_en.append("a consultation missed its goal")
        parts_zh.append("咨询项目未达成目标")
    signal = Signal(
        name="expectation_mismatch",
        value=round(total, 2),
        threshold=threshold,
        contribution=round(weight * strength(total / threshold), 4),
        evidence=[item.event_id for item in evidence[-4:]],
        reason_en=" and ".join(parts_en),
        reason_zh="，".join(parts_zh),
    )
    return Finding(signal, evidence[0].at_ms // DAY_MS + AFTER_DAYS)


RULE = SignalRule(
    name="expectation_mismatch",
    weight=1.2,
    threshold=1.0,
    unit="weight of unhappy texts around orders of the last 30 days",
    judged="event",
    can_raise=True,
    evaluate=evaluate,
)
