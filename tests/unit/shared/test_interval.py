"""Intervals and sample sizes against the figures their sources print."""

import statistics

import pytest

from shared.interval import mean, n_needed, newcombe, student, wilson

# Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3.
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
# Newcombe 1998, Statistics in Medicine 17: 873-890, table II, method 10.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
]


@pytest.mark.parametrize(("n_hits", "n", "low", "high"), WILSON)
def test_a_shares_interval_is_the_printed_one(n_hits: int, n: int, low: float, high: float) -> None:
    found = wilson(n_hits, n)

    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("a", "m", "b", "n", "low", "high"), NEWCOMBE)
def test_a_differences_interval_is_the_printed_one(a: int, m: int, b: int, n: int, low: float, high: float) -> None:
    found = newcombe(a, m, b, n)

    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


# Printed in table 26.10 of Abramowitz and Stegun.
@pytest.mark.parametrize(("freedom", "quantile"), [(10, 2.228), (20, 2.086), (29, 2.045), (60, 2.000), (120, 1.980)])
def test_students_quantile_is_the_printed_one(freedom: int, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, abs=6e-4)


def test_a_means_interval_is_students() -> None:
    numbers = [3.0, 4.0, 8.0, 7.0, 5.0, 9.0, 1.0, 3.0, 6.0, 4.0, 5.0]

    found = mean(sum(numbers), sum(number**2 for number in numbers), len(numbers))

    half = 2.228 * statistics.stdev(numbers) / 11**0.5
    assert (found.value, found.low, found.high) == pytest.approx((5, 5 - half, 5 + half), abs=1e-3)


def test_equal_answers_have_their_own_mean() -> None:
    found = mean(0.3 * 40, 0.09 * 40, 40)

    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3), abs=1e-6)


def test_equal_groups_need_what_r_says() -> None:
    # ?power.prop.test: power.prop.test(p1 = .50, p2 = .75, power = .90) gives n = 76.7.
    assert n_needed(0.50, 0.75, power=0.90) == (77, 77)


def test_which_share_is_the_greater_changes_nothing() -> None:
    assert n_needed(0.3, 0.4) == n_needed(0.7, 0.6)


def test_uneven_groups_need_more_people_together() -> None:
    even, (few, many) = n_needed(0.30, 0.35), n_needed(0.30, 0.35, other_per_one=4)

    assert few + many > sum(even)
    assert few < even[0] < many


def test_alike_shares_are_never_told_apart() -> None:
    with pytest.raises(ValueError, match="alike"):
        n_needed(0.3, 0.3)
