"""Whether acting helped, on its page: a figure with its interval, or plainly none, and not for everybody."""

from datetime import date
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from services.api.kpi.decide import compare, n_more, slices
from services.api.kpi.model import Cell
from services.api.kpi.schemas import Outcome
from tests.browser.conftest import PHONE, WIDE, Console, axe_violations
from tests.factories.records import NOON

pytestmark = [pytest.mark.browser, pytest.mark.integration]
ADDRESS = "#/insights?show=outcome"
CELLS = [
    Cell(date(2026, 1, 1), "gold", "price", False, True, 260, 112, 190),
    Cell(date(2026, 1, 1), "gold", "price", True, True, 66, 17, 0),
    Cell(date(2026, 2, 1), "silver", "logistics", False, True, 240, 96, 171),
    Cell(date(2026, 2, 1), "silver", "logistics", True, True, 58, 17, 1),
    Cell(date(2026, 3, 1), "platinum", "quality", False, True, 44, 20, 40),
    Cell(date(2026, 3, 1), "platinum", "quality", True, True, 9, 2, 0),
    Cell(date(2026, 4, 1), "silver", "price", False, False, 90, 20, 30),
    Cell(date(2026, 4, 1), "silver", "price", True, False, 21, 2, 0),
]


def answer(cells: list[Cell]) -> Outcome:
    whole = compare(cells)
    return Outcome(
        since=NOON, until=NOON, time_zone="UTC", horizon_days=90, worth_seeing=0.05, whole=whole,
        n_more=n_more(whole, 0.05), n_later_alerts=12, by_month=slices(cells, "month"), by_tier=slices(cells, "tier"),
        by_cause=slices(cells, "cause"),
    )  # fmt: skip


def opened(console: Console, cells: list[Cell], **options: Any) -> Page:
    """Return the page over these counts: a shop whose alerts are a quarter old takes a quarter to make."""
    page = console.open("#/customers", **options)
    page.route(
        "**/v1/kpis/outcome*", lambda route: route.fulfill(json=msgspec.json.decode(msgspec.json.encode(answer(cells))))
    )
    page.goto(f"{console.url}/{ADDRESS}")
    page.locator(".outcome").wait_for()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_figures_are_told_with_their_intervals(console: Console, axe_source: str, theme: str, size: Any) -> None:
    page = opened(console, CELLS, viewport=size, color_scheme=theme)

    expect(page.locator(".outcome .why")).to_contain_text(
        "Acting helped: 14.8 points more customers bought again within 90"
    )
    expect(page.locator(".outcome")).to_contain_text("(95 % interval: 5.8 to 22.9)")
    expect(page.locator(".outcome")).to_contain_text("111")
    expect(page.get_by_role("row", name="Platinum")).to_contain_text("too few for a figure")
    assert axe_violations(page, axe_source) == []
    assert page.evaluate("document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth") == 0


def test_too_few_customers_give_words_and_no_figure(console: Console) -> None:
    page = opened(console, CELLS[4:6], locale="zh-CN")

    expect(page.locator(".outcome .why")).to_contain_text("数据还不够")
    expect(page.locator(".outcome .whisker")).to_have_count(0)


def test_the_shop_that_holds_nobody_out_is_told_so(console: Console) -> None:
    page = console.open(ADDRESS)

    expect(page.locator(".outcome .why")).to_contain_text("No alert of the last year was held out")


def test_who_may_not_see_the_holdout_sees_no_comparison(console: Console) -> None:
    page = console.open(ADDRESS, role="agent")

    expect(page.get_by_role("button", name="Causes over time")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Did acting help?")).to_have_count(0)
