"""Every page: accessible, in both languages, both themes and both widths, with hostile data kept as text."""

import itertools
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from shared.clock import SystemClock
from shared.contracts.event import Customer, Interaction
from tests.browser.conftest import PHONE, WIDE, Console, axe_violations, outside
from tests.browser.world import World, enriched, raise_for, somebody

pytestmark = [pytest.mark.browser, pytest.mark.integration]
numbers = itertools.count(6000)

PAGES = {
    "alerts": ("", "[data-alert]"),
    "alert": ("#/alerts/al-demo-012", ".todo"),
    "customer": ("#/customers/demo-012", ".rhythm"),
    "customers": ("#/customers", ".data"),
    "customers-filtered": ("#/customers?state=at_risk&tier=gold,silver&silent=30", ".segment-open"),
    "customers-nobody": ("#/customers?tier=platinum&bought=9999", ".empty"),
    "at-risk": ("#/at-risk", ".data"),
    "dead-letters": ("#/dead-letters", ".data"),
    "dead-letter": ("#/dead-letters/dl-1", ".code"),
    "audit": ("#/audit", ".data"),
    "identity": ("#/identity", ".side-of-claim .handles"),
    "identity-decided": ("#/identity?show=all", ".side-of-claim .handles"),
    "settings": ("#/settings", ".data"),
    "channels": ("#/channels", ".empty"),
    "causes": ("#/insights", ".heat"),
    "retention": ("#/insights?show=retention", ".retention"),
    "service": ("#/insights?show=service&days=90", ".service"),
    "outcome": ("#/insights?show=outcome", ".outcome"),
    "threshold": ("#/insights?show=threshold", ".chart"),
    "backtest": ("#/insights?show=backtest", ".empty"),
    "nothing-found": ("#/alerts?q=nobody-is-called-this", ".empty"),
}
LOOKS = {
    "wide-en": ("light", WIDE, "en-US"),
    "wide-dark-zh": ("dark", WIDE, "zh-CN"),
    "phone-zh": ("light", PHONE, "zh-CN"),
    "phone-dark-en": ("dark", PHONE, "en-US"),
}
HOSTILE = [
    "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "\u202egnp.exe \u2067مرحبا\u2069 \u200f",
    "&lt;b&gt; ${7*7} {{7*7}} '\"`",
    "🤡" * 300,
    "A" * 10_000,
]


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_breaks_an_accessibility_rule_or_is_larger_than_the_window(
    console: Console, axe_source: str, look: str
) -> None:
    theme, size, language = LOOKS[look]
    page = console.open("", viewport=size, color_scheme=theme, locale=language, reduced_motion="reduce")
    faults = {}

    for name, (address, landmark) in PAGES.items():
        page.goto(f"{console.url}/{address}")
        page.locator(landmark).first.wait_for()
        faults[name] = axe_violations(page, axe_source) + page.evaluate(_TOO_LARGE)

    assert {name: found for name, found in faults.items() if found} == {}


# What is long scrolls inside the page; the window itself has nothing below.
_TOO_LARGE = """() => {
    const page = document.documentElement;
    const below = page.scrollHeight - page.clientHeight;
    return [
        ...[page, document.querySelector('main')].filter((one) => one.scrollWidth > one.clientWidth)
            .map((one) => `${one.tagName} is ${one.scrollWidth - one.clientWidth} px too wide`),
        ...(below > 0 ? [`${below} px of nothing below`] : []),
    ];
}"""


def test_on_a_phone_a_name_is_worth_more_than_the_badge_of_the_demo(console: Console) -> None:
    person = replace(somebody(next(numbers), "Zoe Kelly"), is_demo=True)
    console.publish_world(raise_for(person, SystemClock().now()))
    outside(console.api.post, f"/v1/alerts/al-{person.id}/escalate", {})

    page = console.open(f"#/alerts?q={person.id}", viewport=PHONE)
    name = page.locator(f'[data-alert="al-{person.id}"] .row-name')

    expect(name.locator(".level")).to_be_visible()
    expect(name.locator(".demo")).to_be_hidden()
    assert name.locator("b").evaluate("(one) => one.scrollWidth - one.clientWidth") == 0


def test_signing_in_needs_a_key_that_is_known(console: Console, axe_source: str) -> None:
    console.allowed = {"401"}
    page = console.strange()
    page.get_by_label("API key").fill("pl_00000000_nobody")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
    assert axe_violations(page, axe_source) == []

    page.get_by_label("API key").fill(console.key("agent", "Newcomer"))
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_one_switch_turns_every_word_chinese_and_back(console: Console) -> None:
    page = console.open("#/alerts/al-demo-012")
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()

    page.get_by_role("button", name="中文").click()

    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="建议做法")).to_be_visible()
    expect(page.locator(".why")).to_have_text(re.compile("^已67天未购买，通常每21天购买一次"))
    expect(page.locator(".todo-title")).to_have_text("主动查清物流或排队问题并告知客户")
    expect(page.locator(".todo .hint")).to_have_text(re.compile("流失原因为物流$"))
    page.reload()
    expect(page.get_by_role("heading", name="建议做法")).to_be_visible()


def test_times_are_told_in_the_viewers_zone(console: Console) -> None:
    for zone, told in (("Asia/Shanghai", "GMT[+]8"), ("America/New_York", "EST|EDT")):
        page = console.open("#/alerts/al-demo-012", timezone_id=zone)

        expect(page.locator("time").first).to_have_attribute("title", re.compile(told))


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "bidi", "templates", "emoji", "long"])
def test_what_customers_write_stays_text(console: Console, text: str) -> None:
    now = SystemClock().now()
    person = somebody(next(numbers), text[:256])
    console.publish_world(raise_for(person, now))
    said = Interaction(
        id=f"{person.id}-x", source="test", occurred_at=now, customer=Customer(person.id), channel="chat",
        direction="inbound", text=text,
    )  # fmt: skip
    console.publish_world(World(enriched=[enriched(said, 99, "negative", [], person, now)]))

    page = console.open(f"#/customers/{person.id}")

    expect(page.get_by_role("heading", level=1)).to_have_text(text[:256].strip())
    shown = page.locator(".event-text").first.inner_text()
    assert shown.rstrip("…").strip() == text[: len(shown.rstrip("…"))].strip()
    assert page.locator(".event-text img, .event-text script, h1 img").count() == 0
    assert page.evaluate("document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth") == 0


def test_a_customer_is_found_by_a_chinese_word_they_wrote(console: Console) -> None:
    page = console.open("#/customers")

    page.get_by_role("searchbox").fill("质量")

    expect(page.locator(".data tbody tr")).to_have_count(1)
    expect(page.locator(".data tbody tr")).to_contain_text("王美")
    expect(page).to_have_url(re.compile("q=%E8%B4%A8%E9%87%8F"))


def test_the_rhythm_says_in_words_what_it_draws(console: Console) -> None:
    page = console.open("#/customers/demo-012")

    drawing = page.locator(".rhythm svg")
    expect(drawing).to_have_attribute("aria-label", re.compile(r"13 purchases; the last .*usually every 21 days"))
    expect(drawing.locator("circle")).to_have_count(13)
    expect(drawing).to_contain_text("67 days of silence")


def test_a_wrong_mood_is_corrected_in_place(console: Console) -> None:
    page = console.open("#/customers/demo-003?show=messages", role="agent")

    page.get_by_role("button", name="Wrong mood? Correct it").last.click()
    page.get_by_role("button", name="This is neutral").click()

    expect(page.locator(".toast")).to_contain_text("The correction is used at the next training")
    query = "SELECT label FROM sentiment_labels WHERE customer_id = 'demo-003'"
    assert [row["label"] for row in outside(console.api.rows, query)] == ["neutral"]


def test_a_dead_letter_is_mended_and_replayed(console: Console) -> None:
    letter_id = f"dl-{next(numbers)}"
    now = SystemClock().now() - timedelta(hours=1)
    bad = b'{"type":"interaction","id":"x1","source":"crm","occurred_at":"yesterday","customer":{"id":"demo-006"}}'
    outside(console.api.rows, _INSERT_LETTER, letter_id, now, bad, f"{console.api.prefix}interactions")
    page = console.open(f"#/dead-letters/{letter_id}")

    mended = page.locator("textarea.code").input_value().replace("yesterday", now.isoformat())
    page.locator("textarea.code").fill(mended)
    page.get_by_role("button", name="Replay with changes").click()

    expect(page.locator(".detail-head .badge")).to_have_text("Replayed")
    expect(page.locator("textarea.code")).to_have_count(0)


def test_a_kind_of_dead_letters_is_given_up_at_once(console: Console) -> None:
    letter_ids = [f"dl-{next(numbers)}" for _ in range(2)]
    for letter_id in letter_ids:
        outside(console.api.rows, _INSERT_LETTER, letter_id, SystemClock().now(), b"{", f"{console.api.prefix}flood")
    page = console.open("#/dead-letters?stage=sentiment&reason=not+a+time")
    page.get_by_role("button", name="Discard these").click()

    page.get_by_label("Why is it safe to discard?").fill("a test of the integrator's")
    page.get_by_role("button", name="Discard", exact=True).click()

    expect(page.locator(".toast")).to_contain_text("discarded.")
    query = "SELECT DISTINCT status, note FROM dead_letters WHERE id = ANY($1)"
    found = [tuple(row.values()) for row in outside(console.api.rows, query, letter_ids)]
    assert found == [("discarded", "a test of the integrator's")]


def test_the_audit_log_speaks_the_viewers_language(console: Console) -> None:
    filtered = {"tiers": ["gold", "platinum"], "no_purchase_for_days": 30}
    name = f"audited {next(numbers)}"
    body = {"name": name, "filter": filtered, "is_shared": True}
    answer = outside(console.api.post, "/v1/segments", body)
    assert answer.status_code == 201, answer.text

    page = console.open("#/audit", locale="zh-CN")

    row = page.locator("tbody tr", has_text=name)
    expect(row).to_contain_text("筛选：等级：黄金和铂金, 未购买天数：30")
    expect(row).to_contain_text("所有人可用：是")
    page.get_by_role("button", name="English").click()
    expect(row).to_contain_text("filter: tiers: Gold and Platinum, no purchase for days: 30")


@pytest.mark.parametrize(("locale", "word"), [("en-US", "key"), ("zh-CN", "密钥")])
def test_the_audit_log_names_a_key_that_is_gone(console: Console, locale: str, word: str) -> None:
    name = f"old till {next(numbers)}"
    made = outside(console.api.post, "/v1/keys", {"name": name, "role": "integrator"}).json()

    def revoke() -> int:
        with console.api.client() as client:
            return client.delete(f"/v1/keys/{made['id']}").status_code

    assert outside(revoke) == 204

    page = console.open("#/audit", locale=locale)

    rows = page.locator("tbody tr", has_text=made["id"])
    expect(rows).to_have_count(2)
    expect(rows.nth(0).locator("td").nth(3)).to_have_text(f"{word} {name} {made['id']}")


def test_no_probability_is_told_as_certain(console: Console) -> None:
    page = console.open("#/settings", is_deaf=True)

    told = page.evaluate(
        "async () => [0, 0.004, 0.005, 0.5, 0.994, 0.996, 1].map((await import('./lib/text.mjs')).chance)"
    )

    assert told == ["<1%", "<1%", "1%", "50%", "99%", ">99%", ">99%"]


def test_a_number_that_rounds_to_nothing_has_no_minus(console: Console) -> None:
    page = console.open("#/settings", is_deaf=True)

    told = page.evaluate(
        "async () => { const { money, number, percent } = await import('./lib/text.mjs');"
        " return [number(-0.004, { maximumFractionDigits: 2 }), percent(-0.004), money(-0.001), number(-1)] }"
    )

    assert told == ["0", "0%", "0.00", "\u22121"]


def test_a_flood_of_dead_letters_of_one_kind_is_given_up_at_once(console: Console) -> None:
    reason = f"flood {next(numbers)}"
    outside(console.api.rows, _INSERT_FLOOD, 1_200, SystemClock().now(), reason)
    page = console.open(f"#/dead-letters?stage=sentiment&reason={reason}")
    page.get_by_role("button", name="Discard these 1,200").click()

    page.get_by_label("Why is it safe to discard?").fill("a test of the integrator's")
    page.get_by_role("button", name="Discard", exact=True).click()

    expect(page.locator(".toast")).to_contain_text("1,200 discarded.")
    expect(page.locator("table.data")).to_have_count(0)
    query = "SELECT DISTINCT status FROM dead_letters WHERE reason = $1"
    assert [row["status"] for row in outside(console.api.rows, query, reason)] == ["discarded"]


_INSERT_FLOOD = """
INSERT INTO dead_letters (id, stage, topic, partition, "offset", reason, error, pointer, first_seen_at, attempts, key,
                          value, headers)
SELECT format('%s/%s', $3::text, n), 'sentiment', 'flood', 0, n, $3, 'Reject', '', $2, 1, 'demo-006', '{', '[]'
FROM generate_series(1, $1::int) AS numbers (n)
RETURNING id
"""
_INSERT_LETTER = """
INSERT INTO dead_letters (id, stage, topic, partition, "offset", reason, error, pointer, first_seen_at, attempts, key,
                          value, headers)
VALUES ($1, 'sentiment', $4, 0, 7, 'not a time', 'Reject', '/occurred_at', $2, 1, 'demo-006', $3, '[]')
RETURNING id
"""


def test_a_new_key_is_shown_once_and_can_be_revoked(console: Console) -> None:
    name = f"ticket system {next(numbers)}"
    page = console.open("#/settings")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    expect(page.locator(".made pre")).to_have_text(re.compile(r"^pl_\w+"))

    page.get_by_role("row", name=name).get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()

    expect(page.get_by_role("row", name=name)).to_contain_text("Revoked")
    page.reload()
    expect(page.locator(".data")).to_be_visible()
    expect(page.locator(".made")).to_have_count(0)


def test_the_address_of_an_unknown_alert_says_so(console: Console) -> None:
    console.allowed = {"404"}

    page = console.open("#/alerts/al-nothing")

    expect(page.get_by_role("alert")).to_contain_text("This does not exist, or no longer.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_service_that_does_not_answer_is_given_up_and_asked_again_on_demand(console: Console) -> None:
    page = console.open("#/settings", is_deaf=True)
    page.evaluate("() => { AbortSignal.timeout = () => AbortSignal.abort(new DOMException('', 'TimeoutError')) }")
    page.evaluate("location.hash = '#/audit'")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("The server does not answer")

    page.evaluate("() => { AbortSignal.timeout = () => new AbortController().signal }")
    problem.get_by_role("button", name="Try again").click()

    expect(page.locator("table.data")).to_be_visible()
