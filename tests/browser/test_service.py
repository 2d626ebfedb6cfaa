"""How customers were served, on its page: figures with intervals and numbers, words where there are too few."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from services.api.kpi.model import Dimension, ServiceCell, Times
from services.api.kpi.schemas import Service
from services.api.kpi.service import period_figures, slices, whole
from tests.browser.conftest import PHONE, WIDE, Console, axe_violations

pytestmark = [pytest.mark.browser, pytest.mark.integration]
ADDRESS = "#/insights?show=service"
SINCE, UNTIL = datetime(2026, 2, 21, tzinfo=UTC), datetime(2026, 3, 20, 12, tzinfo=UTC)
SLICES: list[tuple[Dimension, str, int, int]] = [
    ("whole", "", 24, 1),
    *[("period", day, 5, n) for n, day in enumerate(("2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09"))],
    ("period", "2026-03-16", 1, 1),
    ("channel", "chat", 14, 1),
    ("channel", "email", 10, 3),
    ("agent", "mailto:annabella.worthington@support.example.com", 12, 1),
    ("agent", "4711", 2, 2),
    ("aspect", "logistics", 6, 2),
    ("aspect", "price", 1, 1),
]


def timed(
    what: Any, dimension: Dimension, name: str, seconds: int, ended: bool, n: int, n_first: int, n_second: int
) -> ServiceCell:
    times = Times(np.array([seconds]), np.array([ended]), np.array([n]))
    return ServiceCell(what, dimension, name, n, n_first, n_second, times)


def counted(times: int, pace: int, dimension: Dimension, name: str) -> list[ServiceCell]:
    """Return what `times` dozens of customers met; the greater the pace, the longer they waited."""
    cells = [
        timed("contact", dimension, name, pace * minutes * 60 + 600, True, times, times, times // 3)
        for minutes in range(1, 60, 7)
    ]
    cells.append(timed("contact", dimension, name, pace * 50_000, False, 3 * times, 2 * times, times // 4))
    cells += [
        timed("ticket", dimension, name, pace * hours * 3_600, True, times, times, times // 5)
        for hours in range(1, 70, 9)
    ]
    cells.append(ServiceCell("settled", dimension, name, 8 * times, 6 * times, 0))
    cells.append(ServiceCell("csat", dimension, name, 6 * times, 5 * times, 0))
    cells.append(ServiceCell("nps", dimension, name, 5 * times, 2 * times, times))
    # Half of the answers easiest, half in the middle.
    n = 4 * times
    cells.append(ServiceCell("ces", dimension, name, n, n * 750_000, n * 625_000_000_000))
    cells.append(ServiceCell("consultation", dimension, name, 3 * times, 2 * times, 0))
    return [*cells, ServiceCell("buyers", dimension, name, 30 * times, 4 * times, 0)]


def answer(*, by_agent: bool = True) -> Service:
    cells = [cell for dimension, name, times, pace in SLICES for cell in counted(times, pace, dimension, name)]
    return Service(
        as_of=UNTIL, since=SINCE, until=UNTIL, by="week", time_zone="UTC", whole=whole(cells),
        by_period=period_figures(cells, "week", SINCE, UNTIL, ZoneInfo("UTC")),
        by_channel=slices(cells, "channel"), by_aspect=slices(cells, "aspect"),
        by_agent=slices(cells, "agent") if by_agent else None,
    )  # fmt: skip


def opened(console: Console, answered: Service, **options: Any) -> Page:
    """Return the page over this answer: a desk of some weeks takes some weeks to make."""
    page = console.open("#/customers", **options)
    told = msgspec.json.decode(msgspec.json.encode(answered))
    page.route("**/v1/kpis/service*", lambda route: route.fulfill(json=told))
    page.goto(f"{console.url}/{ADDRESS}")
    page.locator(".service").wait_for()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("size", "language"), [(WIDE, "en-US"), (PHONE, "zh-CN")], ids=["wide-en", "phone-zh"])
def test_the_page_keeps_to_its_window_and_the_rules(
    console: Console, axe_source: str, theme: str, size: Any, language: str
) -> None:
    page = opened(console, answer(), viewport=size, color_scheme=theme, locale=language)

    assert axe_violations(page, axe_source) == []
    assert page.evaluate("document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth") == 0


def test_figures_have_intervals_and_numbers(console: Console) -> None:
    page = opened(console, answer())
    found = answer().whole
    assert found.csat.share is not None
    assert found.reopened.share is not None
    assert found.first_contact_resolution.share is not None

    facts = page.locator(".service")
    expect(facts).to_contain_text(f"{100 * found.csat.share.value:.1f}%")
    expect(facts).to_contain_text(f"{100 * found.first_contact_resolution.share.low:.1f}%")
    expect(facts).to_contain_text(f"{100 * found.reopened.share.high:.1f}%, of {found.reopened.n}")
    effort = facts.locator(".fact", has_text="Effort (CES)")
    assert found.ces.mean is not None
    expect(effort).to_contain_text(f"5.5{found.ces.mean.low:.1f} to {found.ces.mean.high:.1f}, of 96")
    met = facts.locator(".fact", has_text="Consultation goal met")
    expect(met).to_contain_text("66.7%")
    weeks = page.get_by_role("region", name="Period").get_by_role("row")
    expect(weeks.nth(1)).to_contain_text("Mar 16, in part")
    expect(weeks.nth(1)).to_contain_text("too few (12)")
    expect(page.get_by_role("region", name="By channel").get_by_role("row").nth(1)).to_contain_text("Chat")
    expect(page.get_by_role("region", name="By agent")).to_contain_text("4711")


def test_who_asks_nobody_about_effort_and_tells_of_no_consultation_sees_no_columns_of_them(console: Console) -> None:
    asked = [cell for cell in counted(24, 1, "whole", "") if cell.what not in ("ces", "consultation")]
    page = opened(console, msgspec.structs.replace(answer(), whole=whole(asked)))

    expect(page.get_by_role("columnheader", name="NPS").first).to_be_visible()
    expect(page.get_by_role("columnheader", name="CES")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Consultation")).to_have_count(0)


def test_where_most_still_wait_it_says_so_and_not_that_they_are_few(console: Console) -> None:
    waiting = [timed("contact", "whole", "", 9_000, is_ended, n, n, 0) for is_ended, n in ((True, 19), (False, 21))]
    page = opened(console, msgspec.structs.replace(answer(), whole=whole(waiting)))

    expect(page.locator(".service")).to_contain_text("not yet half (40)")


def test_who_leads_nobody_sees_no_agents(console: Console) -> None:
    page = opened(console, answer(by_agent=False), role="agent")

    expect(page.get_by_role("region", name="By channel")).to_be_visible()
    expect(page.get_by_role("region", name="By agent")).to_have_count(0)


def test_real_contacts_are_shown_to_whoever_may_see_customers(console: Console) -> None:
    page = console.open(f"{ADDRESS}&days=365", role="viewer")

    expect(page.get_by_role("button", name="Service")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".service")).to_contain_text("Contacts")
    expect(page.get_by_role("region", name="Period").get_by_role("row").nth(12)).to_be_visible()
    page.get_by_label("Time").select_option("28")
    expect(page.get_by_role("region", name="Period").get_by_role("row").nth(7)).to_have_count(0)
