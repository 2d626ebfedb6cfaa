"""Which threshold is in force, from the newest weeks: a capacity's, or what is worth it in the plain rule's load."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.churn_alerts.alert.tier import TierCuts, fit_cuts, tier_of
from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import SilencePolicy, checks, floor_days, highest_by_row, risks_at
from services.churn_alerts.customer.features import usual_gap_days
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.model import refit_days
from services.churn_alerts.customer.worth import PastSilences, least_worth
from shared.contracts.alert import Tier

LOAD_DAYS = 84
"""Alerts are counted over the last twelve weeks: whole weeks, and short enough to follow a changing company."""

LEAST_LOAD_DAYS = 28

FEWEST_RANKED = 50
"""Fifths of fewer customers would be noise."""

MAX_SILENCES = 8_000
"""A threshold reads at most this many silences, customers sampled by hash: an error of a few alerts in a hundred."""

UNKNOWN_THRESHOLD = 0.5
"""Before there is a past to count in: alert when leaving is likelier than not."""


@dataclass(frozen=True, slots=True)
class Load:
    """The silences of the newest weeks, their checks so far in order, and the alerts wanted.

    `rows` of the silences in the history; of each silence the first day (of silence) that is counted, `begin`; of each
    check the place of its silence in `rows`, the silence and the risk.
    """

    rows: Days
    begin: Days
    checked: Days
    silences: Days
    p: Floats
    n_wanted: int

    def threshold(self, scores: Floats) -> float:
        """Return the score, one for each check, from which on the wanted number of alerts would have been raised."""
        is_before = self.silences < self.begin[self.checked]
        n = len(self.rows)
        before = highest_by_row(self.checked[is_before], scores[is_before], n)
        return _threshold(before, highest_by_row(self.checked, scores, n), self.n_wanted)


def threshold_for(
    history: History,
    until_day: int,
    generation: Generation,
    policy: SilencePolicy,
    alerts_per_day: float | None = None,
) -> float:
    """Return the threshold that would have raised the wanted number of first alerts in the weeks up to `until_day`.

    `alerts_per_day` is a team's capacity, to be used. Without it the load is at most that of the plain rule "no
    purchase for W days" in the same weeks, and less where more would not have been worth it (`worth.py`).
    """
    load = _load(history, until_day, generation, policy, alerts_per_day)
    if load is None:
        return UNKNOWN_THRESHOLD
    threshold = load.threshold(load.p)
    if alerts_per_day is not None:
        return threshold
    return _worth(load, load.p, threshold, history, until_day, generation, policy)


def thresholds_for(
    history: History,
    until_day: int,
    generation: Generation,
    policy: SilencePolicy,
    alerts_per_day: float | None,
    present: Mapping[Tier, float],
    cuts: TierCuts,
) -> dict[Tier, float]:
    """Return `threshold_for` by tier: all tiers move by one factor on the odds of `present`, which keeps their order.

    A silence's tier is that of the customer on the day of his last purchase.
    """
    if len(set(present.values())) == 1:
        threshold = round(threshold_for(history, until_day, generation, policy, alerts_per_day), 6)
        return dict.fromkeys(present, threshold)
    load = _load(history, until_day, generation, policy, alerts_per_day)
    if load is None:
        return dict(present)
    if load.n_wanted < 1:
        return dict.fromkeys(present, 1.0)
    tiers = tiers_at_purchase(history.columns.take(load.rows), generation, cuts)
    odds = np.array([_odds(present[tier]) for tier in tiers])
    relative = load.p / np.maximum(1.0 - load.p, 1e-6) / odds[load.checked]
    factor = load.threshold(relative)
    if alerts_per_day is None:
        factor = _worth(load, relative, factor, history, until_day, generation, policy)
    moved = {tier: _odds(threshold) * factor for tier, threshold in present.items()}
    return {tier: round(value / (1.0 + value), 6) for tier, value in moved.items()}


def tiers_at_purchase(columns: Columns, generation: Generation, cuts: TierCuts) -> list[Tier]:
    """Return each customer's tier on the day of his last purchase."""
    return [tier_of(*measures, cuts) for measures in _measures(columns, np.zeros(len(columns)), generation)]


def tier_cuts_for(history: History, until_day: int, generation: Generation, policy: SilencePolicy) -> TierCuts:
    """Return the fifths of the customers who are scored at the end of `until_day`, as RFM measures them."""
    rows = history.scored(until_day, policy.min_purchases, policy.lost_after_days)
    columns = history.columns.take(rows)
    gaps = usual_gap_days(columns, generation.baseline)
    measures = _measures(columns, (until_day - columns.last_day) / gaps, generation)
    if len(measures) < FEWEST_RANKED:
        return TierCuts()
    _, recency, frequency, money = zip(*measures, strict=True)
    return fit_cuts(recency, frequency, [amount for amount in money if amount is not None])


def _measures(
    columns: Columns, recency: Floats, generation: Generation
) -> list[tuple[int, float, float, float | None]]:
    usual = generation.baseline.log_amount
    money: list[float | None] = [None] * len(columns)
    if usual is not None:
        ratios = np.exp(columns.recent_log_amount - usual).tolist()
        money = [ratio if n else None for ratio, n in zip(ratios, columns.n_amounts.tolist(), strict=True)]
    n_purchases = (columns.n_gaps.astype(np.int64) + 1).tolist()
    return list(zip(n_purchases, recency.tolist(), columns.decayed_middle.tolist(), money, strict=True))


def _load(
    history: History, until_day: int, generation: Generation, policy: SilencePolicy, alerts_per_day: float | None
) -> Load | None:
    first_day = int(history.day.min()) if len(history.day) else until_day
    # Silences that states still know: those of the weeks counted began at most lost_after_days before them.
    known_days = max(refit_days(history.horizon_days) - policy.lost_after_days, LEAST_LOAD_DAYS)
    since = max(until_day - min(LOAD_DAYS, known_days), first_day)
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
        return None
    columns = history.columns.take(silences)
    end = np.minimum(history.next_purchase_day[silences], until_day + 1) - columns.last_day
    begin = since + 1 - columns.last_day
    if alerts_per_day is None:
        window = policy.window_days
        n_alerts = int(np.count_nonzero((begin <= window) & (window < end)))
    else:
        n_alerts = round(alerts_per_day * (until_day - since) * share)
    floors = floor_days(columns, generation, policy)
    checked, at = checks(columns, floors, np.zeros(len(silences), dtype=np.int64), end, policy)
    return Load(silences, begin, checked, at, risks_at(columns, checked, at, generation), n_alerts)


def _worth(
    load: Load,
    scores: Floats,
    least: float,
    history: History,
    until_day: int,
    generation: Generation,
    policy: SilencePolicy,
) -> float:
    """Return `least_worth` of the load's silences that began at least W days ago: the newer ones had no time yet."""
    started = history.columns.last_day[load.rows]
    is_old = started <= until_day - policy.window_days
    rows = load.rows[is_old]
    ends = history.next_purchase_day[rows]
    gaps = np.minimum(ends, until_day + 1) - started[is_old]
    past = PastSilences.of(history.columns.take(rows), gaps, ends > until_day, generation)
    asked = is_old[load.checked]
    place = np.cumsum(is_old) - 1
    return least_worth(past, place[load.checked[asked]], load.silences[asked], scores[asked], least)


def _threshold(before: Floats, by_now: Floats, n_alerts: int) -> float:
    # Raised in the weeks at threshold t: those over it by now less those over it before.
    candidates = np.unique(by_now[by_now > 0.0])[::-1]
    if n_alerts < 1 or not len(candidates):
        return 1.0
    over_now = len(by_now) - np.searchsorted(np.sort(by_now), candidates, side="left")
    over_before = len(before) - np.searchsorted(np.sort(before), candidates, side="left")
    enough = np.flatnonzero(over_now - over_before >= n_alerts)
    return float(candidates[enough[0]] if len(enough) else candidates[-1])


def _odds(p: float) -> float:
    bounded = min(max(p, 1e-6), 1.0 - 1e-6)
    return bounded / (1.0 - bounded)
