"""One event from HTTP through Kafka, sentiment, churn and PostgreSQL to REST, all parts real."""

import csv
import gzip
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from services.cli.import_rows import OrderColumns, Row, RowIds, order_event
from shared.embedded.postgres import EmbeddedPostgres
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import insert_key, new_key
from tests.conftest import RunningKafka
from tests.e2e.system import NAMES, System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PARTITIONS = 3


async def prepare(bootstrap: str, prefix: str, database_url: str) -> str:
    await ensure_topics(bootstrap, prefix, PARTITIONS, 1)
    key = new_key()
    connection = await asyncpg.connect(database_url)
    await insert_key(connection, key, name="test", role="admin")
    await connection.close()
    return key


@pytest.fixture
async def system(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> Any:
    key = await prepare(kafka.bootstrap, topic_prefix, database_url)
    with System(kafka.bootstrap, topic_prefix, database_url, key, tmp_path, PARTITIONS) as running:
        yield running


def message(customer: str, number: int, text: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "interaction",
        "id": f"m-{number}",
        "source": "shop",
        "occurred_at": datetime.now(UTC).isoformat(),
        "customer": {"id": customer, "handles": [f"tel:+8613800{number:06d}"]},
        "channel": "chat",
        "direction": "inbound",
        "actor": {"kind": "customer"},
        "text": text,
        **changes,
    }


async def test_posted_complaints_are_seen_enriched_on_the_customer(system: System) -> None:
    system.send(
        message("zh-1", 1, "等了三天还没发货，客服态度太差了，非常失望！"),
        message(
            "en-1", 2, "This is the worst service ever. It broke after two days and nobody helps. I want a refund."
        ),
    )

    for customer in ("zh-1", "en-1"):
        view = eventually(partial(_found, system, customer))
        assert view["timeline"]["items"][0]["sentiment_label"] == "negative"
        assert view["engagement"]["complaints"]["d7"] == 1
        assert view["handles"]


async def test_surge_of_complaints_raises_one_explained_alert(system: System) -> None:
    texts = ["The parcel is late again, terrible.", "Still nothing. Awful delivery service!"] * 4
    system.send(*(message("c-1", i, text) for i, text in enumerate(texts)))

    [alert] = eventually(lambda: system.get("/v1/alerts?customer_id=c-1").json()["items"])

    detail = system.get(f"/v1/alerts/{alert['alert_id']}").json()
    [signal] = [one for one in detail["signals"] if one["name"] == "complaints_surging"]
    assert signal["evidence"]
    assert detail["summary_en"] and detail["summary_zh"]


async def test_raw_garbage_is_dead_lettered_and_the_stream_goes_on(
    system: System, kafka: RunningKafka, topic_prefix: str
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    for partition in range(PARTITIONS):
        await producer.send_and_wait(f"{topic_prefix}interactions", b"{not json", key=b"x", partition=partition)
    await producer.stop()

    system.send(message("after", 1, "Hello there"))

    assert eventually(lambda: _found(system, "after"))
    letters = eventually(lambda: _at_least(system.get("/v1/dead-letters").json()["items"], PARTITIONS))
    assert {letter["stage"] for letter in letters} == {"sentiment"}
    assert all(letter["reason"] for letter in letters)


async def test_postgresql_outage_loses_nothing(
    kafka: RunningKafka, topic_prefix: str, fresh_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    key = await prepare(kafka.bootstrap, topic_prefix, fresh_postgres.url())
    with System(kafka.bootstrap, topic_prefix, fresh_postgres.url(), key, tmp_path, PARTITIONS) as system:
        fresh_postgres.stop()
        system.send(*(message(f"c-{i}", i, "Where is my order?") for i in range(50)))
        fresh_postgres.start()

        assert eventually(lambda: all(_found(system, f"c-{i}") for i in range(50)))


async def test_customer_events_keep_their_trace_from_http_to_alert(system: System) -> None:
    complaints = [message("c-9", i, "Terrible quality, it broke again. I want my money back.") for i in range(8)]
    with system.client() as client:
        client.send(complaints)

    [alert] = eventually(lambda: system.get("/v1/alerts?customer_id=c-9").json()["items"])

    assert len(alert["correlation_id"]) == 32


@pytest.mark.slow
async def test_imported_orders_are_exact_whatever_is_killed(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path, shared_data: Path
) -> None:
    rows = list(_rows(shared_data / "churn" / "complete_journey.csv.gz", 24_000))
    key = await prepare(kafka.bootstrap, topic_prefix, database_url)
    with System(kafka.bootstrap, topic_prefix, database_url, key, tmp_path, PARTITIONS) as system:
        for again in range(2):
            killer = threading.Thread(target=_kill_each, args=(system,)) if not again else None
            if killer:
                killer.start()
            _import(system, rows)
            if killer:
                killer.join()
            await _until_projected(database_url, len(rows))

        expected = sum(Decimal(row.values["amount"]) for row in rows)
        assert await _totals(database_url) == (len(rows), expected)
        # What was over in the past is not alerted, and what is silent now only after a quarter of an hour.
        assert system.get("/v1/alerts?historical=true&limit=50").json()["items"] == []


def _found(system: System, customer: str) -> Any:
    answer = system.get(f"/v1/customers/{customer}")
    return answer.json() if answer.status_code == 200 and answer.json()["timeline"]["items"] else None


def _at_least(items: list[Any], n: int) -> list[Any] | None:
    return items if len(items) >= n else None


def _rows(path: Path, n: int) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as text:
        for line, values in enumerate(csv.DictReader(text), start=2):
            if line > n + 1:
                return
            yield Row(line, values)


def _import(system: System, rows: list[Row]) -> None:
    ids = RowIds()
    events = [order_event(row, OrderColumns(), ids, source="import", currency="USD", zone=UTC) for row in rows]
    with system.client() as client:
        for start in range(0, len(events), 1_000):
            assert client.send(events[start : start + 1_000]).rejected == []


def _kill_each(system: System) -> None:
    for name in NAMES:
        time.sleep(0.5)
        system.services[name].kill()
        system.services[name].start(until_ready=False)


async def _totals(database_url: str) -> tuple[int, Decimal]:
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT count(*) AS n, sum(amount) AS total FROM orders WHERE kind = 'placed'")
    await connection.close()
    return row["n"], row["total"]


async def _until_projected(database_url: str, n: int) -> None:
    deadline = time.monotonic() + 120
    while (await _totals(database_url))[0] < n:
        assert time.monotonic() < deadline, await _totals(database_url)
        time.sleep(0.2)
    # A duplicate would still be on its way: give it the time to show.
    time.sleep(timedelta(seconds=3).total_seconds())
