"""The API and ingest side by side over one database and one secrets key, as an operator runs them."""

import asyncio
import base64
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.api.auth.store import create_admin_key
from services.api.connection.sample import Moment, Sample, sample
from shared.clock import SystemClock
from shared.ids import new_request_id
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import Role
from tests.conftest import RunningKafka, RunningPostgres
from tests.integration.ingest.test_events_endpoint import make_key
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess

FILE = """
- {id: of-the-file, provider: telegram, credentials: {secret_token: [in-the-file, before]}}
- {id: desk, provider: smtp, credentials: {recipients: desk@example.com}}
"""


class Pair:
    """Both services; `deliver` plays the provider, `call` the console."""

    def __init__(self, bootstrap: str, prefix: str, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.folder = folder
        self.connections_file = folder / "connections.yaml"
        self.connections_file.write_text(FILE)
        self.key_file = folder / "secrets-key"
        self.key_file.write_bytes(base64.b64encode(os.urandom(32)))
        asyncio.run(ensure_topics(bootstrap, prefix, 2, 1))
        self.admin = asyncio.run(create_admin_key(database_url))
        self._shared = {
            "PULSELINE_KAFKA_BOOTSTRAP": bootstrap,
            "PULSELINE_TOPIC_PREFIX": prefix,
            "PULSELINE_DATABASE_URL": database_url,
            "PULSELINE_PARTITIONS": "2",
            "PULSELINE_SECRETS_KEY_FILE": str(self.key_file),
        }
        self._is_changed = False
        self.ingest = self.make_ingest()
        self.api = self.make_api()

    def make_ingest(self) -> ServiceProcess:
        environment = {**self._shared, "PULSELINE_CONNECTIONS_FILE": str(self.connections_file)}
        return ServiceProcess("ingest", environment, self._new_folder())

    def make_api(self, **changed: str) -> ServiceProcess:
        settings = {**self._shared, "PULSELINE_INGEST_PUBLIC_URL": self.ingest.url, **changed}
        kept = {setting: value for setting, value in settings.items() if value}
        return ServiceProcess("api", kept, self._new_folder())

    def restart_ingest(self) -> None:
        """Stop it as a deployment does, and start another one in its place, with nothing of the old one's files."""
        self.ingest.stop()
        self.ingest = self.make_ingest().start()
        self.restart_api()

    def restart_api(self, **changed: str) -> None:
        self.api.kill()
        self.api = self.make_api(**changed).start()
        self._is_changed = bool(changed)

    def restore(self) -> None:
        """Have both run as they began."""
        if not self.ingest.is_running:
            self.restart_ingest()
        elif self._is_changed:
            self.restart_api()

    def _new_folder(self) -> Path:
        folder = self.folder / uuid.uuid4().hex[:10]
        folder.mkdir()
        return folder

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key or self.admin}"}
        return httpx2.request(method, self.api.url + path, json=body, headers=headers, timeout=30, **LOOPBACK)

    def key_for(self, role: Role) -> str:
        return asyncio.run(make_key(self.database_url, role))

    def connection(self, connection_id: str) -> dict[str, Any]:
        items = self.call("GET", "/v1/connections").json()["items"]
        [found] = [one for one in items if one["id"] == connection_id]
        return dict(found)

    def deliver(self, connection_id: str, provider: str, credentials: Mapping[str, Any]) -> int:
        """Send one signed delivery and return the status."""
        url = f"{self.ingest.url}/v1/channels/{connection_id}"
        made = sample(provider, dict(credentials), url, Moment(id=new_request_id(), at=SystemClock().now()))
        return self.send(made)

    def send(self, made: Sample, ingest: ServiceProcess | None = None) -> int:
        url = made.url if ingest is None else made.url.replace(self.ingest.url, ingest.url)
        return httpx2.post(url, content=made.body, headers=made.headers, timeout=30, **LOOPBACK).status_code

    def metric(self, name: str, labels: Mapping[str, str]) -> float | None:
        text = httpx2.get(f"{self.ingest.url}/metrics", **LOOPBACK).text
        for family in text_string_to_metric_families(text):
            for found in family.samples:
                if found.name == name and labels.items() <= found.labels.items():
                    return found.value
        return None

    def __enter__(self) -> Self:
        self.ingest.start()
        self.api.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.api.kill()
        self.ingest.kill()


@pytest.fixture(scope="session")
def _running_pair(
    kafka: RunningKafka, postgres: RunningPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    name = f"pair{uuid.uuid4().hex[:10]}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template_pulseline STRATEGY file_copy")
    with Pair(kafka.bootstrap, f"{name}-", postgres.url(name), tmp_path_factory.mktemp(name)) as running:
        yield running
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pair(_running_pair: Pair) -> Iterator[Pair]:
    """Both services, shared by the tests; one that ends or changes a process starts its own again."""
    yield _running_pair
    _running_pair.restore()


@pytest.fixture
def shop() -> str:
    """A connection's id that no other test uses."""
    return f"shop-{uuid.uuid4().hex[:10]}"
