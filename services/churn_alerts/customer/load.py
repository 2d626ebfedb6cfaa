"""Which threshold gives how many alerts, judged on the newest weeks: from a capacity, or from the plain rule's load."""

import numpy as np

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.due import SilencePolicy, floor_days, highest_risk
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.history import History

LOAD_DAYS = 84
"""Alerts are counted over the last twelve weeks: whole weeks, and short enough to follow a changing company."""

MAX_SILENCES = 4_000
"""A threshold reads at most this many silences, customers sampled by hash: an error of a few alerts in a hundred."""

UNKNOWN_THRESHOLD = 0.5
"""Before there is a past to count in: alert when leaving is likelier than not."""


def threshold_for(
    history: History,
    until_day: int,
    generation: Generation,
    policy: SilencePolicy,
    alerts_per_day: float | None = None,
) -> float:
    """Return the threshold that would have raised the wanted number of first alerts in the weeks up to `until_day`.

    `alerts_per_day` is a team's capacity; without it the load is that of the plain rule "no purchase for W days" in the
    same weeks. No outcome is needed, so the newest days count too.
    """
    first_day = int(history.day.min()) if len(history.day) else until_day
    since = max(until_day - LOAD_DAYS, first_day)
    started = history.columns.last_day
    silences = np.flatnonzero(
        history.is_purchase
        & (started <= until_day)
        & (started > since - policy.lost_after_days)
        & (history.columns.n_gaps + 1 >= policy.min_purchases)
    )
    share = min(MAX_SILENCES / max(len(silences), 1), 1.0)
    if share < 1.0:
        silences = silences[history.id_hash[history.customer[silences]] < share * 2**32]
    if not len(silences) or until_day <= since:
        return UNKNOWN_THRESHOLD
    columns = history.columns.take(silences)
    end = np.minimum(history.next_purchase_day[silences], until_day + 1) - columns.last_day
    begin = since + 1 - columns.last_day
    if alerts_per_day is None:
        window = policy.window_days
        n_alerts = int(np.count_nonzero((begin <= window) & (window < end)))
    else:
        n_alerts = round(alerts_per_day * (until_day - since) * share)
    floors = floor_days(columns, generation, policy)
    nowhere = np.zeros(len(silences), dtype=np.int64)
    before = highest_risk(columns, floors, nowhere, np.minimum(begin, end), generation, policy)
    by_now = np.maximum(before, highest_risk(columns, floors, begin, end, generation, policy))
    return _threshold(before, by_now, n_alerts)


def _threshold(before: Floats, by_now: Floats, n_alerts: int) -> float:
    # Raised in the weeks at threshold t: those over it by now less those over it before.
    candidates = np.unique(by_now[by_now > 0.0])[::-1]
    if n_alerts < 1 or not len(candidates):
        return 1.0
    over_now = len(by_now) - np.searchsorted(np.sort(by_now), candidates, side="left")
    over_before = len(before) - np.searchsorted(np.sort(before), candidates, side="left")
    enough = np.flatnonzero(over_now - over_before >= n_alerts)
    return float(candidates[enough[0]] if len(enough) else candidates[-1])
