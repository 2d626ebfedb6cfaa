"""How well alerts foretold the known leavers: the definitions of docs/simulator.md, counted. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.simulator.truth import CustomerTruth, Header
from shared import interval

EARLIEST: Final = timedelta(days=30)
LATEST: Final = timedelta(days=90)
PLAIN_RULE: Final = timedelta(days=60)
_DAY: Final = timedelta(days=1)
# How an alert ends before anybody need act on it.
_OF_ITSELF: Final = frozenset({"returned", "recovered", "evidence_undone"})
_DRAWS: Final = 1_000
# Processors reckon in whole milliseconds.
_TICK: Final = timedelta(milliseconds=1)


class Alert(Struct, frozen=True, kw_only=True):
    """An alert as the API tells it; `resolved_at` is when it ended, if it did, and `ended_by` why.

    `evidence_at` is when the newest event happened that the alert gives as its proof, `heard_at` when the system
    received it, `stored_at` when the alert could first be read. Unset: not known, as in a rehearsal.
    """

    alert_id: str
    customer_id: str
    raised_at: datetime
    resolved_at: datetime | None = None
    ended_by: str | None = None
    cause: str = "unknown"
    is_historical: bool = False
    evidence_at: datetime | None = None
    heard_at: datetime | None = None
    stored_at: datetime | None = None


class Share(Struct, frozen=True):
    """A share with its Wilson interval at 95 %."""

    n: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.n / self.of if self.of else float("nan")


class Middle(Struct, frozen=True):
    """A median, or another quantile, with its bootstrap interval at 95 %, and of how many."""

    value: float
    low: float
    high: float
    of: int


@dataclass(frozen=True, slots=True)
class Score:
    """The counts and shares; `missed` and `false_alarms` name customers, for a look at why."""

    n_customers: int
    n_alerts: int
    n_leavers: int
    n_counted: int
    n_too_young: int
    n_without_rhythm: int
    n_about_to_go: int
    precision: Share
    precision_by_customer: tuple[float, float]
    standing: Share
    recall: Share
    recall_told: Share
    recall_silent: Share
    delay_days: Middle
    lead_days: Middle
    evidence_hours: Middle
    stored_s: Middle
    stored_s_p95: Middle
    due_s: Middle
    cause: Share
    cause_named: Share
    cause_told: Share
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    false_alarms: list[Alert] = field(default_factory=list)


def is_hit(alert: Alert, truth: CustomerTruth, until: datetime) -> bool:
    """Return whether an alert foretold or found the customer's leaving."""
    decided_at = truth.decided_at
    if decided_at is None:
        return False
    is_open_at = alert.resolved_at is None or alert.resolved_at >= min(decided_at, until)
    if decided_at > until:
        return is_open_at and alert.raised_at <= until
    if alert.raised_at >= decided_at:
        return alert.raised_at <= decided_at + LATEST
    return is_open_at and alert.raised_at >= decided_at - EARLIEST


def is_counted(truth: CustomerTruth, until: datetime) -> bool:
    """Return whether a leaver counts for recall: a rhythm to break, and a decision old enough to be noticed."""
    return truth.decided_at is not None and truth.order_days >= 2 and truth.decided_at <= until - PLAIN_RULE


def is_at_once(alert: Alert) -> bool:
    """Return whether an event that was news raised the alert, so that the wait for it can be told by the clock."""
    if alert.heard_at is None or alert.evidence_at is None or alert.is_historical:
        return False
    return abs(alert.evidence_at - alert.raised_at) < _TICK


def judge(head: Header, truths: Sequence[CustomerTruth], alerts: Sequence[Alert]) -> Score:
    """Return the score of alerts, each about a customer of the world."""
    by_id = {truth.customer_id: truth for truth in truths}
    of_customer: dict[str, list[Alert]] = {}
    for alert in sorted(alerts, key=lambda one: one.raised_at):
        of_customer.setdefault(alert.customer_id, []).append(alert)
    hits = {
        customer: [alert for alert in raised if is_hit(alert, by_id[customer], head.until)]
        for customer, raised in of_customer.items()
    }
    n_hits = sum(map(len, hits.values()))
    leavers = [truth for truth in truths if truth.decided_at is not None and truth.decided_at <= head.until]
    counted = [truth for truth in leavers if is_counted(truth, head.until)]
    found = [truth for truth in counted if hits.get(truth.customer_id)]
    told = [truth for truth in counted if truth.is_told]
    first = [(truth, hits[truth.customer_id][0]) for truth in leavers if hits.get(truth.customer_id)]
    known = [(truth, alert) for truth, alert in first if truth.cause != "unknown"]
    right = [(truth, alert) for truth, alert in known if alert.cause == truth.cause]
    named = [(truth, alert) for truth, alert in known if alert.cause != "unknown"]
    at_once = [
        _seconds(one.stored_at - one.heard_at) for one in alerts if is_at_once(one) and one.stored_at and one.heard_at
    ]
    by_time = [one for one in alerts if not one.is_historical and one.raised_at > head.until and not is_at_once(one)]
    known_told = [(truth, alert) for truth, alert in known if truth.is_told]
    return Score(
        n_customers=len(truths),
        n_alerts=len(alerts),
        n_leavers=len(leavers),
        n_counted=len(counted),
        n_too_young=sum(1 for t in leavers if t.decided_at is not None and t.decided_at > head.until - PLAIN_RULE),
        n_without_rhythm=sum(1 for truth in leavers if truth.order_days < 2),
        n_about_to_go=sum(1 for t in truths if t.decided_at is not None and t.decided_at > head.until),
        precision=wilson(n_hits, len(alerts)),
        precision_by_customer=_bootstrap_ratio(
            [len(hits.get(truth.customer_id, ())) for truth in truths],
            [len(of_customer.get(truth.customer_id, ())) for truth in truths],
        ),
        standing=wilson(
            sum(1 for raised in hits.values() for alert in raised if alert.ended_by not in _OF_ITSELF),
            sum(1 for alert in alerts if alert.ended_by not in _OF_ITSELF),
        ),
        recall=wilson(len(found), len(counted)),
        recall_told=wilson(sum(1 for truth in found if truth.is_told), len(told)),
        recall_silent=wilson(sum(1 for truth in found if not truth.is_told), len(counted) - len(told)),
        delay_days=middle([_days(a.raised_at - t.decided_at) for t, a in first if t.decided_at is not None]),
        lead_days=middle(
            [_days(t.last_order_at + PLAIN_RULE - a.raised_at) for t, a in first if t.last_order_at is not None]
        ),
        evidence_hours=middle([_days(a.raised_at - a.evidence_at) * 24 for a in alerts if a.evidence_at]),
        stored_s=middle(at_once),
        stored_s_p95=middle(at_once, 0.95),
        due_s=middle([_seconds(one.stored_at - one.raised_at) for one in by_time if one.stored_at]),
        cause=wilson(len(right), len(known)),
        cause_named=wilson(len(right), len(named)),
        cause_told=wilson(sum(1 for truth, _ in right if truth.is_told), len(known_told)),
        confusion=Counter((str(truth.cause), alert.cause) for truth, alert in first),
        missed=[truth.customer_id for truth in counted if not hits.get(truth.customer_id)],
        false_alarms=[alert for alert in alerts if not is_hit(alert, by_id[alert.customer_id], head.until)],
    )


def wilson(n: int, of: int) -> Share:
    """Return a share with its interval; nothing of nothing may be anything."""
    if of == 0:
        return Share(0, 0, 0.0, 1.0)
    share = interval.wilson(n, of)
    return Share(n, of, share.low, share.high)


def middle(values: Sequence[float], share: float = 0.5) -> Middle:
    """Return the quantile at `share`, the median if not told, and its bootstrap interval; the draws are seeded."""
    if not values:
        return Middle(float("nan"), float("nan"), float("nan"), 0)
    data = np.asarray(values)
    drawn = data[np.random.default_rng(0).integers(0, len(data), (_DRAWS, len(data)))]
    low, high = np.quantile(np.quantile(drawn, share, axis=1), (0.025, 0.975))
    return Middle(float(np.quantile(data, share)), float(low), float(high), len(values))


def _bootstrap_ratio(numerators: Sequence[int], denominators: Sequence[int]) -> tuple[float, float]:
    """Return the bootstrap interval of a ratio of sums over customers."""
    top: NDArray[np.float64] = np.asarray(numerators, np.float64)
    bottom: NDArray[np.float64] = np.asarray(denominators, np.float64)
    generator = np.random.default_rng(0)
    ratios = []
    for _ in range(_DRAWS):
        drawn = generator.integers(0, len(top), len(top))
        whole = bottom[drawn].sum()
        if whole:
            ratios.append(top[drawn].sum() / whole)
    if not ratios:
        return 0.0, 1.0
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _days(span: timedelta) -> float:
    return span / _DAY
