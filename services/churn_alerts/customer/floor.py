"""How long a customer must be silent before an alert, as the company's own past says.

Waiting for half of the customer's own usual gap keeps alerts off customers who are about to buy anyway; where purchases
are frequent and leaving is rare, or usual gaps are long, it comes too late, and waiting for half of the plain rule's
window weighs the same for all (docs/churn.md). Which is best is counted, not assumed.
"""

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import (
    NEVER,
    SilencePolicy,
    checks,
    first_over,
    floor_days,
    highest_by_row,
    risks_at,
)
from services.churn_alerts.customer.generation import FLOOR_GAP_SHARE, FLOOR_WINDOW_SHARE, Generation
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.model import refit_days

FLOORS = ((FLOOR_WINDOW_SHARE, FLOOR_GAP_SHARE), (FLOOR_WINDOW_SHARE, 0.0), (0.5, 0.0))
"""Shares of the plain rule's window and of the usual gap; of equally good ones the first is taken."""

FEWEST_CHURNED = 30
MAX_SILENCES = 8_000


def with_best_floor(generation: Generation, history: History, until_day: int, policy: SilencePolicy) -> Generation:
    """Return the generation with the floor that would have alerted best, at as many alerts as the plain rule.

    Judged by F1 on silences whose outcome was known at the end of `until_day`: right is an alert whose silence went on
    for a horizon, churned a silence of one and a half (docs/churn.md).
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
        return generation
    columns = history.columns.take(rows)
    best, best_f1 = generation, -1.0
    for candidate, checked, silences, p in _judged(columns, gaps, generation, policy):
        threshold = np.sort(highest_by_row(checked, p, len(rows)))[-n_wanted]
        alerted_at = first_over(checked, silences, p, threshold, len(rows))
        is_raised = alerted_at != NEVER
        is_right = is_raised & (gaps > alerted_at + horizon)
        n_right, n_raised = int(np.count_nonzero(is_right)), int(np.count_nonzero(is_raised))
        precision = n_right / max(n_raised, 1)
        recall = int(np.count_nonzero(is_right & is_churned)) / n_churned
        f1 = 2.0 * precision * recall / max(precision + recall, 1e-9)
        if f1 > best_f1:
            best, best_f1 = candidate, f1
    return best


def _judged(
    columns: Columns, gaps: Days, generation: Generation, policy: SilencePolicy
) -> Iterator[tuple[Generation, Days, Days, Floats]]:
    """Yield the generation with each floor, the checks of the silences from there on, and the risks at them.

    The ladders of checks run together after a few steps, so that a risk is asked for by two or three floors: each is
    computed once.
    """
    nowhere = np.zeros(len(columns), dtype=np.int64)
    candidates = [replace(generation, floor_window_share=window, floor_gap_share=gap) for window, gap in FLOORS]
    floors = [floor_days(columns, candidate, policy) for candidate in candidates]
    ladders = [checks(columns, own, nowhere, gaps, policy) for own in floors]
    is_asked = np.zeros((len(columns), policy.lost_after_days), dtype=np.bool_)
    for rows, silences in ladders:
        is_asked[rows, silences] = True
    asked, at = np.nonzero(is_asked)
    risks = np.zeros(is_asked.shape)
    risks[asked, at] = risks_at(columns, asked, at, generation)
    for candidate, (rows, silences) in zip(candidates, ladders, strict=True):
        yield candidate, rows, silences, risks[rows, silences]
