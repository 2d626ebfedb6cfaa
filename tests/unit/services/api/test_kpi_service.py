"""How customers were served: figures of counted cells, and what is not told."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.kpi.model import ServiceCell, Times
from services.api.kpi.service import period_figures, promoter_score, slices, whole

HOUR = 3_600


def contacts(seconds: int | None, n: int, *, waits: bool = False, **fields: Any) -> ServiceCell:
    values: dict[str, Any] = {"dimension": "whole", "name": "", "n_first": 0, "n_second": 0} | fields
    times = None if seconds is None else Times(np.array([seconds]), np.array([not waits]), np.array([n]))
    return ServiceCell(what="contact", n=n, times=times, **values)


def test_who_still_waits_lengthens_the_median() -> None:
    cells = [contacts(60, 20), contacts(120, 20), contacts(30, 5, waits=True), contacts(900, 30, waits=True)]

    reply = whole(cells).first_reply

    assert (reply.n, reply.n_answered) == (75, 40)
    assert reply.median is not None
    # 20 of 70 at a minute, then 20 of 50: 0.714 × 0.6 = 0.43 are left.
    assert reply.median.seconds == 120
    assert reply.median.low <= 120  # type: ignore[operator]


def test_a_curve_ends_where_too_few_are_known() -> None:
    cells = [contacts(60, 25), contacts(600, 10, waits=True), contacts(10 * HOUR, 3)]

    reply = whole(cells).first_reply

    assert reply.within_hour is None
    assert reply.within_day is None
    assert reply.median is not None
    assert reply.median.seconds == 60


def test_everybody_answered_is_all_of_them() -> None:
    reply = whole([contacts(60, 30)]).first_reply

    assert reply.within_hour is not None
    assert (reply.within_hour.value, reply.within_hour.high) == (1, 1)


def test_nobody_answered_within_an_hour_is_none_of_them() -> None:
    reply = whole([contacts(2 * HOUR, 30)]).first_reply

    assert reply.within_hour is not None
    assert (reply.within_hour.value, reply.within_hour.low) == (0, 0)
    assert reply.within_hour.high == pytest.approx(0.1135, abs=1e-4)


def test_fewer_than_thirty_have_counts_alone() -> None:
    cells = [contacts(60, 29, n_first=29, n_second=9), ServiceCell("nps", "whole", "", 29, 9, 3)]

    found = whole(cells)

    assert (found.first_reply.median, found.first_reply.within_day, found.complaints.share, found.nps.score) == (
        None, None, None, None,
    )  # fmt: skip
    assert (found.complaints.n_hits, found.nps.n_promoters, found.nps.n_detractors) == (9, 9, 3)


def test_calls_are_contacts_without_a_waiting_time() -> None:
    found = whole([contacts(None, 40), contacts(60, 2)])

    assert (found.n_contacts, found.first_reply.n) == (42, 2)


def test_complaints_about_an_aspect_are_of_all_contacts() -> None:
    cells = [contacts(60, 100, n_first=80, n_second=20)]
    cells += [contacts(60, 10, n_first=10, n_second=8, dimension="aspect", name="price")]

    (price,) = slices(cells, "aspect")

    assert (price.figures.n_contacts, price.figures.complaints.n, price.figures.complaints.n_hits) == (10, 80, 8)
    assert price.figures.contacting is None


def test_periods_are_told_in_full_where_the_time_covers_them() -> None:
    since, until = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 18, 12, tzinfo=UTC)
    cells = [contacts(60, 5, dimension="period", name="2026-03-09")]

    found = period_figures(cells, "week", since, until, ZoneInfo("UTC"))

    assert [(one.period, one.is_complete, one.figures.n_contacts) for one in found] == [
        (date(2026, 3, 2), False, 0),
        (date(2026, 3, 9), True, 5),
        (date(2026, 3, 16), False, 0),
    ]
    months = period_figures(cells, "month", datetime(2025, 12, 1, tzinfo=UTC), until, ZoneInfo("UTC"))
    assert [one.period.month for one in months] == [12, 1, 2, 3]


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_a_promoter_score_has_its_interval_around_it(promoters: int, detractors: int, others: int) -> None:
    n = promoters + detractors + others + 1
    found = promoter_score(promoters, detractors, n)

    mirrored = promoter_score(detractors, promoters, n)

    assert -100 <= found.low <= found.value <= found.high <= 100
    assert found.low < found.high
    assert mirrored.low == pytest.approx(-found.high)


def test_a_promoter_score_is_the_adjusted_interval_of_matched_pairs() -> None:
    # By hand: 17 / 102 ± 1.96 · √(34 − 17² / 102) / 102.
    found = promoter_score(25, 8, 100)

    assert found.value == pytest.approx(17)
    assert (found.low, found.high) == pytest.approx((5.939, 27.394), abs=1e-3)


def efforts(places: list[float]) -> ServiceCell:
    """Return the cell of answers about effort, each at its place on its scale."""
    millionths = [round(1_000_000 * place) for place in places]
    return ServiceCell("ces", "whole", "", len(places), sum(millionths), sum(one**2 for one in millionths))


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([0.5] * 30, (4, 4, 4)),
        ([1.0] * 39 + [0.0], (6.85, 6.5466, 7)),
        ([0.0] * 39 + [1.0], (1.15, 1, 1.4534)),
    ],
)
def test_effort_is_told_from_one_to_seven_and_its_interval_ends_with_the_scale(
    places: list[float], told: tuple[float, float, float]
) -> None:
    found = whole([efforts(places)]).ces

    assert found.mean is not None
    assert (found.mean.value, found.mean.low, found.mean.high) == pytest.approx(told, abs=1e-3)


def test_effort_of_few_answers_is_not_told() -> None:
    found = whole([efforts([1.0] * 29)]).ces

    assert (found.n, found.mean) == (29, None)


@given(st.lists(st.floats(0, 1), min_size=30, max_size=200))
def test_the_mean_effort_lies_within_its_interval_and_the_scale(places: list[float]) -> None:
    found = whole([efforts(places)]).ces

    assert found.mean is not None
    assert 1 <= found.mean.low <= found.mean.value <= found.mean.high <= 7
