"""Customers kept, on their page: shares with intervals, the present period marked, words where there are too few."""

import re
from datetime import date
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from services.api.kpi.model import Bought, Wait
from services.api.kpi.retention import by_age, cohorts, period_figures, repeat, second_purchase
from services.api.kpi.schemas import Retention
from tests.browser.conftest import PHONE, WIDE, Console, axe_violations
from tests.factories.records import NOON

pytestmark = [pytest.mark.browser, pytest.mark.integration]
ADDRESS = "#/insights?show=retention"
DAYS = [date(2025 + month // 12, month % 12 + 1, 1) for month in range(2, 15)]
BOUGHT = [
    Bought(first, number, number - 1 == first, 90 // step + 7 * first)
    for first in range(1, 14)
    for step in (1, 2, 3, 5)
    for number in sorted({first, min(13, first + step)})
]
WAITS = [Wait(days, True, True, 260 - days) for days in range(3, 250, 9)] + [
    Wait(60, False, False, 900),
    Wait(250, False, True, 3_000),
]


def answer(bought: list[Bought], waits: list[Wait]) -> Retention:
    found = cohorts(bought, DAYS)
    return Retention(
        as_of=NOON, by="month", time_zone="Asia/Shanghai", horizon_days=90, history_since=date(2025, 3, 4),
        periods=period_figures(bought, DAYS), cohorts=found, by_age=by_age(found), repeat=repeat(waits, 90),
        second_purchase=second_purchase(waits),
    )  # fmt: skip


def opened(console: Console, bought: list[Bought], waits: list[Wait], **options: Any) -> Page:
    """Return the page over these counts: a shop of a year takes a year to make."""
    page = console.open("#/customers", **options)
    told = msgspec.json.decode(msgspec.json.encode(answer(bought, waits)))
    page.route("**/v1/kpis/retention*", lambda route: route.fulfill(json=told))
    page.goto(f"{console.url}/{ADDRESS}")
    page.locator(".retention").wait_for()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("size", "language"), [(WIDE, "en-US"), (PHONE, "zh-CN")], ids=["wide-en", "phone-zh"])
def test_the_page_keeps_to_its_window_and_the_rules(
    console: Console, axe_source: str, theme: str, size: Any, language: str
) -> None:
    page = opened(console, BOUGHT, WAITS, viewport=size, color_scheme=theme, locale=language)

    assert axe_violations(page, axe_source) == []
    assert page.evaluate("document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth") == 0


def test_shares_have_intervals_and_the_present_month_has_none(console: Console) -> None:
    page = opened(console, BOUGHT, WAITS)
    told = answer(BOUGHT, WAITS)
    newest = told.periods[-2]
    assert newest.kept is not None

    expect(page.locator(".retention .why")).to_contain_text("bought again in Feb 2026")
    expect(page.locator(".retention .why")).to_contain_text(f"{100 * newest.kept.value:.1f}%")
    rows = page.get_by_role("region", name="From one period to the next").get_by_role("row")
    expect(rows.filter(has_text="Mar 2026")).to_contain_text("not over yet")
    expect(page.get_by_role("region", name="By period of the first purchase")).to_contain_text("…")
    expect(page.locator(".second")).to_contain_text("within 90 days")
    shares = re.findall(r"[\d.]+%", page.locator("main").inner_text())
    assert [share for share in shares if not re.fullmatch(r"\d+\.\d%", share)] == []


def test_a_phone_shows_the_share_kept_without_scrolling_sideways(console: Console) -> None:
    page = opened(console, BOUGHT, WAITS, viewport=PHONE)
    newest = answer(BOUGHT, WAITS).periods[-2]
    assert newest.kept is not None

    periods = page.get_by_role("region", name="From one period to the next")
    box = periods.get_by_text(f"{100 * newest.kept.value:.1f}% (").first.bounding_box()

    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_too_few_customers_give_counts_and_no_figure(console: Console) -> None:
    page = opened(console, [Bought(12, 12, False, 9)], [Wait(20, False, False, 9)], locale="zh-CN")

    expect(page.locator(".retention .why")).to_contain_text("数据还不够")
    expect(page.locator(".second")).to_have_count(0)


def test_real_orders_are_shown_to_whoever_may_see_customers(console: Console) -> None:
    page = console.open(ADDRESS, role="viewer")

    expect(page.get_by_role("button", name="Customers kept")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Quarters").click()
    expect(page.get_by_role("region", name="From one period to the next").get_by_role("row")).to_have_count(10)
