"""Customers found by filters and kept as segments; a risk and an open alert told apart; what an empty list says."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from shared.clock import SystemClock
from tests.browser.conftest import PHONE, Console, axe_violations, outside
from tests.browser.world import World, alert, customer_risk, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(9000)


def rows(page: Page) -> Any:
    return page.locator(".data tbody tr")


def save(page: Page, name: str) -> None:
    """Keep the filters in force under a name, by keyboard alone."""
    page.get_by_role("button", name="Save as a segment").press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator(".segment-open b")).to_have_text(name)


def test_filters_are_kept_as_a_segment_renamed_shared_and_deleted(console: Console, axe_source: str) -> None:
    page = console.open("#/customers", role="supervisor", name="Segment Maker")
    page.get_by_role("button", name="Gold").click()
    # The rows of before stay until the filtered ones have come.
    expect(rows(page).filter(has_not_text="Gold")).to_have_count(0)
    expect(rows(page)).not_to_have_count(0)
    n_gold = rows(page).count()

    save(page, "Golden ones")
    expect(page).to_have_url(re.compile("segment=sg_"))
    expect(rows(page)).to_have_count(n_gold)
    assert axe_violations(page, axe_source) == []
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Golden <b>ones</b>")
    page.get_by_role("dialog").get_by_label("Everybody may use it").check()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".segment-open")).to_contain_text("for everybody, by Segment Maker")

    colleague = console.open(f"#{page.url.partition('#')[2]}", role="viewer", name="Colleague")
    expect(colleague.get_by_role("link", name="Golden <b>ones</b>")).to_have_attribute("aria-current", "page")
    expect(rows(colleague)).to_have_count(n_gold)
    expect(colleague.get_by_role("button", name="Gold")).to_have_attribute("aria-pressed", "true")
    expect(colleague.get_by_role("button", name="Delete")).to_have_count(0)

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="Golden <b>ones</b>")).to_have_count(0)


def test_a_segments_changed_filters_are_saved_to_it(console: Console) -> None:
    page = console.open("#/customers?tier=platinum", role="agent", name="Segment Changer")
    save(page, "Best")

    page.get_by_label("Silent for").select_option("90")
    page.get_by_role("button", name="Save changes to Best").click()

    expect(page.locator(".segment-open")).to_contain_text("silent for 90 days")
    expect(page.get_by_role("link", name="Best")).to_have_count(1)


def test_somebody_elses_own_segment_is_not_shown_and_says_why(console: Console, axe_source: str) -> None:
    console.allowed = {"422"}
    page = console.open("#/customers?tier=gold", role="agent", name="Keeps To Herself")
    save(page, "Mine")

    stranger = console.open(f"#{page.url.partition('#')[2]}", role="agent", name="Curious", viewport=PHONE)

    expect(stranger.locator(".empty")).to_contain_text("does not exist, or is somebody else's own")
    assert axe_violations(stranger, axe_source) == []


def test_an_open_alert_does_not_make_the_customers_state_a_risk(console: Console) -> None:
    person = somebody(next(numbers), "Calm Complainer")
    world = raise_for(person, SystemClock().now())
    calm = msgspec.structs.replace(customer_risk(person, SystemClock().now()), state="active")
    console.publish_world(World(enriched=world.enriched, risks=[calm], alerts=world.alerts))

    page = console.open(f"#/customers/{person.id}")

    expect(page.locator(".detail-title .alert-open")).to_have_text("Alert open")
    expect(page.locator(".detail-title .state")).to_have_text("Active")


def test_who_is_held_out_is_left_out_of_the_list_of_risks_and_shown_to_supervisors_marked(console: Console) -> None:
    # Of a tier that few have: among all the list would have more than a page.
    person = replace(somebody(next(numbers), "Left Alone"), tier="new")
    console.publish_world(raise_for(person, SystemClock().now()))
    with held_out(console, person.id):
        agents, page = (console.open("#/at-risk?tier=new", role=role) for role in ("agent", "supervisor"))

        expect(agents.locator(".held-out")).to_have_text(re.compile(r"^1 customer is left out: held out on purpose"))
        expect(agents.get_by_role("button", name="Show them")).to_have_count(0)
        expect(rows(page).filter(has_text="Left Alone")).to_have_count(0)
        page.get_by_role("button", name="Show them").press("Enter")

        expect(rows(page).filter(has_text="Left Alone")).to_contain_text("Held out")
        page.get_by_role("link", name="Left Alone").click()
        expect(page.locator(".detail-title .held")).to_have_text("Held out")
        expect(page.locator(".detail-head")).to_contain_text("Please do not act on this customer.")
        agents.goto(f"{console.url}/#/customers/{person.id}")
        expect(agents.get_by_role("heading", level=1)).to_have_text("Left Alone")
        expect(agents.locator(".detail-title .held")).to_have_count(0)


@contextmanager
def held_out(console: Console, customer_id: str) -> Iterator[None]:
    """Hold a person's alert out for a while; here nobody is held out by lot, and other tests look at everybody."""
    hold_out(console, customer_id, is_held_out=True)
    try:
        yield
    finally:
        hold_out(console, customer_id, is_held_out=False)


def hold_out(console: Console, customer_id: str, *, is_held_out: bool) -> None:
    query = """
        UPDATE alerts SET is_held_out = $2, state = jsonb_set(state, '{is_held_out}', to_jsonb($2::boolean))
        WHERE customer_id = $1 RETURNING alert_id
    """
    assert outside(console.api.rows, query, customer_id, is_held_out)


def test_a_lost_customer_is_not_told_to_wait_for_a_first_score(console: Console) -> None:
    person = somebody(next(numbers), "Gone Long Ago")
    world = raise_for(person, SystemClock().now())
    lost = msgspec.structs.replace(customer_risk(person, SystemClock().now()), state="lost", risk=None)
    console.publish_world(World(enriched=world.enriched, risks=[lost]))

    page = console.open(f"#/customers/{person.id}")

    expect(page.locator(".detail-title .state")).to_have_text("Lost")
    expect(page.get_by_text("No risk is told any more")).to_be_visible()
    expect(page.get_by_text("No score yet")).to_have_count(0)


def test_a_name_that_comes_after_its_alert_is_asked_for_without_a_missing_page(console: Console) -> None:
    page = console.open()
    expect(page.locator(".connection.live").first).to_be_visible()
    person = somebody(next(numbers), "Late Name")
    now = SystemClock().now()

    console.publish_world(World(alerts=[alert(person, "high", "price", now, now)]))
    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text(person.id)
    console.publish_world(World(enriched=raise_for(person, now).enriched))

    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("Late Name", timeout=30_000)


def test_after_an_import_the_list_of_risks_says_that_they_are_on_their_way(
    kafka: Any, new_console: Callable[[str], Console]
) -> None:
    console = new_console(kafka.bootstrap)
    page = console.open("#/at-risk")
    expect(page.locator(".empty")).to_contain_text("pulseline import orders")
    person = somebody(next(numbers), "Imported Yesterday")
    now = SystemClock().now()
    console.publish_world(World(enriched=raise_for(person, now).enriched))

    page.reload()
    expect(page.locator(".empty")).to_contain_text("No risk has been worked out yet")
    console.publish_world(World(risks=[customer_risk(person, now)]))

    expect(rows(page)).to_contain_text("Imported Yesterday", timeout=30_000)


def test_why_a_record_was_refused_is_told_in_the_viewers_language(console: Console) -> None:
    page = console.open("#/dead-letters", locale="zh-CN")

    letter = rows(page).filter(has_text="RFC3339")
    expect(letter).to_contain_text("时间格式应如")
    expect(letter).to_contain_text("Invalid RFC3339 encoded datetime")
