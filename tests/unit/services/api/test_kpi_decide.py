"""Whether acting helped: what counts, what is still waited for, and when there is no figure."""

from datetime import date
from typing import Any

import pytest

from services.api.kpi.decide import ENOUGH, compare, n_more, slices
from services.api.kpi.model import Cell

MARCH = date(2026, 3, 1)


def cell(n: int, n_bought: int, *, is_held_out: bool = False, is_over: bool = True, **changed: Any) -> Cell:
    values: dict[str, Any] = {"month": MARCH, "tier": "gold", "cause": "price", "n_worked": 0} | changed
    return Cell(is_held_out=is_held_out, is_over=is_over, n=n, n_bought=n_bought, **values)


def test_newcombes_example_is_told_as_help() -> None:
    found = compare([cell(70, 56), cell(80, 48, is_held_out=True)])

    assert found.verdict == "helped"
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.2)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.0524, 0.3339), abs=6e-5)


def test_the_same_the_other_way_round_is_harm() -> None:
    assert compare([cell(80, 48), cell(70, 56, is_held_out=True)]).verdict == "harmed"


def test_an_interval_over_zero_leaves_it_open() -> None:
    assert compare([cell(100, 50), cell(50, 24, is_held_out=True)]).verdict == "open"


@pytest.mark.parametrize(("n_acted", "n_held_out"), [(1_000, ENOUGH - 1), (ENOUGH - 1, 1_000), (0, 1_000)])
def test_a_small_side_gives_no_figure(n_acted: int, n_held_out: int) -> None:
    found = compare([cell(n_acted, n_acted // 2), cell(n_held_out, 0, is_held_out=True)])

    assert (found.verdict, found.difference) == ("not_enough", None)


def test_nobody_held_out_is_said_as_such() -> None:
    assert compare([cell(500, 100)]).verdict == "no_holdout"


def test_who_waits_is_counted_apart_even_if_he_has_bought() -> None:
    found = compare([cell(70, 56), cell(30, 30, is_over=False), cell(80, 48, is_held_out=True)])

    assert (found.acted.n, found.acted.n_bought, found.acted.n_waiting) == (70, 56, 30)


def test_held_out_customers_that_still_wait_are_not_nobody() -> None:
    assert compare([cell(70, 56), cell(80, 0, is_held_out=True, is_over=False)]).verdict == "not_enough"


def test_slices_share_out_all_customers() -> None:
    cells = [cell(40, 4, tier="gold"), cell(30, 3, tier="new"), cell(35, 5, tier="gold", is_held_out=True)]

    found = slices(cells, "tier")

    assert [(one.name, one.comparison.acted.n, one.comparison.held_out.n) for one in found] == [
        ("gold", 40, 35),
        ("new", 30, 0),
    ]


def test_a_smaller_difference_needs_more_customers() -> None:
    whole = compare([cell(400, 120), cell(100, 30, is_held_out=True)])

    coarse, fine = n_more(whole, 0.20), n_more(whole, 0.05)

    assert coarse == 0
    assert fine is not None
    assert fine > 2_000


def test_without_a_holdout_no_number_would_do() -> None:
    assert n_more(compare([cell(500, 100)]), 0.05) is None


def test_where_nearly_all_buy_the_difference_is_looked_for_downwards() -> None:
    assert n_more(compare([cell(100, 99), cell(100, 98, is_held_out=True)]), 0.05) is not None
