"""Who a customer is: links seen, made and ended on the customer's page; conflicts decided on a page of their own."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.clock import SystemClock
from shared.contracts.identity import CustomerLinked, LinkConflicted
from tests.browser.conftest import Console, axe_violations, outside
from tests.browser.world import Person, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(7000)


def known(console: Console, name: str) -> Person:
    person = somebody(next(numbers), name)
    console.publish_world(raise_for(person, SystemClock().now()))
    return person


def told(console: Console, *messages: CustomerLinked | LinkConflicted) -> None:
    outside(console.api.publish, "interactions.enriched", *messages, key=lambda message: str(message.linked_id))
    outside(console.api.wait_projected)


def linked(person: Person, handle: str, by: str = "shop") -> CustomerLinked:
    return CustomerLinked(
        at=SystemClock().now() - timedelta(days=3), linked_id=f"cus_{next(numbers)}", into_id=person.id, handle=handle,
        version=1, by=by, reason=f"customer.identified {person.id}-profile",
    )  # fmt: skip


def conflict(console: Console, owner: Person, claimant: Person, handle: str) -> None:
    told(
        console,
        LinkConflicted(
            at=SystemClock().now(), linked_id=f"cus_{next(numbers)}", owner_id=owner.id, claimant_id=claimant.id,
            handle=handle, by="shop", reason=f"order.placed {claimant.id}-o1",
        ),
    )  # fmt: skip


def commands(console: Console) -> Sequence[Any]:
    query = "SELECT action, detail FROM audit_log WHERE action LIKE 'identity.%' ORDER BY at DESC, id DESC"
    return outside(console.api.rows, query)


def claim_of(page: Page, handle: str) -> Any:
    return page.locator(".claim", has_text=handle)


def test_a_customers_page_says_who_linked_each_handle_and_why_and_unlinks_after_a_reason(
    console: Console, axe_source: str
) -> None:
    person = known(console, "Linked Up")
    link = linked(person, f"mailto:linked{next(numbers)}@example.com", by="Nora <b>Desk</b>")
    told(console, link)
    page = console.open(f"#/customers/{person.id}", role="supervisor", name="Una Link")
    entry = page.locator(".handles li", has_text="@example.com")
    expect(entry).to_contain_text("by Nora <b>Desk</b>")
    expect(entry).to_contain_text(f"Profile updated {person.id}-profile")

    entry.get_by_role("button", name="Unlink").click()
    assert axe_violations(page, axe_source) == []
    page.get_by_label("Why (kept in the history)").fill("her sister's address")
    page.get_by_role("dialog").get_by_role("button", name="Unlink").click()

    expect(page.locator(".toast")).to_contain_text("Unlinked")
    assert commands(console)[0]["action"] == "identity.unlink"
    assert link.linked_id in str(commands(console)[0]["detail"])
    page.get_by_role("button", name="History of links").click()
    expect(page.locator(".link-history li")).to_have_count(1)


def test_another_number_is_said_to_be_the_same_customer(console: Console) -> None:
    person = known(console, "Two Phones")
    page = console.open(f"#/customers/{person.id}", role="supervisor")

    page.get_by_role("button", name="Link another").click()
    page.get_by_label("Phone number, e-mail address").fill("+44 20 7946 0958")
    page.get_by_label("Why (kept in the history)").fill("she called from work")
    page.get_by_role("dialog").get_by_role("button", name="Link", exact=True).click()

    expect(page.locator(".toast")).to_contain_text("Linked")
    assert "tel:+442079460958" in str(commands(console)[0]["detail"])


def test_an_agent_sees_links_and_is_offered_none(console: Console) -> None:
    person = known(console, "Look Only")
    told(console, linked(person, f"mailto:look{next(numbers)}@example.com"))
    page = console.open(f"#/customers/{person.id}", role="agent")

    expect(page.locator(".handles")).to_contain_text("@example.com")
    expect(page.get_by_role("button", name="Unlink")).to_have_count(0)


def test_a_conflict_is_decided_by_keyboard_with_a_reason(console: Console) -> None:
    owner, claimant = known(console, "Owen Er"), known(console, "Clay Mant")
    handle = f"family{next(numbers)}@example.com"
    conflict(console, owner, claimant, f"mailto:{handle}")
    page = console.open("#/identity", role="supervisor", name="Judge")
    expect(claim_of(page, handle)).to_contain_text("Clay Mant")

    claim_of(page, handle).get_by_role("button", name="They are one person").press("Enter")
    page.get_by_role("dialog").get_by_role("radio").nth(1).press("Space")
    page.get_by_label("Why (kept in the history)").fill("a couple, one account")
    page.get_by_role("dialog").get_by_role("button", name="Decide").press("Enter")

    expect(page.locator(".toast")).to_contain_text("Decided")
    expect(claim_of(page, handle)).to_have_count(0)
    page.get_by_role("button", name="All", exact=True).click()
    expect(claim_of(page, handle)).to_contain_text("Decided by Judge")
    assert claimant.id in str(commands(console)[0]["detail"])


def test_of_two_who_decide_the_slower_is_told_who_was_faster(console: Console) -> None:
    owner, claimant = known(console, "Own One"), known(console, "Claim One")
    handle = f"both{next(numbers)}@example.com"
    conflict(console, owner, claimant, f"mailto:{handle}")
    pages = [console.open("#/identity", role="supervisor", name=name) for name in ("Quick", "Late")]
    console.allowed.add("409")
    for page in pages:
        claim_of(page, handle).get_by_role("button", name="Keep apart").click()
        page.get_by_label("Why (kept in the history)").fill("different people")

    for page in pages:
        page.get_by_role("dialog").get_by_role("button", name="Decide").click()
        expect(page.locator(".toast")).to_be_visible()

    expect(pages[1].locator(".toast")).to_contain_text("Quick was faster")
    expect(claim_of(pages[1], handle)).to_have_count(0)
