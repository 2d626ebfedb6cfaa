"""How good scores and alerts were, judged in hindsight; pure functions of arrays. Conventions: docs/churn.md."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
Flags = NDArray[np.bool_]

BINS = 10
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Scores in one tenth of [0, 1]: how many, their mean, and the share that came true."""

    n: int
    mean_score: float
    observed: float


@dataclass(frozen=True, slots=True)
class AlertQuality:
    """`precision`: alerts whose silence lasted beyond the horizon. `recall`: churned silences with a right alert.

    Leads are days from the alert to "lost anyway".
    """

    n_silences: int
    n_churned: int
    n_alerts: int
    precision: float
    recall: float
    f1: float
    median_lead_days: float

    def told(self) -> list[str]:
        """Return alerts, precision, recall, F1 and median lead as reports show them; dashes where nothing is judged."""
        if not self.n_silences:
            return ["–"] * 5
        shares = [f"{share:.3f}" for share in (self.precision, self.recall, self.f1)]
        return [f"{self.n_alerts:,}", *shares, f"{self.median_lead_days:.0f}"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a score ranks and, if it is a probability, how it is calibrated, over complete checkpoint rows."""

    name: str
    auc: float
    calibration_error: float | None


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    quality: AlertQuality


def iso(day: int) -> str:
    """Return the ISO date of a day number (days since 1970-01-01)."""
    return (EPOCH + timedelta(days=day)).isoformat()


def roc_auc(scores: Floats, labels: Flags) -> float:
    """Return the chance that a leaver scores above a stayer, ties counting half; NaN when one class is missing."""
    n_leavers = int(np.count_nonzero(labels))
    n_stayers = len(labels) - n_leavers
    if not n_leavers or not n_stayers:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    leavers = float(ranks[inverse][labels].sum())
    return (leavers - n_leavers * (n_leavers + 1) / 2.0) / (n_leavers * n_stayers)


def reliability(scores: Floats, labels: Flags) -> list[ReliabilityBin]:
    """Return the ten equal-width bins of the calibration table, empty ones included."""
    bin_of = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    table = []
    for index in range(BINS):
        inside = bin_of == index
        n = int(np.count_nonzero(inside))
        mean_score = float(scores[inside].mean()) if n else 0.0
        table.append(ReliabilityBin(n, mean_score, float(labels[inside].mean()) if n else 0.0))
    return table


def calibration_error(scores: Floats, labels: Flags) -> float:
    """Return the expected calibration error over ten equal-width bins."""
    if not len(scores):
        return float("nan")
    table = reliability(scores, labels)
    return sum(entry.n * abs(entry.mean_score - entry.observed) for entry in table) / len(scores)


def roc_points(scores: Floats, labels: Flags, n_points: int = 120) -> list[tuple[float, float]]:
    """Return (false-positive rate, true-positive rate) from (0, 0) to (1, 1)."""
    hits, alarms = _cumulative(scores, labels)
    points = np.stack([alarms / max(alarms[-1], 1), hits / max(hits[-1], 1)], axis=1)
    return [(0.0, 0.0), *((float(x), float(y)) for x, y in points[_thinned(len(points), n_points)])]


def precision_recall_points(scores: Floats, labels: Flags, n_points: int = 120) -> list[tuple[float, float]]:
    """Return (recall, precision) from few to all customers flagged."""
    hits, alarms = _cumulative(scores, labels)
    points = np.stack([hits / max(hits[-1], 1), hits / np.maximum(hits + alarms, 1)], axis=1)
    return [(float(x), float(y)) for x, y in points[_thinned(len(points), n_points)]]


def alert_quality(gaps: Days, alerted_at: Days, horizon_days: int, lost_after_days: int) -> AlertQuality:
    """Return how the alerts of complete silences did.

    `gaps`: days to the next purchase, huge if none; `alerted_at`: silence at the alert, negative if none was raised.
    An alert is right when the gap exceeds silence + horizon; a silence is churned when the gap is ≥ 1.5 horizons.
    """
    alerted = alerted_at >= 0
    right = alerted & (gaps > alerted_at + horizon_days)
    churned = gaps >= 1.5 * horizon_days
    n_alerts, n_churned = int(np.count_nonzero(alerted)), int(np.count_nonzero(churned))
    precision = float(np.count_nonzero(right)) / n_alerts if n_alerts else 0.0
    recall = float(np.count_nonzero(right & churned)) / n_churned if n_churned else 0.0
    leads = lost_after_days - alerted_at[alerted]
    return AlertQuality(
        n_silences=len(gaps),
        n_churned=n_churned,
        n_alerts=n_alerts,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        median_lead_days=float(np.median(leads)) if n_alerts else 0.0,
    )


def kaplan_meier(durations: Days, is_observed: Flags, until: int) -> Floats:
    """Return the share not back by day 0, 1, … `until` (Kaplan & Meier 1958); open silences are censored."""
    capped = np.minimum(durations, until + 1)
    events = np.bincount(capped[is_observed & (durations <= until)], minlength=until + 2)[: until + 1]
    ended = np.bincount(capped, minlength=until + 2)[: until + 1]
    at_risk = len(durations) - np.concatenate([[0], np.cumsum(ended)[:-1]])
    survival: Floats = np.cumprod(1.0 - events / np.maximum(at_risk, 1))
    return survival


def _cumulative(scores: Floats, labels: Flags) -> tuple[Floats, Floats]:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=bool)
    hits, alarms = np.cumsum(labels[order])[last_of_tie], np.cumsum(~labels[order])[last_of_tie]
    return hits.astype(np.float64), alarms.astype(np.float64)


def _thinned(n: int, n_points: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, n_points)).astype(np.int64))
