"""Where the focus goes, and what is said: who works by keyboard or by ear never loses the place."""

import itertools
import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.clock import SystemClock
from tests.browser.conftest import PHONE, Console, outside
from tests.browser.test_pages import _INSERT_LETTER
from tests.browser.world import Person, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(9500)


def raised(console: Console, name: str, n: int = 1) -> list[Person]:
    """Raise an alert each for `n` people, the first of them the newest, and so the first of the list."""
    people = [somebody(next(numbers), f"{name} {number}") for number in range(n)]
    for back, person in enumerate(people):
        console.publish_world(raise_for(person, SystemClock().now() - timedelta(minutes=back)))
    return people


def row_of(page: Page, person: Person) -> Locator:
    return page.locator(f'[data-alert="al-{person.id}"]')


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def said(page: Page) -> Locator:
    return page.locator("#said")


def resolve(console: Console, person: Person) -> None:
    done = outside(console.api.post, f"/v1/alerts/al-{person.id}/resolve", {"resolution": "handled"})
    assert done.status_code == 200, done.text


@pytest.mark.parametrize("name", ["Alerts", "At risk", "Customers", "Identity", "Insights", "Dead letters", "Audit"])
def test_a_page_that_is_opened_is_told_by_its_heading(console: Console, name: str) -> None:
    page = console.open("#/settings")
    expect(title(page)).to_have_text("Settings")

    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).press("Enter")

    expect(title(page)).to_have_text(name)
    expect(title(page)).to_be_focused()


def test_on_a_phone_the_menu_leads_to_the_page_that_was_chosen(console: Console) -> None:
    page = console.open("#/customers", viewport=PHONE)
    page.get_by_role("button", name="More").click()

    page.locator(".tabs-more").get_by_role("link", name="Insights").press("Enter")

    expect(title(page)).to_have_text("Insights")
    expect(title(page)).to_be_focused()


def test_the_first_page_leaves_the_focus_where_the_browser_has_it(console: Console) -> None:
    page = console.open("#/customers")
    page.locator(".data").wait_for()

    assert page.evaluate("document.activeElement === document.body")


def test_signing_out_and_in_keeps_the_place(console: Console) -> None:
    console.allowed = {"401"}
    page = console.open("#/customers")
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page.get_by_label("API key")).to_be_focused()

    page.keyboard.type(console.key("agent", "Comes back"))
    page.keyboard.press("Enter")

    expect(title(page)).to_have_text("Customers")
    expect(title(page)).to_be_focused()


@pytest.mark.parametrize(
    ("locale", "button", "told"), [("en-US", "Acknowledge", "in your hands"), ("zh-CN", "接手", "由您处理")]
)
def test_an_acknowledged_alert_keeps_the_focus_on_its_page_and_says_so(
    console: Console, locale: str, button: str, told: str
) -> None:
    (person,) = raised(console, f"Acker {locale}")
    page = console.open(f"#/alerts/al-{person.id}", locale=locale)

    page.get_by_role("button", name=button).press("Enter")

    expect(said(page)).to_contain_text(told)
    expect(title(page)).to_be_focused()


def test_an_alert_that_is_resolved_on_its_page_gives_the_focus_to_its_name(console: Console) -> None:
    (person,) = raised(console, "Resolver")
    page = console.open(f"#/alerts/al-{person.id}")

    page.get_by_role("button", name="Resolve").press("Enter")
    page.get_by_role("button", name="Handled").press("Enter")

    expect(said(page)).to_contain_text("Resolved: Resolver 0")
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    expect(title(page)).to_be_focused()


def test_a_question_that_is_closed_gives_the_focus_back(console: Console) -> None:
    (person,) = raised(console, "Asker")
    page = console.open(f"#/alerts/al-{person.id}")
    button = page.get_by_role("button", name="Snooze")
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()

    page.keyboard.press("Escape")

    expect(button).to_be_focused()


def test_back_from_an_alert_that_has_left_the_list_the_next_row_has_the_focus(console: Console) -> None:
    people = raised(console, "Leaver", 3)
    page = console.open("#/alerts?q=Leaver")
    expect(page.locator("[data-alert]")).to_have_count(3)
    row_of(page, people[1]).press("Enter")
    expect(title(page)).to_be_focused()

    resolve(console, people[1])
    expect(page.locator(".detail-head .status")).to_have_text("Resolved")
    page.keyboard.press("u")

    expect(page.locator("[data-alert]")).to_have_count(2)
    expect(row_of(page, people[2])).to_be_focused()


def test_when_the_selected_alert_leaves_the_list_the_next_has_the_focus_but_no_key_acts_on_it(console: Console) -> None:
    people = raised(console, "Gone", 3)
    page = console.open("#/alerts?q=Gone")
    expect(page.locator("[data-alert]")).to_have_count(3)
    page.keyboard.press("j")
    expect(row_of(page, people[0])).to_be_focused()

    resolve(console, people[0])

    expect(row_of(page, people[1])).to_be_focused()
    page.keyboard.press("a")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(f"at=al-{people[1].id}"))
    expect(row_of(page, people[1])).to_be_focused()
    assert outside(console.api.get, f"/v1/alerts/al-{people[1].id}")["status"] == "open"


def test_the_last_of_a_list_leaves_the_focus_to_the_pages_heading(console: Console) -> None:
    (person,) = raised(console, "Only")
    page = console.open("#/alerts?q=Only+0")
    expect(row_of(page, person)).to_be_visible()
    page.keyboard.press("j")

    resolve(console, person)

    expect(page.locator(".empty")).to_be_visible()
    expect(title(page)).to_be_focused()


def test_alerts_that_are_dealt_with_together_leave_the_focus_in_the_list(console: Console) -> None:
    people = raised(console, "Bulk", 3)
    page = console.open("#/alerts?q=Bulk")
    expect(page.locator("[data-alert]")).to_have_count(3)
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    page.get_by_role("toolbar").get_by_role("button", name="Resolve").press("Enter")

    page.get_by_role("dialog").get_by_role("button", name="Handled").press("Enter")

    expect(said(page)).to_have_text("Done for 2 alerts.")
    expect(page.locator("[data-alert]")).to_have_count(1)
    expect(row_of(page, people[2])).to_be_focused()


def test_another_filter_says_how_many_alerts_it_leaves(console: Console) -> None:
    raised(console, "Counted", 2)
    page = console.open("#/alerts?q=Counted")
    expect(page.locator("[data-alert]")).to_have_count(2)

    page.get_by_role("button", name="Low").press("Enter")

    expect(said(page)).to_have_text("0 alerts")
    expect(page.get_by_role("button", name="Low")).to_be_focused()


def test_another_state_of_dead_letters_says_how_many_rows_it_has(console: Console) -> None:
    page = console.open("#/dead-letters?stage=churn_alerts&reason=JSON")
    expect(page.locator("tbody tr")).to_have_count(1)

    page.get_by_role("button", name="Discarded").press("Enter")

    expect(said(page)).to_have_text(re.compile(r"^\d+ rows? shown$"))
    expect(page.get_by_role("button", name="Discarded")).to_be_focused()


def test_a_discarded_letter_gives_the_focus_to_what_it_is_told_by(console: Console) -> None:
    letter_id = f"dl-{next(numbers)}"
    outside(console.api.rows, _INSERT_LETTER, letter_id, SystemClock().now(), b"{", f"{console.api.prefix}interactions")
    page = console.open(f"#/dead-letters/{letter_id}")

    page.get_by_role("button", name="Discard").press("Enter")
    page.get_by_label("Why is it safe to discard?").fill("a test")
    page.get_by_role("dialog").get_by_role("button", name="Discard").press("Enter")

    expect(page.locator(".detail-head .badge")).to_have_text("Discarded")
    expect(page.locator("#bytes")).to_be_focused()


def test_a_revoked_key_keeps_the_focus_in_its_row_and_says_so(console: Console) -> None:
    name = f"short-lived {next(numbers)}"
    made = outside(console.api.post, "/v1/keys", {"name": name, "role": "viewer"})
    assert made.status_code == 201, made.text
    page = console.open("#/settings")
    row = page.get_by_role("row", name=name)
    row.get_by_role("button", name="Revoke").press("Enter")

    page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")

    expect(said(page)).to_have_text(f"{name} is revoked.")
    expect(row).to_contain_text("Revoked")
    expect(row).to_be_focused()


def test_a_removed_rule_of_the_team_leaves_the_focus_among_the_rules(console: Console) -> None:
    name = f"passing rule {next(numbers)}"
    made = outside(console.api.post, "/v1/assignment-rules", {"name": name, "assignees": ["Mia"], "is_enabled": False})
    assert made.status_code == 201, made.text
    page = console.open("#/settings")

    page.locator(".entry", has_text=name).get_by_role("button", name="Remove").press("Enter")

    expect(said(page)).to_have_text(f"{name} is removed.")
    expect(page.locator(".entry", has_text=name)).to_have_count(0)
    assert page.evaluate(
        "document.activeElement.closest('.policies') !== null || document.activeElement.tagName === 'H3'"
    )


def test_a_removed_channel_leaves_the_focus_on_the_page(console: Console) -> None:
    name = f"passing-{next(numbers)}"
    body = {"id": name, "provider": "slack", "credentials": {"signing_secret": "8f742231b10e8888abcd"}, "settings": {}}
    assert outside(console.api.post, "/v1/connections", body).status_code == 201
    page = console.open("#/channels")
    channel = page.locator(".channel", has_text=name)
    channel.get_by_role("button", name="Remove").press("Enter")

    page.get_by_role("dialog").get_by_role("button", name="Remove").press("Enter")

    expect(channel).to_have_count(0)
    expect(said(page)).not_to_be_empty()
    expect(title(page)).to_be_focused()


def test_a_removed_segment_gives_the_focus_to_the_customers(console: Console) -> None:
    made = outside(
        console.api.post, "/v1/segments", {"name": f"passing {next(numbers)}", "filter": {"tiers": ["gold"]}}
    )
    assert made.status_code == 201, made.text
    page = console.open(f"#/customers?segment={made.json()['id']}", name="first admin")
    page.locator(".segment-open").get_by_role("button", name="Delete").press("Enter")

    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")

    expect(said(page)).to_contain_text("passing")
    expect(page.locator(".segment-open")).to_have_count(0)
    expect(title(page)).to_be_focused()


def test_more_rows_take_the_focus_where_they_begin(console: Console) -> None:
    outside(console.api.rows, _INSERT_AUDIT, 60)
    page = console.open("#/audit")
    expect(page.locator("tbody tr")).to_have_count(50)

    page.get_by_role("button", name="Show more").press("Enter")

    expect(page.locator("tbody tr").nth(50)).to_be_focused()


_INSERT_AUDIT = """
INSERT INTO audit_log (actor, role, action, target_type, target_id)
SELECT 'a test', 'admin', 'session.open', 'key', 'key_nobodys' FROM generate_series(1, $1::int) RETURNING id
"""


def test_another_insight_keeps_the_focus_on_what_chose_it(console: Console) -> None:
    page = console.open("#/insights")
    button = page.get_by_role("button", name="Threshold")

    button.press("Enter")

    expect(page.locator("#threshold")).to_be_visible()
    expect(button).to_be_focused()


def test_who_looks_elsewhere_is_not_called_back(console: Console) -> None:
    page = console.open("#/alerts/al-demo-012")
    page.get_by_label("Write a comment").click()

    page.locator(".why").first.click()
    page.get_by_role("button", name="中文").hover()

    assert page.evaluate("document.activeElement.id !== 'page-title'")
