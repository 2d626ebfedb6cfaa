"""How much of his usual gap a customer may be silent before an alert, as the company's own past says.

Waiting for half of the customer's own usual gap keeps alerts off customers who are about to buy anyway; where purchases
are frequent and leaving is rare, it also comes too late (docs/churn.md). Which weighs more is counted, not assumed.
"""

import numpy as np
from msgspec.structs import replace

from services.churn_alerts.customer.due import InForce, SilencePolicy, first_crossing, floor_days, highest_risk
from services.churn_alerts.customer.generation import USUAL_GAP_SHARE, Generation
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.model import refit_days

EARLY_GAP_SHARE = 0.0
"""The alternative: a quarter of the plain rule's window alone."""

LEAST_GAIN = 0.005
"""In F1; below it the difference is chance."""

FEWEST_CHURNED = 30
MAX_SILENCES = 8_000


def floor_gap_share(history: History, until_day: int, generation: Generation, policy: SilencePolicy) -> float:
    """Return the share of the usual gap whose floor would have alerted better, at as many alerts as the plain rule.

    Judged on silences whose outcome was known at the end of `until_day`: right is an alert whose silence went on for a
    horizon, churned a silence of one and a half (docs/churn.md). Half a gap unless the early floor is clearly better.
    """
    horizon = round(history.horizon_days)
    ended = until_day - policy.lost_after_days - horizon
    rows = np.flatnonzero(
        history.is_purchase
        & (history.day <= ended)
        & (history.day > until_day - refit_days(history.horizon_days))
        & (history.columns.n_gaps + 1 >= policy.min_purchases)
    )
    share = min(MAX_SILENCES / max(len(rows), 1), 1.0)
    if share < 1.0:
        rows = rows[history.id_hash[history.customer[rows]] < share * 2**32]
    gaps = np.minimum(history.next_purchase_day[rows], until_day + 1) - history.day[rows]
    is_churned = gaps >= 1.5 * horizon
    n_churned = int(np.count_nonzero(is_churned))
    n_wanted = int(np.count_nonzero(gaps > policy.window_days))
    if not n_wanted or n_churned < FEWEST_CHURNED:
        return USUAL_GAP_SHARE
    columns = history.columns.take(rows)
    nowhere = np.zeros(len(rows), dtype=np.int64)
    found: list[float] = []
    for gap_share in (USUAL_GAP_SHARE, EARLY_GAP_SHARE):
        floors = floor_days(columns, replace(generation, floor_gap_share=gap_share), policy)
        peaks = highest_risk(columns, floors, nowhere, gaps, generation, policy)
        threshold = float(np.sort(peaks)[-n_wanted])
        in_force = [InForce(0, generation, threshold)]
        alerted = first_crossing(columns, floors, nowhere, gaps, in_force, policy)
        is_right = alerted.raised & (gaps > alerted.silence_days + horizon)
        n_right, n_raised = int(np.count_nonzero(is_right)), int(np.count_nonzero(alerted.raised))
        precision = n_right / max(n_raised, 1)
        recall = int(np.count_nonzero(is_right & is_churned)) / n_churned
        found.append(2.0 * precision * recall / max(precision + recall, 1e-9))
    return EARLY_GAP_SHARE if found[1] >= found[0] + LEAST_GAIN else USUAL_GAP_SHARE
