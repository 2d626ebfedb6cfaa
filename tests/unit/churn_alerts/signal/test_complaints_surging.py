"""Complaints surging: examples, and what it detects in a simulated population at which false alarms."""

import random

import pytest

from services.churn_alerts.signal.complaints_surging import RULE, Complaints, evaluate, merge, observe
from services.churn_alerts.signal.model import DAY_MS, Moment


def complained(*days: int) -> Complaints:
    part: Complaints | None = None
    for day in days:
        part = observe(part, day * DAY_MS, day, f"e{day}")
    assert part is not None
    return part


def holds(part: Complaints | None, day: int, since_day: int = 0) -> bool:
    return evaluate(part, Moment(day, since_day), RULE.weight, RULE.threshold) is not None


def test_two_complaints_of_a_long_quiet_customer_are_a_surge() -> None:
    assert holds(complained(395, 399), 400)


def test_one_complaint_never_is_a_surge() -> None:
    assert not holds(complained(399), 4_000)


def test_customer_who_always_complains_does_not_surge_at_his_own_rate() -> None:
    assert not holds(complained(*range(0, 400, 12)), 400)


def test_surge_ends_when_the_window_has_passed() -> None:
    part = complained(395, 399)

    finding = evaluate(part, Moment(400, 0), RULE.weight, RULE.threshold)

    assert finding is not None and finding.ends_day == 425
    assert not holds(part, 425)


def test_finding_shows_count_threshold_and_the_newest_proofs() -> None:
    finding = evaluate(complained(380, 385, 390, 395, 399), Moment(400, 0), RULE.weight, RULE.threshold)

    assert finding is not None
    assert (finding.signal.value, finding.signal.threshold) == (5, 2)
    assert finding.signal.evidence == ["e385", "e390", "e395", "e399"]
    assert finding.signal.contribution > RULE.weight


def test_order_of_complaints_and_of_merging_does_not_matter() -> None:
    assert complained(3, 1, 2) == complained(1, 2, 3)
    assert merge(complained(1, 3), complained(2)) == complained(1, 2, 3) == merge(complained(2), complained(1, 3))


def simulated(chance: random.Random, with_surge: bool) -> bool:
    """Return whether one customer alarms in 90 days after half a year to a year and a half of history.

    Rates vary between customers as a gamma distribution of shape 0.7 around one complaint in 100 days. A surge is a
    period of 30 days at four times the own rate, but at a rate of at least two complaints in it: fewer are no surge.
    """
    history = chance.randrange(180, 540)
    rate = chance.gammavariate(0.7, 1 / 70)
    surge_from = history + chance.randrange(60)
    part: Complaints | None = None
    for day in range(history + 90):
        is_surging = with_surge and surge_from <= day < surge_from + 30
        n = _poisson(chance, max(4 * rate, 2 / 30) if is_surging else rate)
        for number in range(n):
            part = observe(part, day * DAY_MS + number, day, f"e{day}-{number}")
        if n and day >= history and (not with_surge or is_surging) and holds(part, day):
            return True
    return False


def _poisson(chance: random.Random, mean: float) -> int:
    n, left = 0, chance.expovariate(1.0)
    while left < mean:
        n += 1
        left += chance.expovariate(1.0)
    return n


@pytest.mark.slow
def test_surges_are_detected_at_few_false_alarms_in_a_simulated_population() -> None:
    n = 1_500

    detected = sum(simulated(random.Random(seed), with_surge=True) for seed in range(n)) / n
    false_alarms = sum(simulated(random.Random(n + seed), with_surge=False) for seed in range(n)) / n

    assert detected >= 0.30
    assert false_alarms <= 0.05
