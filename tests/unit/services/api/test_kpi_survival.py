"""Kaplan and Meier's estimate against a published table, and where it has to be the plain share."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpi.survival import kaplan_meier, median

# Weeks in remission on 6-mercaptopurine (E. J. Freireich et al., Blood 21 (1963) 699-716), True where it ended.
REMISSIONS = [
    (6, True, 3), (6, False, 1), (7, True, 1), (9, False, 1), (10, True, 1), (10, False, 1), (11, False, 1),
    (13, True, 1), (16, True, 1), (17, False, 1), (19, False, 1), (20, False, 1), (22, True, 1), (23, True, 1),
    (25, False, 1), (32, False, 2), (34, False, 1), (35, False, 1),
]  # fmt: skip


def test_the_published_remissions_give_the_published_table() -> None:
    steps = kaplan_meier(REMISSIONS)

    assert [(step.time, step.n_at_risk) for step in steps] == [
        (6, 21), (7, 17), (10, 15), (13, 12), (16, 11), (22, 7), (23, 6),
    ]  # fmt: skip
    assert [step.left.value for step in steps] == pytest.approx(
        [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=6e-5
    )
    assert [step.left.low for step in steps] == pytest.approx(
        [0.6197, 0.5631, 0.5032, 0.4316, 0.3675, 0.2678, 0.1881], abs=6e-5
    )
    assert [step.left.high for step in steps] == pytest.approx(
        [0.9516, 0.9228, 0.8894, 0.8491, 0.8049, 0.7468, 0.6801], abs=6e-5
    )
    assert median(steps) == (23, 13, None)


def test_when_it_has_happened_to_everybody_nobody_is_left() -> None:
    last = kaplan_meier([(3, True, 10), (5, True, 20)])[-1]

    assert (last.left.value, last.left.low) == (0.0, 0.0)
    assert 0 < last.left.high < 1


def test_nobody_gives_no_steps() -> None:
    assert kaplan_meier([]) == []
    assert median([]) == (None, None, None)


people = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 50)), max_size=60)


@given(people)
def test_the_share_left_falls_within_its_interval(seen: list[tuple[int, bool, int]]) -> None:
    steps = kaplan_meier(seen)

    shares = [1.0, *(step.left.value for step in steps)]
    assert all(after < before for before, after in pairwise(shares))
    assert all(0 <= step.left.low <= step.left.value <= step.left.high <= 1 for step in steps)


@given(people)
def test_without_anybody_lost_from_view_it_is_the_plain_share(seen: list[tuple[int, bool, int]]) -> None:
    everybody = [(time, True, n) for time, _, n in seen]
    n = sum(count for *_, count in everybody)

    for step in kaplan_meier(everybody):
        later = sum(count for time, _, count in everybody if time > step.time)
        assert step.left.value == pytest.approx(later / n, abs=1e-9)


@given(people, st.randoms(use_true_random=False))
def test_the_order_people_are_told_in_does_not_matter(seen: list[tuple[int, bool, int]], chance: object) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert kaplan_meier(shuffled) == kaplan_meier(seen)
