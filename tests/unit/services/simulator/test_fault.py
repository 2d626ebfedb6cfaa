from collections import Counter
from random import Random

from services.simulator.fault import KINDS, plan
from services.simulator.send import slices
from tests.factories.simulated import steps, world

UNTIL_MS = world().span.until_ms
FAULTY = dict.fromkeys(KINDS, 0.1)


def test_without_faults_every_step_is_sent_once_in_order() -> None:
    planned = plan(list(steps()), {}, Random(1), UNTIL_MS)

    assert [one.step for one in planned] == list(steps())
    assert {(one.fault, one.damage) for one in planned} == {("", "")}


def test_faults_are_planned_from_the_seed_alone() -> None:
    plans = [plan(list(steps()), FAULTY, Random(seed), UNTIL_MS) for seed in (1, 1, 2)]

    assert plans[0] == plans[1] != plans[2]


def test_faults_befall_the_asked_share_and_lose_nothing() -> None:
    planned = plan(list(steps()), FAULTY, Random(1), UNTIL_MS)
    found = Counter(one.fault for one in planned)

    assert {one.step.key for one in planned} == {step.key for step in steps()}
    assert all(0.05 < found[kind] / len(steps()) < 0.15 for kind in KINDS)


def test_nothing_is_sent_before_it_happened_or_after_the_end() -> None:
    planned = plan(list(steps()), FAULTY, Random(1), UNTIL_MS)

    assert all(one.step.is_profile or one.step.at_ms <= one.send_ms <= UNTIL_MS for one in planned)


def test_each_kind_of_damage_is_answered_in_its_own_way() -> None:
    planned = plan(list(steps()), {"malformed": 1.0}, Random(1), UNTIL_MS)

    assert {(one.damage, one.expects) for one in planned if one.damage} == {
        ("forged", 401),
        ("cut", 400),
        ("invalid", 422),
    }


def test_history_is_sent_by_days_and_the_tail_by_seconds() -> None:
    planned = plan(list(steps()), {}, Random(1), UNTIL_MS)
    tail_ms = UNTIL_MS - 82_800_000

    sent = list(slices(planned, tail_ms, is_paced=True))

    assert [one for _, together in sent for one in together] == planned
    assert len([1 for at_ms, _ in sent if at_ms < tail_ms]) <= 121
