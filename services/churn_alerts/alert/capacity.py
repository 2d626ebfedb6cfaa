"""The capacity controller: from how risky silences were lately, the thresholds that raise what a team can work."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from services.churn_alerts.alert.rules import Rules
from shared.contracts.alert import Tier

# Peaks of fewer silences than this say too little about the next days.
LEAST_PEAKS = 100
LEAST_THRESHOLD, MOST_THRESHOLD = 0.05, 0.995
# A new version for less than this would be noise (probability).
LEAST_CHANGE = 0.005


def thresholds_for_capacity(
    peaks: Mapping[Tier, Sequence[float]], n_days: float, n_signal_alerts: int, rules: Rules
) -> dict[Tier, float] | None:
    """Return the silence thresholds that would have raised `rules.capacity_per_day` alerts a day, or None to keep.

    `peaks` holds, by tier, the highest risk each silence reached past its floor within the last `n_days`: a silence is
    alerted exactly when its peak reaches the threshold, so the k-th largest peak is the threshold that raises k alerts.
    `n_signal_alerts` were raised by signals in those days and use capacity first. All tiers move by the same factor on
    the odds scale of their present thresholds, which keeps the policy between tiers. Ties are cut towards fewer alerts.
    """
    if rules.capacity_per_day is None or n_days <= 0:
        return None
    present = rules.silence_thresholds
    # Odds of each peak in units of its tier's threshold odds: one number per silence, comparable between tiers.
    relative = sorted(
        (_odds(peak) / _odds(present[tier]) for tier, values in peaks.items() for peak in values), reverse=True
    )
    if len(relative) < LEAST_PEAKS:
        return None
    n_wanted = max(int(rules.capacity_per_day * n_days) - n_signal_alerts, 0)
    if n_wanted >= len(relative):
        factor = relative[-1]
    elif n_wanted == 0:
        factor = relative[0] * 1.000001
    else:
        factor = relative[n_wanted - 1]
        if relative[n_wanted] == factor:
            factor = next((higher for higher in reversed(relative[:n_wanted]) if higher > factor), factor * 1.000001)
    moved = {tier: round(_bounded(_odds(p) * factor), 6) for tier, p in present.items()}
    if all(abs(moved[tier] - present[tier]) < LEAST_CHANGE for tier in present):
        return None
    return moved


def with_thresholds(rules: Rules, thresholds: dict[Tier, float]) -> Rules:
    """Return the rules with other silence thresholds: the document of the next version."""
    return replace(rules, silence_thresholds=thresholds)


def _odds(p: float) -> float:
    bounded = min(max(p, 1e-6), 1 - 1e-6)
    return bounded / (1 - bounded)


def _bounded(odds: float) -> float:
    return min(max(odds / (1 + odds), LEAST_THRESHOLD), MOST_THRESHOLD)
