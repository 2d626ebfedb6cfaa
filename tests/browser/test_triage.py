"""Working an alert: by keyboard alone, beside a colleague, to its end."""

import itertools
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from shared.clock import SystemClock
from tests.browser.conftest import Console, outside
from tests.browser.world import Person, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(3000)


def raised(console: Console, name: str) -> Person:
    person = somebody(next(numbers), name)
    console.publish_world(raise_for(person, SystemClock().now() + timedelta(seconds=next(numbers) % 60), "critical"))
    return person


def status_of(console: Console, person: Person) -> str:
    return str(outside(console.api.get, f"/v1/alerts/al-{person.id}")["status"])


def test_an_alert_is_triaged_by_keyboard_alone(console: Console) -> None:
    name = f"Kay Board {next(numbers)}"
    person = raised(console, name)
    page = console.open(f"#/alerts?q={name}")
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_be_visible()

    page.keyboard.press("j")
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("In hand")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Escalation level 1").first).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_role("dialog").locator("textarea")).to_be_focused()
    page.keyboard.type("she is glad we called")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Customer saved")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator(".detail-head .status")).to_have_text("Resolved")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
    assert status_of(console, person) == "resolved"


def test_the_keys_move_through_the_list_and_back_from_an_alert(console: Console) -> None:
    name = f"Key Mover {next(numbers)}"
    for number in range(3):
        raised(console, f"{name} {number}")
    page = console.open(f"#/alerts?order=loss&q={name}")
    # The list of all is filled page by page, and what comes later may stand first.
    expect(page.locator("[data-alert]")).to_have_count(3)
    first, second = (page.locator("[data-alert]").nth(n).get_attribute("data-alert") for n in (0, 1))

    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator(f'[data-alert="{second}"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".detail-head")).to_be_visible()
    page.keyboard.press("u")

    expect(page.locator(f'[data-alert="{second}"]')).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(f'[data-alert="{first}"]')).to_be_focused()


def test_snoozing_asks_until_when_and_says_it(console: Console) -> None:
    person = raised(console, "Sam Nooze")
    page = console.open(f"#/alerts/al-{person.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sam Nooze")

    page.keyboard.press("s")
    page.get_by_role("button", name="Tomorrow morning").press("Enter")

    expect(page.locator(".detail-head .status")).to_have_text("Snoozed")
    assert status_of(console, person) == "snoozed"


def test_of_two_operators_the_slower_is_told_who_was_faster(console: Console) -> None:
    person = raised(console, "Contested")
    mia = console.open(f"#/alerts/al-{person.id}", role="agent", name="Mia")
    tom = console.open(f"#/alerts/al-{person.id}", role="agent", name="Tom", is_deaf=True)
    console.allowed.add("409")
    expect(tom.get_by_role("button", name="Acknowledge")).to_be_visible()
    mia.get_by_role("button", name="Acknowledge").click()
    expect(mia.locator(".detail-head .status")).to_have_text("In hand")

    tom.get_by_role("button", name="Acknowledge").click()

    expect(tom.locator(".toast.warning")).to_contain_text("Mia was faster")
    expect(tom.locator(".detail-head .status")).to_have_text("In hand")


def test_a_colleague_at_work_is_visible_at_once(console: Console) -> None:
    person = raised(console, "Watched")
    mia, tom = (console.open(f"#/alerts/al-{person.id}", role="agent", name=name) for name in ("Mia W", "Tom W"))
    expect(tom.get_by_role("button", name="Acknowledge")).to_be_visible()

    mia.get_by_role("button", name="Acknowledge").click()
    mia.get_by_label("Write a comment").fill("calling her at three")
    mia.get_by_role("button", name="Add comment").click()

    expect(tom.locator(".by")).to_contain_text("Mia W")
    expect(tom.locator(".life")).to_contain_text("calling her at three")


def test_two_who_look_at_one_alert_see_each_other_until_one_leaves(console: Console) -> None:
    person = raised(console, "Seen Twice")
    mia, tom = (console.open(f"#/alerts/al-{person.id}", role="agent", name=name) for name in ("Mia P", "Tom P"))

    # Each page asks every few seconds.
    expect(tom.locator(".present")).to_contain_text("Mia P has this open, too", timeout=30_000)
    expect(mia.locator(".present")).to_contain_text("Tom P has this open, too", timeout=30_000)
    mia.keyboard.press("u")

    expect(mia.get_by_role("heading", level=1)).to_have_text("Alerts")
    expect(tom.locator(".present")).to_be_empty(timeout=30_000)


def test_a_viewer_is_offered_no_action(console: Console) -> None:
    page = console.open("#/alerts/al-demo-012", role="viewer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace Lin")

    page.keyboard.press("a")

    expect(page.locator(".actions")).to_have_count(0)
    expect(page.locator(".detail-head .status")).to_have_text("Open")
