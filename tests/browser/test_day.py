"""An operator's day, from the morning's list to the evening's audit, and working on many alerts at once."""

import itertools
import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from shared.clock import SystemClock
from tests.browser.conftest import Console, outside
from tests.browser.world import Person, World, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(5000)


def raised(console: Console, name: str) -> Person:
    """Raise a critical alert about somebody who is known by then, as the engine only alerts about known customers."""
    person = somebody(next(numbers), name)
    world = raise_for(person, SystemClock().now() + timedelta(seconds=next(numbers) % 60), "critical")
    console.publish_world(World(enriched=world.enriched, risks=world.risks))
    console.publish_world(World(alerts=world.alerts))
    return person


def test_an_operator_works_an_alert_from_its_arrival_to_the_audit(console: Console) -> None:
    name = f"Day Break {next(numbers)}"
    page = console.open(f"#/alerts?q={name}", role="supervisor", name="Nora Desk")
    expect(page.locator(".connection.live").first).to_be_visible()
    expect(page.locator(".empty")).to_be_visible()
    person = raised(console, name)

    page.locator(f'[data-alert="al-{person.id}"]').click()
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".detail-head .status")).to_have_text("In hand")
    page.get_by_role("link", name="Open customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.locator(".mini-alerts a").click()
    page.get_by_role("button", name="Log contact").click()
    page.get_by_label("Note (optional)").fill("she was glad that we called")
    page.get_by_role("dialog").get_by_role("button", name="Phone").click()
    expect(page.locator(".life")).to_contain_text("she was glad that we called")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_role("dialog").get_by_role("button", name="Customer saved").click()
    expect(page.locator(".detail-head .status")).to_have_text("Resolved")

    page.get_by_role("link", name="Audit").click()
    mine = page.get_by_role("row").filter(has_text="Nora Desk").filter(has_text=f"al-{person.id}")
    for done in ("acknowledged", "logged a contact", "resolved"):
        expect(mine.filter(has_text=re.compile(done))).to_have_count(1)


def picked(page: Page, *people: Person) -> None:
    """Pick people's alerts with the mouse."""
    for person in people:
        row = page.locator("li", has=page.locator(f'[data-alert="al-{person.id}"]'))
        row.hover()
        row.get_by_role("checkbox").check()


def test_several_alerts_are_acknowledged_at_once(console: Console) -> None:
    name = f"Bulk Order {next(numbers)}"
    first, second, third = (raised(console, f"{name} {n}") for n in range(3))
    page = console.open(f"#/alerts?q={name}")
    expect(page.locator("[data-alert]")).to_have_count(3)

    picked(page, first, third)
    expect(page.get_by_role("toolbar")).to_contain_text("2 picked")
    page.get_by_role("toolbar").get_by_role("button", name="Acknowledge").click()

    for person in (first, third):
        expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("In hand")
    expect(page.locator(f'[data-alert="al-{second.id}"]')).to_contain_text("Open")
    expect(page.get_by_role("toolbar")).to_have_count(0)


def test_alerts_are_picked_by_keyboard_and_resolved_together(console: Console) -> None:
    name = f"Keyed Up {next(numbers)}"
    people = [raised(console, f"{name} {n}") for n in range(2)]
    page = console.open(f"#/alerts?q={name}")
    expect(page.locator("[data-alert]")).to_have_count(2)

    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_role("toolbar")).to_contain_text("2 picked")
    page.get_by_role("toolbar").get_by_role("button", name="Resolve").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Handled").press("Enter")

    expect(page.locator("[data-alert]")).to_have_count(0)
    assert {outside(console.api.get, f"/v1/alerts/al-{person.id}")["resolution"] for person in people} == {"handled"}
