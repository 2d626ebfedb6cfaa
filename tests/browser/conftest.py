"""A real Chromium before the real API service, with one small shop in real topics and tables."""

import asyncio
import base64
import json
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from shared.postgres.api_keys import Role, insert_key, new_key
from shared.postgres.pool import open_connection
from tests.browser.world import World, a_conflict, company
from tests.integration.api.conftest import Api

CHROMIUM = Path("/usr/bin/chromium")
# Without these Chromium calls home at every start; a machine without a way out then waits for each call.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

# Playwright's five seconds are for a machine that does nothing else.
expect.set_options(timeout=20_000)

T = TypeVar("T")
_outside = ThreadPoolExecutor(max_workers=1)


def outside(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run work that needs an event loop of its own: Playwright's occupies the test's thread."""
    return _outside.submit(work, *arguments, **named).result()


class Console:
    """The served console, and ways to make things happen behind it."""

    def __init__(self, api: Api, browser: Browser) -> None:
        self.api = api
        self.url = api.process.url
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.allowed: set[str] = set()

    def open(
        self, address: str = "", *, role: Role = "admin", name: str = "", is_deaf: bool = False, **options: Any
    ) -> Page:
        """Return a page of a freshly signed-in operator; a deaf one never gets the live stream."""
        page = self.context(role=role, name=name, **options).new_page()
        if is_deaf:
            self.allowed.add("net::ERR_FAILED")
            page.route("**/v1/alerts/stream", lambda route: route.abort())
        self._listen(page)
        page.goto(f"{self.url}/{address}")
        return page

    def context(self, *, role: Role = "admin", name: str = "", **options: Any) -> BrowserContext:
        context = self._browser.new_context(
            **{"viewport": WIDE, "locale": "en-US", "timezone_id": "Europe/Berlin"} | options
        )
        self._contexts.append(context)
        answer = context.request.post(
            f"{self.url}/v1/session", data={"api_key": self.key(role, name or f"test {role}")}
        )
        assert answer.status == 201, answer.text()
        return context

    def strange(self, **options: Any) -> Page:
        """Return a page nobody is signed in to."""
        context = self._browser.new_context(**{"viewport": WIDE, "locale": "en-US"} | options)
        self._contexts.append(context)
        page = context.new_page()
        self._listen(page)
        page.goto(self.url)
        return page

    def key(self, role: Role, name: str) -> str:
        made: str = outside(asyncio.run, _make_key(self.api.database_url, role, name))
        return made

    def publish(self, topic: str, *messages: Any) -> None:
        outside(self.api.publish, topic, *messages, key=_key)

    def publish_world(self, world: World) -> None:
        for topic, messages in world.by_topic():
            if messages:
                self.publish(topic, *messages)
        outside(self.api.wait_projected)

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _listen(self, page: Page) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and not any(part in message.text for part in self.allowed):
                self.complaints.append(f"{message.type}: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))


def _key(message: Any) -> str:
    if hasattr(message, "stage"):
        return str(message.id)
    return str(message.event.customer.id if hasattr(message, "event") else message.customer_id)


async def _make_key(database_url: str, role: Role, name: str) -> str:
    connection = await open_connection(database_url)
    try:
        key = new_key()
        await insert_key(connection, key, name=name, role=role)
    finally:
        await connection.close()
    return key


@pytest.fixture(scope="session")
def browser(kafka: Any, postgres: Any) -> Iterator[Browser]:
    """Chromium, started after the servers: they run event loops of their own, and its loop occupies this thread."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def serving(bootstrap: str, postgres: Any, folder: Path) -> Iterator[Api]:
    """Run an API service over an empty database and topics of its own, with a key to seal credentials under."""
    name = f"browser{uuid.uuid4().hex[:10]}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template_pulseline STRATEGY file_copy")
    secrets_key = folder / "secrets.key"
    secrets_key.write_bytes(base64.b64encode(os.urandom(32)))
    secrets_key.chmod(0o600)
    api = Api(bootstrap, f"{name}-", postgres.url(name), folder)
    # Which alerts are held out from agents hangs on their ids, which are drawn by lot here.
    settings = {
        "PULSELINE_SECRETS_KEY_FILE": str(secrets_key),
        "PULSELINE_API_HOLDOUT_RATIO": "0",
        "PULSELINE_INGEST_PORT": "18001",
    }
    api.process = api.make_process("sealing", **settings)
    with api:
        yield api
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shop(kafka: Any, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API service over the shop's data, one for all browser tests; each test adds customers of its own."""
    with ExitStack() as services:
        start = serving(kafka.bootstrap, postgres, tmp_path_factory.mktemp("browser"))
        api: Api = outside(services.enter_context, start)
        for topic, messages in company(datetime.now(UTC)).by_topic():  # pages show ages
            outside(api.publish, topic, *messages, key=_key)
        outside(api.publish, "interactions.enriched", a_conflict(datetime.now(UTC)), key=lambda told: told.linked_id)
        outside(api.wait_projected)
        yield api
        outside(services.close)


@pytest.fixture
def new_console(browser: Browser, postgres: Any, tmp_path: Path) -> Iterator[Callable[[str], Console]]:
    """Starts an API service without any data on a broker and returns its console; its pages must not complain."""
    consoles: list[Console] = []
    with ExitStack() as services:

        def start(bootstrap: str) -> Console:
            api: Api = outside(services.enter_context, serving(bootstrap, postgres, tmp_path))
            consoles.append(Console(api, browser))
            return consoles[-1]

        yield start
        for one in consoles:
            one.close()
        outside(services.close)
    assert [one.complaints for one in consoles if one.complaints] == []


@pytest.fixture
def console(shop: Api, browser: Browser) -> Iterator[Console]:
    """The console; a page that complains to the browser's log fails its test."""
    opened = Console(shop, browser)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture(scope="session")
def axe_source() -> str:
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


def axe_violations(page: Page, source: str) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA and its best practices, one line each."""
    page.evaluate(source)
    found = page.evaluate(
        """async () => {
            const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
            const {violations} = await axe.run(document, {resultTypes: ['violations'], runOnly});
            const told = (node) => `${node.html.slice(0, 160)} ${node.failureSummary}`;
            return violations.map(({id, nodes}) => ({id, nodes: nodes.slice(0, 4).map(told)}));
        }"""
    )
    return [json.dumps(one, ensure_ascii=False) for one in found]
