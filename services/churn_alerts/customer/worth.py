"""From which risk on an alert is worth its trouble, as the company's own past says.

The plain rule's load is the most that is raised; where customers buy often and few leave, most of it would be false. So
the threshold is raised while F1 on past silences rises with it (docs/churn.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import NEVER, first_over, highest_by_row
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.score import risk

FEWEST_CHURNED = 30
"""Fewer outcomes are noise: the load alone decides."""

NEAR_BEST = 0.01
"""Thresholds whose F1 is so close to the best are as good; of these the lowest is taken, which alerts earliest."""

CANDIDATES = 60


@dataclass(frozen=True, slots=True)
class PastSilences:
    """Silences that began at least W days ago, with what is known of their ends.

    `gaps`: days to the next purchase, or the age so far plus one of those that still run; `p_running`: the risk of
    these now, and 0 of the ended.
    """

    gaps: Days
    p_running: Floats
    horizon_days: float

    @classmethod
    def of(cls, columns: Columns, gaps: Days, is_running: NDArray[np.bool_], generation: Generation) -> "PastSilences":
        """Return the silences of `columns` judged by `generation`."""
        p = np.zeros(len(gaps))
        running = np.flatnonzero(is_running)
        p[running] = risk(columns.take(running), gaps[running] - 1, generation)
        return cls(gaps, p, generation.horizon_days)

    def outlasts(self, silence_days: Floats | float, rows: NDArray[Any] | slice = slice(None)) -> Floats:
        """Return the chance that each silence of `rows` goes on beyond `silence_days`: 0 or 1 where it is known.

        Leaving the silences that still run out would leave the newest leavers out. The risk is the chance of one more
        horizon; of a part of it, it is as if every day of it were alike.
        """
        gaps, p_running = self.gaps[rows], self.p_running[rows]
        missing = np.maximum(silence_days - (gaps - 1), 0.0) / self.horizon_days
        chance = np.exp(missing * np.log(np.maximum(p_running, 1e-6)))
        is_over: NDArray[np.bool_] = p_running == 0.0
        return np.where(gaps > silence_days, 1.0, np.where(is_over, 0.0, chance))


def least_worth(past: PastSilences, rows: Days, silences: Days, scores: Floats, least: float) -> float:
    """Return the lowest threshold from `least` on under which alerts would have been about as good as can be.

    `rows`, `silences` and `scores` are the checks of the past silences, those of a row in their order. Good is F1:
    right is an alert whose silence went on for a horizon, churned a silence of one and a half.
    """
    horizon = past.horizon_days
    churned = past.outlasts(1.5 * horizon - 1.0)
    n_churned = float(churned.sum())
    highest = np.sort(highest_by_row(rows, scores, len(churned)))
    reached = highest[highest >= least]
    if n_churned < FEWEST_CHURNED or not len(reached):
        return least
    picked = np.linspace(0, len(reached) - 1, min(CANDIDATES, len(reached))).astype(np.int64)
    candidates = np.unique(np.concatenate([[least], reached[picked]]))
    f1 = np.zeros(len(candidates))
    for index, threshold in enumerate(candidates):
        # Candidates rise: a check that one of them left out is over none of the next.
        is_over = scores >= threshold
        rows, silences, scores = rows[is_over], silences[is_over], scores[is_over]
        alerted_at = first_over(rows, silences, scores, threshold, len(churned))
        raised = np.flatnonzero(alerted_at != NEVER)
        right = np.zeros(len(churned))
        right[raised] = past.outlasts(alerted_at[raised].astype(np.float64) + horizon, raised)
        precision = float(right.sum()) / len(raised)
        recall = float(np.minimum(right, churned).sum()) / n_churned
        f1[index] = 2.0 * precision * recall / max(precision + recall, 1e-9)
    return float(candidates[np.flatnonzero(f1 >= f1.max() - NEAR_BEST)[0]])
