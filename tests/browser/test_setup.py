"""Setting Pulseline up in the console: the first event, channels, notifications, and looking back with insights."""

import itertools
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from services.cli.backtest import backtest
from shared.clock import SystemClock
from shared.contracts.event import Customer, OrderPlaced
from shared.embedded.kafka import EmbeddedKafka
from tests.browser.conftest import PHONE, Console, outside
from tests.browser.world import World, enriched, raise_for, somebody
from tests.factories.purchase_log import as_csv, purchase_log

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.timeout(180)]
numbers = itertools.count(8000)


def test_a_new_installation_leads_to_its_first_customer(kafka: Any, new_console: Callable[[str], Console]) -> None:
    console = new_console(kafka.bootstrap)
    page = console.open()
    page.get_by_role("button", name="Make a key for sending").click()
    key = page.locator(".guide-steps pre").first
    expect(key).to_have_text(re.compile(r"^pl_\w+"))
    command = page.locator(".guide-steps .block pre").inner_text()
    assert f"Bearer {key.inner_text()}" in command
    assert command.startswith("curl -i http://127.0.0.1:18001/v1/events ")
    sent = json.loads(command.partition("-d '")[2].rstrip("'"))

    console.publish_world(World(enriched=[purchase(sent["customer"]["id"])]))

    page.get_by_role("link", name="c-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("c-1")


def purchase(customer_id: str) -> Any:
    now = SystemClock().now()
    order = OrderPlaced(
        id="first-1", source="my-shop", occurred_at=now, customer=Customer(customer_id), order_id="1001", amount="49.90"
    )
    return enriched(order, 0, None, [], somebody(next(numbers)), now)


def test_a_broker_that_comes_back_brings_what_was_missed_to_the_open_page(
    fresh_kafka: EmbeddedKafka, new_console: Callable[[str], Console]
) -> None:
    person = somebody(next(numbers), "Ilse Patient")
    console = new_console(fresh_kafka.bootstrap)
    console.allowed = {"503"}
    console.publish_world(raise_for(somebody(next(numbers), "Otto Early"), SystemClock().now()))
    page = console.open()
    expect(page.locator("[data-alert]")).to_contain_text("Otto Early")

    fresh_kafka.kill()
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("[data-alert]")).to_contain_text("In hand")
    expect(page.locator(".banner")).to_contain_text("waits for Kafka", timeout=60_000)
    expect(page.locator(".connection").first).to_have_text("Behind")
    fresh_kafka.start()
    for topic, messages in raise_for(person, SystemClock().now()).by_topic():
        if messages:
            console.publish(topic, *messages)

    expect(page.locator(f'[data-alert="al-{person.id}"]')).to_contain_text("Ilse Patient", timeout=120_000)
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".connection").first).to_have_text("Live")


def test_a_channel_is_connected_tested_rotated_and_removed(console: Console) -> None:
    name = f"my-slack-{next(numbers)}"
    page = console.open("#/channels")
    page.get_by_role("button", name="Add a channel").click()
    page.get_by_label("Provider").select_option("slack")
    page.get_by_label("Name in the address").fill(name)
    page.get_by_label("signing_secret").fill("8f742231b10e8888abcd")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text(re.compile(rf"/v1/channels/{name}$"))
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    channel = page.locator(".channel", has_text=name)
    expect(channel).to_contain_text("Waiting for the first delivery")

    channel.get_by_role("button", name="Test").click()
    expect(channel.locator(".result")).to_contain_text("It does not work yet.")
    channel.get_by_role("button", name="Replace credentials").click()
    page.get_by_label("signing_secret").fill("ffffffffffffffffffff")
    page.get_by_role("dialog").get_by_role("button", name="Replace credentials").click()
    expect(channel).to_contain_text("old credentials still accepted")
    channel.get_by_role("button", name="End rotation").click()
    expect(channel).not_to_contain_text("old credentials still accepted")
    channel.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()

    expect(page.locator(".channel", has_text=name)).to_have_count(0)


def test_on_a_phone_what_can_be_done_with_a_channel_stands_below_its_name(console: Console) -> None:
    name = f"shop-meta-{next(numbers)}"
    body = {"id": name, "provider": "meta", "credentials": {"app_secret": "0" * 32, "verify_token": "abc"}}
    assert outside(console.api.post, "/v1/connections", body | {"settings": {}}).status_code == 201

    channel = console.open("#/channels", viewport=PHONE).locator(".channel", has_text=name)

    channel.get_by_role("button", name="Test").wait_for()
    tops = [channel.get_by_role("button", name=button).bounding_box() for button in ("Test", "Remove")]
    health = channel.locator(".health").bounding_box()
    assert health is not None
    assert all(top is not None and top["y"] >= health["y"] + health["height"] for top in tops)
    assert tops[0]["y"] == tops[1]["y"]  # type: ignore[index]
    # Other tests look at the page without any.
    channel.get_by_role("button", name="Remove").click()
    channel.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(channel).to_have_count(0)


def test_a_notification_endpoint_is_added_tested_and_switched_off(console: Console) -> None:
    name = f"desk {next(numbers)}"
    page = console.open("#/settings")
    page.get_by_role("button", name="Add an endpoint").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Address").fill("https://127.0.0.1:9/hooks")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".made pre")).to_have_text(re.compile("^whsec_"))
    endpoint = page.locator(".entry", has_text=name)
    expect(endpoint).to_contain_text("Told about: Critical, High")

    endpoint.get_by_role("button", name="Test").click()
    expect(endpoint.locator(".result")).to_contain_text("The receiver did not take it.")
    endpoint.get_by_role("button", name="Send failed again").click()
    expect(page.locator(".toast")).to_contain_text("0 failed notifications")
    endpoint.get_by_role("button", name="Switch off").click()
    expect(endpoint.locator(".badge")).to_have_text("Off")
    endpoint.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()

    expect(page.locator(".entry", has_text=name)).to_have_count(0)


def test_what_a_form_refuses_is_told_in_the_operators_language(console: Console) -> None:
    page = console.open("#/settings", locale="zh-CN")
    console.allowed.add("status of 422")
    page.get_by_role("button", name="添加端点").click()
    page.get_by_label("名称").fill("值班台")
    page.get_by_label("地址").fill("ftp://example.com/hooks")

    page.get_by_role("button", name="添加", exact=True).click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("网址须以 https:// 开头并包含主机名。")


def test_causes_are_counted_by_week_and_by_month(console: Console) -> None:
    page = console.open("#/insights")
    expect(page.get_by_role("row", name=re.compile("^Delivery"))).to_be_visible()
    weeks = page.locator(".heat thead th").count()

    page.get_by_role("button", name="Months").click()

    expect(page.locator(".heat thead th")).not_to_have_count(weeks)
    page.get_by_role("link", name="Delivery").click()
    expect(page).to_have_url(re.compile("show=all&cause=logistics"))


def test_another_threshold_is_previewed_before_it_is_set(console: Console) -> None:
    page = console.open("#/insights?show=threshold&days=90")
    expect(page.get_by_role("status").filter(has_text="threshold of 50%")).to_be_visible()

    page.get_by_role("slider").fill("90")

    expect(page.get_by_role("status").filter(has_text="threshold of 90%")).to_be_visible()
    expect(page).to_have_url(re.compile("threshold=0.9"))


def test_a_backtests_report_is_drawn_from_its_file_and_sent_nowhere(console: Console, tmp_path: Path) -> None:
    report = backtest_report(tmp_path)
    page = console.open("#/insights?show=backtest")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))

    page.locator("input[type=file]").set_input_files(report)

    told = json.loads(report.read_text())
    expect(page.locator(".chart svg")).to_have_count(3)
    shown = page.locator(".facts").first
    expect(shown).to_contain_text(f"{told['rankings'][0]['auc']:.3f}")
    expect(page.locator(".compared tbody tr")).to_have_count(len(told["rules"]))
    expect(page.locator(".compared")).to_contain_text(f"{told['rules'][0]['quality']['precision']:.1%}")
    assert "POST" not in requests


def test_a_backtests_report_fits_a_phone(console: Console, tmp_path: Path) -> None:
    page = console.open("#/insights?show=backtest", viewport=PHONE)

    page.locator("input[type=file]").set_input_files(backtest_report(tmp_path))

    compared = page.locator(".compared")
    expect(compared).to_be_visible()
    assert compared.evaluate("table => table.getBoundingClientRect().right <= document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_file_that_is_no_report_is_refused_in_words(console: Console, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"rules": []}')
    page = console.open("#/insights?show=backtest")

    page.locator("input[type=file]").set_input_files(wrong)

    expect(page.get_by_role("alert")).to_contain_text("not a backtest's report: it has no options, data")


def backtest_report(folder: Path) -> Path:
    orders = folder / "orders.csv"
    orders.write_text(as_csv(purchase_log(60, 260)), encoding="utf-8")
    app = typer.Typer()
    app.command()(backtest)
    arguments = [str(orders), "--out", str(folder / "out"), "--start", "2024-07-01", "--horizon", "28"]
    result = outside(CliRunner().invoke, app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return folder / "out" / "report.json"


def test_what_a_customer_does_appears_on_their_open_page(console: Console) -> None:
    now = SystemClock().now()
    person = somebody(next(numbers), "Lena Live")
    console.publish_world(raise_for(person, now))
    page = console.open(f"#/customers/{person.id}")
    expect(page.locator(".rhythm circle").first).to_be_visible()
    n_orders = dots(page)

    order = OrderPlaced(
        id=f"{person.id}-new", source="test", occurred_at=now + timedelta(seconds=1), customer=Customer(person.id),
        order_id="77777", amount="12.00",
    )  # fmt: skip
    console.publish_world(World(enriched=[enriched(order, 50, None, [], person, now)]))

    expect(page.locator(".timeline")).to_contain_text("Order 77777", timeout=30_000)
    expect(page.locator(".rhythm circle")).to_have_count(n_orders + 1)


def dots(page: Page) -> int:
    return page.locator(".rhythm circle").count()


def test_the_risk_curve_says_in_words_what_it_draws(console: Console) -> None:
    page = console.open("#/customers/demo-012")

    curve = page.locator(".card", has=page.get_by_role("heading", name="Risk over time"))
    expect(curve.locator("svg")).to_have_attribute("aria-label", re.compile(r"^81% now; the highest was \d+% on"))
    expect(curve.locator("path.line")).to_have_attribute("d", re.compile(r"^M[\d. ]+H"))
