"""The capacity controller: from how risky silences were lately, the thresholds that raise what a team can work."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from services.churn_alerts.alert.rules import Rules
from shared.contracts.alert import Tier

# So many days of checks are looked at, and so many silences at most are remembered.
WINDOW_DAYS = 28
PEAKS_KEPT = 20_000

# Peaks of fewer silences than this say too little about the next days.
LEAST_PEAKS = 100
LEAST_THRESHOLD, MOST_THRESHOLD = 0.05, 0.995
# A new version for less than this would be noise (probability).
LEAST_CHANGE = 0.005


class PeakSample:
    """The highest risk that silences reached at their checks in the last 28 days, of a sample of the customers.

    A customer is in the sample if the hash of his id says so, one in `modulus`; the modulus doubles when the sample
    grows beyond its bound. It is a memory of the process: what follows from it is published before it counts.
    """

    def __init__(self, limit: int = PEAKS_KEPT) -> None:
        self.modulus = 1
        self._limit = limit
        self._first_day: int | None = None
        self._newest_day = 0
        self._peaks: dict[tuple[str, int], tuple[Tier, float, int]] = {}

    def checked(self, customer_id: str, spell_day: int, day: int, tier: Tier, p: float) -> None:
        """Note the risk `p` of the silence that began on `spell_day`, checked on `day`."""
        if not _is_sampled(customer_id, self.modulus):
            return
        self._first_day = day if self._first_day is None else min(self._first_day, day)
        self._newest_day = max(self._newest_day, day)
        known = self._peaks.get((customer_id, spell_day))
        self._peaks[customer_id, spell_day] = tier, max(p, known[1]) if known else p, day
        if len(self._peaks) > self._limit:
            self._forget()

    def peaks(self) -> tuple[dict[Tier, list[float]], float]:
        """Return the peaks by tier, and the days they stand for."""
        self._drop_old()
        found: dict[Tier, list[float]] = {}
        for tier, p, _ in self._peaks.values():
            found.setdefault(tier, []).append(p)
        if self._first_day is None:
            return found, 0.0
        return found, float(min(self._newest_day - self._first_day + 1, WINDOW_DAYS))

    def _forget(self) -> None:
        self._drop_old()
        while len(self._peaks) > self._limit:
            self.modulus *= 2
            self._peaks = {key: peak for key, peak in self._peaks.items() if _is_sampled(key[0], self.modulus)}

    def _drop_old(self) -> None:
        oldest = self._newest_day - WINDOW_DAYS
        self._peaks = {key: peak for key, peak in self._peaks.items() if peak[2] > oldest}


def _is_sampled(customer_id: str, modulus: int) -> bool:
    # Not the hash that chose the partition: of one partition's customers it takes all or none.
    return modulus == 1 or int.from_bytes(blake2b(customer_id.encode(), digest_size=8).digest()) % modulus == 0


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
