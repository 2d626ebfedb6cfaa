"""`python -m tests.browser.pictures [name …]`: draws the pictures of the console in docs/images again."""

import base64
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page

from shared.clock import SystemClock
from shared.contracts.identity import CustomerLinked
from tests.browser.alone import console_alone
from tests.browser.conftest import PHONE, WIDE, Console, outside
from tests.browser.test_outcome import ADDRESS as OUTCOME
from tests.browser.test_outcome import CELLS, opened
from tests.browser.test_setup import backtest_report
from tests.browser.world import a_conflict, company

IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUALITY = 78
TALLEST = 2_400
ZONES = {"en": ("en-US", "America/New_York"), "zh": ("zh-CN", "Asia/Shanghai")}
ALERT, CUSTOMER = "#/alerts/al-demo-012", "#/customers/demo-012"
# Name of the picture, without language and width: address, and what stands on the page once it is drawn.
PAGES = {
    "alerts": ("#/alerts", "[data-alert]"),
    "alert": (ALERT, ".todo"),
    "customer": (CUSTOMER, ".rhythm svg"),
    "customers": ("#/customers", ".data"),
    "segment": ("#/customers?segment={segment}", ".segment-open"),
    "at-risk": ("#/at-risk", ".data"),
    "identity": ("#/identity", ".side-of-claim .handles"),
    "dead-letters": ("#/dead-letters", ".data"),
    "dead-letter": ("#/dead-letters/dl-1", ".code"),
    "channels": ("#/channels", ".channel"),
    "insights": ("#/insights", ".heat"),
    "outcome": (OUTCOME, ".outcome .whisker"),
    "threshold": ("#/insights?show=threshold", ".chart"),
    "backtest": ("#/insights?show=backtest", "input[type=file]"),
    "settings": ("#/settings", ".data"),
    "audit": ("#/audit", ".data"),
}
PICTURES = [
    "alerts-light-en-1440",
    "alerts-dark-zh-1440",
    "alerts-light-en-390",
    "alert-light-en-1440",
    "alert-dark-zh-1440",
    "alert-light-zh-390",
    "customer-light-en-1440",
    "customer-dark-zh-1440",
    "customer-dark-en-390",
    "customers-light-zh-390",
    "segment-light-en-1440",
    "at-risk-light-en-1440",
    "identity-light-en-1440",
    "identity-dark-zh-390",
    "dead-letters-light-en-1440",
    "dead-letter-dark-en-1440",
    "channels-light-en-1440",
    "insights-light-en-1440",
    "outcome-light-en-1440",
    "outcome-dark-zh-390",
    "threshold-dark-zh-1440",
    "backtest-light-en-1440",
    "settings-dark-en-1440",
    "audit-light-zh-1440",
]
CHANNELS: tuple[tuple[str, str, dict[str, str], int, str | None], ...] = (
    ("shop-phone", "twilio", {"auth_token": "0123456789abcdef0123456789abcdef"}, 1_204, None),
    ("help-desk", "zendesk", {"signing_secret": "a-secret-of-the-help-desk"}, 8_311, "the signature does not match"),
    ("slack-vip", "slack", {"signing_secret": "8f742231b10e8888abcd"}, 97, None),
)


class Look(NamedTuple):
    page: str
    theme: str
    language: str
    width: int

    @classmethod
    def of(cls, picture: str) -> "Look":
        page, theme, language, width = picture.rsplit("-", 3)
        return cls(page, theme, language, int(width))


GOOD_AND_SILENT = {"tiers": ["gold", "platinum"], "no_purchase_for_days": 30}
SEGMENT = {"name": "Good customers, silent for a month", "filter": GOOD_AND_SILENT, "is_shared": True}


def populate(console: Console) -> str:
    """Fill the shop: its customers, a claim and links, channels with figures, a segment. Returns its id."""
    now = SystemClock().now()
    console.publish_world(company(now))
    links = [
        _link("cus_5753e2473ecb0265be34e89c18", 200, "mailto:grace.lin@example.com", "shop",
              "customer.identified demo-012-profile"),
        _link("cus_0753e2473ecb0265be34e89c18", 60, "whatsapp:12125550100/12125550012", "Nora Desk",
              "She wrote from her private phone and gave her order number"),
    ]  # fmt: skip
    outside(console.api.publish, "interactions.enriched", a_conflict(now), *links, key=lambda told: told.linked_id)
    outside(console.api.wait_projected)
    for name, provider, credentials, n_received, reason in CHANNELS:
        body = {"id": name, "provider": provider, "credentials": credentials, "settings": {}}
        answer = outside(console.api.post, "/v1/connections", body)
        assert answer.status_code == 201, answer.text
        at = now - timedelta(minutes=3)
        outside(console.api.rows, _FIGURES, name, n_received, at, reason and at - timedelta(hours=9), reason)
        if reason:
            outside(console.api.rows, _REJECTED, name, reason, 4)
    return str(outside(console.api.post, "/v1/segments", SEGMENT).json()["id"])


def _link(linked_id: str, days_ago: int, handle: str, by: str, reason: str) -> CustomerLinked:
    return CustomerLinked(
        at=SystemClock().now() - timedelta(days=days_ago), linked_id=linked_id, into_id="demo-012", handle=handle,
        version=1, by=by, reason=reason,
    )  # fmt: skip


_FIGURES = """
INSERT INTO connection_figures (connection_id, n_received, last_received_at, last_rejected_at, last_rejection_reason)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (connection_id) DO UPDATE SET n_received = $2, last_received_at = $3, last_rejected_at = $4,
    last_rejection_reason = $5
RETURNING 1
"""
_REJECTED = "INSERT INTO connection_rejections (connection_id, reason, n) VALUES ($1, $2, $3) RETURNING 1"


def draw(console: Console, picture: str, report: Path, segment: str) -> None:
    look = Look.of(picture)
    locale, zone = ZONES[look.language]
    size = WIDE if look.width == WIDE["width"] else PHONE
    options: dict[str, Any] = {"viewport": size, "color_scheme": look.theme, "locale": locale, "timezone_id": zone}
    address, landmark = PAGES[look.page]
    address = address.format(segment=segment)
    options |= {"role": "admin", "name": "Nora Desk", "reduced_motion": "reduce"}
    # The shop's alerts are too young to have an outcome.
    page = opened(console, CELLS, **options) if look.page == "outcome" else console.open(address, **options)
    page.locator(landmark).first.wait_for(state="attached")
    colleague = None
    if look.page == "backtest":
        page.locator(landmark).set_input_files(report)
        page.locator(".chart").first.wait_for()
    if picture == "alert-light-en-1440":
        # A colleague looks, too.
        colleague = console.open(address, role="agent", name="Tom Reyes")
        colleague.locator(landmark).wait_for()
        page.locator(".present span").first.wait_for()
    # Charts and figures that come after the landmark; a live page never goes quiet by itself.
    page.wait_for_timeout(1_500)
    _whole(page, size)
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    (IMAGES / f"{picture}.webp").write_bytes(base64.b64decode(shot["data"]))
    # Leaving says so; a page that is torn down would seem to look on in the next picture.
    for one in (page, colleague):
        if one is not None:
            one.goto("about:blank")
    console.close()


def _whole(page: Page, size: dict[str, int]) -> None:
    """Make the window as high as the page, so that nothing is cut off; a list keeps its own height."""
    height = page.evaluate("document.querySelector('main').scrollHeight + innerHeight - "
                           "document.querySelector('main').clientHeight")  # fmt: skip
    if size is WIDE and height > size["height"]:
        page.set_viewport_size({"width": size["width"], "height": min(height, TALLEST)})
        page.wait_for_timeout(300)


def main() -> None:
    wanted = sys.argv[1:] or PICTURES
    with tempfile.TemporaryDirectory() as folder, console_alone() as console:
        report = backtest_report(Path(folder))
        segment = populate(console)
        for picture in wanted:
            draw(console, picture, report, segment)
            print(picture)


if __name__ == "__main__":
    main()
