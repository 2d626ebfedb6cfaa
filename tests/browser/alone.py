"""A console over Kafka, PostgreSQL and a Chromium of its own, outside of any test run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from tests.browser.conftest import CHROMIUM, FLAGS, Console
from tests.integration.api.conftest import Api


@contextmanager
def console_alone() -> Iterator[Console]:
    """Yield a console without any data; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as postgres:
        upgrade(postgres.url())
        kafka = EmbeddedKafka(Path(folder) / "kafka")
        kafka.start()
        try:
            api = Api(kafka.bootstrap, "alone-", postgres.url(), Path(folder))
            api.process = api.make_process("alone", PULSELINE_API_HOLDOUT_RATIO="0")
            with api, sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                console = Console(api, browser)
                yield console
                console.close()
                browser.close()
        finally:
            kafka.stop()
