"""How many customers were kept: the worked example of docs/kpis.md, and what is said of periods that still last."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpi.model import Bought, Wait
from services.api.kpi.retention import by_age, cohorts, period_figures, repeat, second_purchase, span

DAYS = [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


def customers(n: int, *numbers: int) -> list[Bought]:
    """Customers who bought in the periods of these numbers: 0 before December, 1 December, 2 January, …"""
    return [Bought(numbers[0], number, number - 1 in numbers, n) for number in numbers]


BOUGHT = [
    *customers(30, 1, 2),
    *customers(10, 1, 3),
    *customers(60, 2),
    *customers(30, 2, 3),
    *customers(10, 2, 4),
    *customers(5, 3),
]


def test_a_month_has_its_new_kept_and_returning_customers() -> None:
    january, february, march = period_figures(BOUGHT, DAYS)

    assert (january.n_active, january.n_new, january.n_kept, january.n_back, january.n_before) == (130, 100, 30, 0, 40)
    assert (february.n_active, february.n_new, february.n_kept, february.n_back) == (45, 5, 30, 10)
    assert february.n_before == 130
    assert february.kept is not None
    assert february.kept.value == pytest.approx(30 / 130)
    assert (march.is_complete, march.n_active, march.kept) == (False, 10, None)


def test_a_cohort_is_followed_and_the_present_month_is_no_fall() -> None:
    january, february = cohorts(BOUGHT, DAYS)

    assert (january.period, january.n) == (date(2026, 1, 1), 100)
    assert [(age.age, age.is_complete, age.n_active) for age in january.ages] == [(1, True, 30), (2, False, 10)]
    assert january.ages[0].active is not None
    assert (january.ages[0].active.low, january.ages[0].active.high) == pytest.approx((0.2189, 0.3958), abs=6e-5)
    assert january.ages[1].active is None
    assert [(age.n, age.active) for age in february.ages] == [(5, None)]


def test_ages_together_are_of_cohorts_that_have_been_through_them() -> None:
    (first,) = by_age(cohorts(BOUGHT, DAYS))

    assert (first.age, first.n, first.n_active) == (1, 100, 30)


def test_periods_begin_where_the_company_is() -> None:
    as_of = datetime(2026, 3, 31, 16, 30, tzinfo=UTC)

    shanghai = span("quarter", 2, as_of, ZoneInfo("Asia/Shanghai"))

    assert shanghai.today == date(2026, 4, 1)
    assert shanghai.days == [date(2025, 7, 1), date(2025, 10, 1), date(2026, 1, 1), date(2026, 4, 1)]
    assert shanghai.starts[-1] == datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert span("year", 1, as_of, ZoneInfo("UTC")).days == [date(2024, 1, 1), date(2025, 1, 1), date(2026, 1, 1)]


def test_who_still_has_time_is_in_no_share_but_in_the_curve() -> None:
    waits = [Wait(10, True, True, 20), Wait(120, True, True, 5), Wait(200, False, True, 15), Wait(20, False, False, 40)]

    simple, curve = repeat(waits, 90), second_purchase(waits)

    assert (simple.n, simple.n_bought, simple.n_waiting) == (40, 20, 40)
    assert simple.share is not None
    assert simple.share.value == 0.5
    # 20 of 80 after ten days; then forty are lost from view, and 5 of the other 20 follow at 120 days. What is known of
    # forty is told up to the day to which the others were seen, however many of them have bought.
    assert [(within.days, within.n_known) for within in curve.within] == [
        (14, 80), (30, 40), (60, 40), (90, 40), (120, 40), (180, 40)
    ]  # fmt: skip
    assert [within.bought.value for within in curve.within] == pytest.approx([0.25] * 4 + [0.4375] * 2)
    assert curve.median is None
    assert (curve.n, curve.n_bought) == (80, 25)


def test_too_few_give_counts_alone() -> None:
    few = [Wait(10, True, True, 10), Wait(100, False, True, 19)]

    assert repeat(few, 90).share is None
    assert second_purchase(few).within == []


people = st.lists(
    st.builds(
        lambda numbers, n: customers(n, *sorted(numbers)),
        st.sets(st.integers(0, 4), min_size=1),
        st.integers(1, 80),
    ),
    max_size=12,
).map(lambda groups: [one for group in groups for one in group])


@given(people)
def test_every_customer_of_a_month_is_new_kept_or_back(told: list[Bought]) -> None:
    for figures in period_figures(told, DAYS):
        assert min(figures.n_new, figures.n_kept, figures.n_back) >= 0
        assert figures.n_kept <= figures.n_before
        assert figures.n_active == figures.n_new + figures.n_kept + figures.n_back


@given(people)
def test_new_customers_are_the_cohorts(told: list[Bought]) -> None:
    sizes = {cohort.period: cohort.n for cohort in cohorts(told, DAYS)}

    assert {figures.period: figures.n_new for figures in period_figures(told, DAYS) if figures.n_new} == sizes
