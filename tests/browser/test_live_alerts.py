"""The list of alerts as operators live with it: what arrives, what must not move, what breaks and comes back."""

import itertools
import re

import pytest
from playwright.sync_api import expect

from shared.clock import SystemClock
from shared.contracts.alert import Severity
from tests.browser.conftest import Console, outside
from tests.browser.world import World, alert, customer_risk, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(1000)


def many(n: int, severity: Severity = "low") -> World:
    now = SystemClock().now()
    people = [somebody(next(numbers)) for _ in range(n)]
    return World(
        risks=[customer_risk(person, now) for person in people],
        alerts=[alert(person, severity, "price", now, now) for person in people],
    )


def test_a_raised_alert_appears_on_the_open_page(console: Console) -> None:
    page = console.open()
    expect(page.locator(".connection.live").first).to_be_visible()
    person = somebody(next(numbers), "Ada Newcome")

    console.publish_world(raise_for(person, SystemClock().now(), "critical"))

    arrived = page.locator(f'[data-alert="al-{person.id}"]')
    expect(arrived).to_contain_text("Ada Newcome")
    expect(arrived).to_contain_text("No purchase for 40 days")
    expect(arrived).to_contain_text("$853")


def test_an_alert_that_is_cleared_elsewhere_leaves_the_active_list(console: Console) -> None:
    person = somebody(next(numbers))
    console.publish_world(raise_for(person, SystemClock().now()))
    page = console.open()
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_be_visible()

    answer = outside(console.api.post, f"/v1/alerts/al-{person.id}/resolve", {"resolution": "saved"})

    assert answer.status_code == 200
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_have_count(0)


def test_filters_live_in_the_address_and_can_be_shared(console: Console) -> None:
    page = console.open()
    page.locator(".filters").get_by_role("button", name="Critical").click()
    page.locator(".filters select").first.select_option("logistics")
    expect(page.locator('[data-alert="al-demo-012"]')).to_be_visible()
    expect(page.locator('[data-alert="al-demo-007"]')).to_have_count(0)

    colleague = console.open(f"#{page.url.partition('#')[2]}")

    expect(colleague.locator('[data-alert="al-demo-012"]')).to_be_visible()
    expect(colleague.locator('[data-alert="al-demo-007"]')).to_have_count(0)
    expect(colleague.locator(".filters").get_by_role("button", name="Critical")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_of_five_thousand_alerts_only_those_in_view_are_drawn(console: Console) -> None:
    console.publish_world(many(5_000))
    page = console.open("#/alerts?severity=low")
    expect(page.locator(".window li").first).to_have_attribute("aria-setsize", re.compile(r"^5\d\d\d$"), timeout=20_000)

    page.locator(".window").evaluate("list => { list.scrollTop = list.scrollHeight / 2 }")

    expect(page.locator(".window li a").first).to_be_visible()
    assert page.locator(".window li").count() < 60
    outside(console.api.rows, "DELETE FROM alerts WHERE severity = 'low' AND customer_id LIKE 'c%' RETURNING 1")


def test_nothing_shifts_when_an_alert_arrives_above_the_rows_in_view(console: Console) -> None:
    console.publish_world(many(60, "medium"))
    page = console.open("#/alerts?severity=medium")
    expect(page.locator(".window li").nth(13)).to_be_visible()
    page.evaluate(_WATCH_SHIFTS)
    page.locator(".window").evaluate("list => { list.scrollTop = 1200 }")
    page.wait_for_function(_ROW_IN_VIEW)
    alert_id, top = page.evaluate(_ROW_IN_VIEW)

    console.publish_world(many(1, "medium"))

    expect(page.locator(".new-pill")).to_have_text("1 new alert")
    after = page.locator(f'[data-alert="{alert_id}"]').bounding_box()
    assert after is not None
    assert after["y"] == top
    assert page.evaluate("window.shifted") == 0


# The list draws the rows around a new scroll position one frame later, so which row and where are read together.
_ROW_IN_VIEW = """() => {
    const { top, bottom } = document.querySelector(".window").getBoundingClientRect();
    for (const row of document.querySelectorAll(".window li a[data-alert]")) {
        const box = row.getBoundingClientRect();
        if (box.top > top + 60 && box.bottom < bottom) return [row.dataset.alert, box.top];
    }
    return null;
}"""

_WATCH_SHIFTS = """() => {
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
    }).observe({type: 'layout-shift'});
}"""


def test_an_alert_is_heard_and_notified_while_another_page_is_in_the_background(console: Console) -> None:
    page = console.open("#/settings")
    page.evaluate(_RECORD_ATTENTION)
    page.get_by_label("Sound for new alerts").check()
    page.get_by_label("Browser notifications").check()
    page.get_by_role("link", name="Audit").click()
    expect(page.locator(".connection.live").first).to_be_visible()
    person = somebody(next(numbers), "Zoe Heard")

    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    console.publish_world(raise_for(person, SystemClock().now(), "critical"))

    page.wait_for_function("id => window.noted.includes(id)", arg=f"al-{person.id}")
    assert page.evaluate("window.heard") == [740, 880]


# What would be heard (in hertz) and shown by the system, which a test machine does neither.
_RECORD_ATTENTION = """() => {
    window.heard = [];
    window.noted = [];
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function () { window.heard.push(this.frequency.value); start.call(this); };
    window.Notification = class {
        static permission = "granted";
        constructor(title, { tag }) { window.noted.push(tag); }
    };
}"""


def test_a_restart_of_the_service_is_told_and_loses_no_alert(console: Console) -> None:
    console.allowed = {"Failed to load resource", "net::ERR"}
    page = console.open()
    expect(page.locator(".connection.live").first).to_be_visible()
    person = somebody(next(numbers), "Ida Missed")

    outside(console.api.process.kill)
    expect(page.locator(".banner")).to_contain_text("Connection lost")
    outside(console.api.process.start)
    console.publish_world(raise_for(person, SystemClock().now()))

    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("Ida Missed", timeout=30_000)
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_have_count(1)


def test_who_signs_in_again_after_the_session_has_ended_hears_of_alerts(console: Console) -> None:
    console.allowed = {"401"}
    page = console.open("#/at-risk", name="Sam Away", is_deaf=True)
    expect(page.locator(".banner")).to_be_visible()
    outside(console.api.rows, _END_SESSIONS, "Sam Away")

    page.unroute("**/v1/alerts/stream")  # the stream is back, and refuses who is no longer signed in
    page.get_by_label("API key").fill(console.key("agent", "Sam Back"), timeout=60_000)
    page.get_by_role("button", name="Sign in").click()

    expect(page.locator(".connection.live").first).to_be_visible()
    page.get_by_role("link", name="Alerts").click()
    person = somebody(next(numbers), "Una Later")
    console.publish_world(raise_for(person, SystemClock().now()))
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("Una Later")


_END_SESSIONS = """
DELETE FROM sessions USING api_keys AS owner WHERE owner.id = key_id AND owner.name = $1 RETURNING session_hash
"""
