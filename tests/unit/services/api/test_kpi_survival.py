"""Kaplan and Meier's estimate against a published table, and where it has to be the plain share."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpi.survival import Curve, kaplan_meier, median

# Weeks in remission on 6-mercaptopurine (E. J. Freireich et al., Blood 21 (1963) 699-716), True where it ended.
REMISSIONS = [
    (6, True, 3), (6, False, 1), (7, True, 1), (9, False, 1), (10, True, 1), (10, False, 1), (11, False, 1),
    (13, True, 1), (16, True, 1), (17, False, 1), (19, False, 1), (20, False, 1), (22, True, 1), (23, True, 1),
    (25, False, 1), (32, False, 2), (34, False, 1), (35, False, 1),
]  # fmt: skip


def curve(seen: list[tuple[int, bool, int]]) -> Curve:
    time, has_happened, n = (np.array([one[part] for one in seen]) for part in range(3))
    return kaplan_meier(time.astype(np.int64), has_happened.astype(np.bool_), n.astype(np.int64))


def test_the_published_remissions_give_the_published_table() -> None:
    found = curve(REMISSIONS)

    assert list(zip(found.time.tolist(), found.n_at_risk.tolist(), strict=True)) == [
        (6, 21), (7, 17), (10, 15), (13, 12), (16, 11), (22, 7), (23, 6),
    ]  # fmt: skip
    assert found.left == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=6e-5)
    assert found.low == pytest.approx([0.6197, 0.5631, 0.5032, 0.4316, 0.3675, 0.2678, 0.1881], abs=6e-5)
    assert found.high == pytest.approx([0.9516, 0.9228, 0.8894, 0.8491, 0.8049, 0.7468, 0.6801], abs=6e-5)
    assert median(found) == (23, 13, None)


def test_when_it_has_happened_to_everybody_nobody_is_left() -> None:
    found = curve([(3, True, 10), (5, True, 20)])

    assert (found.left[-1], found.low[-1]) == (0, 0)
    assert 0 < found.high[-1] < 1


def test_nobody_gives_no_steps() -> None:
    assert curve([]).time.tolist() == []
    assert median(curve([])) == (None, None, None)


people = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 50)), max_size=60)


@given(people)
def test_the_share_left_falls_within_its_interval(seen: list[tuple[int, bool, int]]) -> None:
    found = curve(seen)

    assert all(after < before for before, after in pairwise([1.0, *found.left]))
    assert (found.low >= 0).all()
    assert (found.low <= found.left).all()
    assert (found.left <= found.high).all()
    assert (found.high <= 1).all()


@given(people)
def test_without_anybody_lost_from_view_it_is_the_plain_share(seen: list[tuple[int, bool, int]]) -> None:
    everybody = [(time, True, n) for time, _, n in seen]
    n = sum(count for *_, count in everybody)

    found = curve(everybody)
    for step, left in zip(found.time, found.left, strict=True):
        later = sum(count for time, _, count in everybody if time > step)
        assert left == pytest.approx(later / n, abs=1e-9)


@given(people, st.randoms(use_true_random=False))
def test_the_order_people_are_told_in_does_not_matter(seen: list[tuple[int, bool, int]], chance: object) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert [part.tolist() for part in curve(shuffled)] == [part.tolist() for part in curve(seen)]
