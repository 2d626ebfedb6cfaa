"""The API while its dependencies are away, and two of it at once."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from shared.embedded.postgres import EmbeddedPostgres
from tests.factories.records import enriched, order, raised
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]
ENRICHED = "interactions.enriched"


def ready(url: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx2.get(f"{url}/readyz", timeout=10, **LOOPBACK).json()
    return answer


def test_an_outage_of_postgresql_is_waited_out_and_said(
    kafka: Any, topic_prefix: str, fresh_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with Api(kafka.bootstrap, topic_prefix, fresh_postgres.url(), tmp_path) as api:
        api.publish(ENRICHED, *(enriched(order(f"a{n}", f"c{n % 9}", "1")) for n in range(300)))
        api.wait_projected()
        fresh_postgres.kill()
        api.publish(ENRICHED, *(enriched(order(f"b{n}", f"c{n % 9}", "2")) for n in range(300)))
        missing = eventually(lambda: ready(api.process.url).get("missing"))
        with api.client() as client:
            answer = client.get("/v1/alerts")
        fresh_postgres.start()
        api.wait_projected(60)
        total = api.value("SELECT sum(amount) FROM orders")

    assert missing is not None
    assert "postgresql" in missing
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert total == 900


def test_a_postgresql_that_keeps_connections_and_answers_nothing_is_said(
    kafka: Any, topic_prefix: str, fresh_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with Api(kafka.bootstrap, topic_prefix, fresh_postgres.url(), tmp_path) as api:
        api.publish(ENRICHED, enriched(order("a", "c1", "1")))
        api.wait_projected()

        fresh_postgres.pause()
        api.publish(ENRICHED, enriched(order("b", "c1", "2")))
        missing = eventually(lambda: ready(api.process.url).get("missing"), 60)
        eventually(lambda: all(lag > 5 for lag in _lags(api)), 60)
        fresh_postgres.resume()
        api.wait_projected(60)
        eventually(lambda: ready(api.process.url)["status"] == "ready", 60)
        eventually(lambda: _lags(api) == [0, 0], 60)

    assert missing is not None
    assert "postgresql" in missing


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        ("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", "ROLLBACK"),
        ("ALTER TABLE orders RENAME TO orders_away; COMMIT; BEGIN", "ALTER TABLE orders_away RENAME TO orders; COMMIT"),
    ],
    ids=["locked until a timeout", "a table is away"],
)
def test_what_people_must_mend_in_postgresql_is_waited_out(
    kafka: Any, topic_prefix: str, database_url: str, tmp_path: Path, fault: str, mend: str
) -> None:
    name = urlsplit(database_url).path[1:]
    with asyncio.Runner() as runner:
        person = runner.run(asyncpg.connect(database_url))
        runner.run(person.execute(f"ALTER DATABASE {name} SET lock_timeout = '300ms'"))
        with Api(kafka.bootstrap, topic_prefix, database_url, tmp_path) as api:
            runner.run(person.execute(f"BEGIN; {fault}"))
            api.publish(ENRICHED, *(enriched(order(f"o{n}", f"c{n % 9}", "1")) for n in range(30)))
            missing = eventually(lambda: ready(api.process.url).get("missing"))
            runner.run(person.execute(mend))
            api.wait_projected(60)
            n_orders, n_letters = (api.value(f"SELECT count(*) FROM {one}") for one in ("orders", "dead_letters"))
        runner.run(person.close())

    assert "postgresql" in str(missing)
    assert (n_orders, n_letters) == (30, 0)


def _lags(api: Api) -> list[float]:
    """Return how long records may have waited for each lane, as Prometheus is told."""
    lines = httpx2.get(f"{api.process.url}/metrics", timeout=10, **LOOPBACK).text.splitlines()
    return [float(line.split()[-1]) for line in lines if line.startswith("pulseline_api_projection_lag_seconds{")]


def test_two_processes_share_the_partitions_and_take_over_from_a_killed_one(api: Api) -> None:
    with api.make_process("twin").start():
        eventually(lambda: _shares(api) == [2, 2, 2, 2])
        api.publish(ENRICHED, *(enriched(order(f"a{n}", f"c{n % 50}", "1.5")) for n in range(1_000)))
        api.process.kill()
        api.publish(ENRICHED, *(enriched(order(f"b{n}", f"c{n % 50}", "2.5")) for n in range(1_000)))
        api.publish("churn.alerts", *(raised(f"a{n}", f"c{n % 50}") for n in range(100)))
        api.wait_projected()
        api.process.start()

    assert api.value("SELECT count(*) FROM orders") == 2_000
    assert api.value("SELECT sum(amount) FROM orders") == Decimal(4_000)
    assert api.value("SELECT count(*) FROM alert_events") == 100


def _shares(api: Api) -> list[int]:
    """Return how many of the two lanes' eight partitions each connection has leased."""
    rows = api.rows(
        """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7305010
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY pid
        """
    )
    return [n for (n,) in rows]


def test_a_twin_that_woke_up_late_writes_nothing(api: Api) -> None:
    topic = api.prefix + ENRICHED
    api.publish(ENRICHED, *(enriched(order(f"a{n}", "c1", "1")) for n in range(10)))
    api.wait_projected()

    fenced = asyncio.run(_write_from_the_beginning(api.database_url, topic))

    assert fenced
    assert api.value("SELECT count(*) FROM orders") == 10


async def _write_from_the_beginning(database_url: str, topic: str) -> bool:
    from services.api.projection import store
    from services.api.projection.decide import collect
    from shared.postgres.pool import open_connection

    connection = await open_connection(database_url)
    try:
        await store.prepare(connection)
        groups = collect([enriched(order("zombie", "c1", "99"))], is_searchable=False)
        await store.write(connection, groups, {(topic, number): (0, 1) for number in range(2)})
    except store.FencedError:
        return True
    finally:
        await connection.close()
    return False
