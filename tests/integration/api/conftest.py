"""One API process over the run's Kafka and PostgreSQL, with topics, keys and a way to publish of its own."""

import asyncio
import base64
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx2
import pytest

from services.api.auth.store import create_admin_key
from shared.contracts.codec import encode
from shared.kafka.publisher import Message, Publisher, partition_for
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import Role, insert_key, new_key
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess
from tests.waiting import eventually

PARTITIONS = 2
_PROJECTED = """customers, handles, interactions, orders, customer_links, link_events, link_conflicts,
    erasures, early_clearances, customer_risk_daily, alerts,
    alert_events, dead_letters, idempotency_keys, audit_log, sentiment_labels, notification_endpoints,
    notification_jobs, connections, file_connections, connection_figures, connection_rejections, policies,
    alert_timers, segments, alert_presence, buyers_changed, buyers, buyer_periods, buyer_waits,
    served_changed, served, served_tickets"""


class Api:
    """The service under test and everything around it; use as a context manager."""

    def __init__(self, bootstrap: str, prefix: str, database_url: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.database_url = database_url
        self.folder = folder
        self.key = asyncio.run(create_admin_key(database_url))
        asyncio.run(ensure_topics(bootstrap, prefix, PARTITIONS, 1))
        self.process = self.make_process("first")

    def make_process(self, name: str, **environment: str) -> ServiceProcess:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        secrets_key = folder / "secrets-key"
        secrets_key.write_bytes(base64.b64encode(b"a key of the tests, 32 bytes long"[:32]))
        settings = {
            "PULSELINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "PULSELINE_TOPIC_PREFIX": self.prefix,
            "PULSELINE_DATABASE_URL": self.database_url,
            "PULSELINE_SECRETS_KEY_FILE": str(secrets_key),
            "PULSELINE_API_RATE_PER_S": "100000",
            "PULSELINE_API_ALLOWED_NETWORKS": "127.0.0.0/8",
            # The factories' instants stand still while the calendar moves on.
            "PULSELINE_API_ALERT_EXPIRY_DAYS": "100000",
            "PULSELINE_API_CENSUS_EVERY_S": "1",
            **environment,
        }
        return ServiceProcess("api", settings, folder)

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def client(self, key: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.Client(base_url=self.process.url, headers=headers, timeout=20, **LOOPBACK)

    def get(self, path: str, **parameters: Any) -> Any:
        with self.client() as client:
            answer = client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        with self.client() as client:
            return client.post(path, json=body, headers=headers)

    def publish(self, topic: str, *messages: Any, key: Callable[[Any], str] = lambda m: _customer(m)) -> None:
        """Publish contracts, each to its key's partition."""
        self.publish_raw(topic, [(key(message), encode(message)) for message in messages])

    def publish_raw(self, topic: str, records: Sequence[tuple[str, bytes | None]]) -> None:
        asyncio.run(_publish(self.bootstrap, self.prefix + topic, records))

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        return asyncio.run(_rows(self.database_url, query, arguments))

    def execute(self, script: str) -> None:
        """Run several statements, as a database administrator would."""
        asyncio.run(_execute(self.database_url, script))

    def value(self, query: str, *arguments: Any) -> Any:
        return self.rows(query, *arguments)[0][0]

    def key_for(self, role: Role) -> str:
        return asyncio.run(_make_key(self.database_url, role))

    def ends(self) -> dict[tuple[str, int], int]:
        """Return where each partition of the projected topics ends."""
        return asyncio.run(_ends(self.bootstrap, self.prefix))

    def wait_projected(self, timeout_s: float = 30.0) -> None:
        """Return when every record of every projected topic is behind the stored offsets."""
        wanted = self.ends()

        def is_done() -> bool:
            stored = {(r["topic"], r["partition"]): r["next_offset"] for r in self.rows("TABLE projection_offsets")}
            return all(stored.get(place, 0) >= end for place, end in wanted.items())

        eventually(is_done, timeout_s)


def _customer(message: Any) -> str:
    if hasattr(message, "linked_id") and not hasattr(message, "event"):
        return str(message.linked_id)
    return str(message.event.customer.id if hasattr(message, "event") else message.customer_id)


async def _publish(bootstrap: str, topic: str, records: Sequence[tuple[str, bytes | None]]) -> None:
    publisher = Publisher(bootstrap)
    await publisher.start()
    try:
        batches: dict[tuple[str, int], list[Message]] = {}
        for key, value in records:
            batches.setdefault((topic, partition_for(key, PARTITIONS)), []).append((key.encode(), value, (), None))
        await publisher.publish_batches(batches)
    finally:
        await publisher.stop()


async def _rows(database_url: str, query: str, arguments: Sequence[Any]) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


async def _execute(database_url: str, script: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def _emptied(database_url: str) -> bool:
    """Return whether the tables could be emptied; what the service does meanwhile is never the loser."""
    connection = await asyncpg.connect(database_url)
    try:
        # Shorter than the time after which PostgreSQL ends a deadlock by choosing one of the two.
        await connection.execute("SET lock_timeout = '300ms'")
        await connection.execute(f"TRUNCATE {_PROJECTED}")
    except asyncpg.LockNotAvailableError:
        return False
    finally:
        await connection.close()
    return True


async def _make_key(database_url: str, role: Role) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        key = new_key()
        await insert_key(connection, key, name=f"test {role}", role=role)
    finally:
        await connection.close()
    return key


async def _ends(bootstrap: str, prefix: str) -> dict[tuple[str, int], int]:
    from shared.kafka.consumer import PartitionReader

    reader = PartitionReader(bootstrap, "test")
    await reader.start()
    try:
        topics = [prefix + name for name in ("interactions.enriched", "churn.risk", "churn.alerts", "dead-letters")]
        return {(t, n): (await reader.bounds((t, n))).end for t in topics for n in range(PARTITIONS)}
    finally:
        await reader.stop()


@contextmanager
def running_api(kafka: Any, postgres: Any, folders: pytest.TempPathFactory) -> Iterator[Api]:
    """A running API with a database and topics of its own."""
    name = f"api{uuid.uuid4().hex[:10]}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template_pulseline STRATEGY file_copy")
    with Api(kafka.bootstrap, f"{name}-", postgres.url(name), folders.mktemp(name)) as running:
        yield running
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _running_api(kafka: Any, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(kafka, postgres, tmp_path_factory) as running:
        yield running


@pytest.fixture
def api(_running_api: Api) -> Api:
    """A running API with empty tables; the process is shared, so a test that kills it starts it again."""
    _running_api.wait_projected()
    eventually(lambda: asyncio.run(_emptied(_running_api.database_url)))
    return _running_api
