"""The simulator against the whole system: every provider's payload, every fault answered rightly, then the judge."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.cli.simulate_connect import write_file
from services.simulator import truth
from services.simulator.truth import CustomerTruth
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import insert_key, new_key
from tests.conftest import RunningKafka
from tests.e2e.system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
FAULTS = "duplicates=0.05,late=0.05,out_of_order=0.05,malformed=0.05"


@pytest.fixture
async def system(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> Any:
    await ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1)
    key = new_key()
    connection = await asyncpg.connect(database_url)
    await insert_key(connection, key, name="test", role="admin")
    await connection.close()
    write_file(tmp_path / "connections.yaml", tmp_path / "accounts")
    settings = {"PULSELINE_CONNECTIONS_FILE": str(tmp_path / "connections.yaml")}
    with System(kafka.bootstrap, topic_prefix, database_url, key, tmp_path, PARTITIONS, settings) as running:
        yield running


def simulate(system: System, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    api = ["--api-url", system.services["api"].url, "--api-key", system.key]
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", "simulate", *arguments, *api],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def known(system: System, customers: list[CustomerTruth]) -> bool:
    return all(system.get(f"/v1/customers/{one.customer_id}").status_code == 200 for one in customers)


async def test_a_world_is_taken_as_promised_and_judged(system: System, tmp_path: Path) -> None:
    world = ["--customers", "20", "--days", "30", "--seed", "4", "--truth", "t.ndjson", "--faults", FAULTS]
    accounts = ["--accounts", str(tmp_path / "accounts"), "--url", system.services["ingest"].url]

    sent = simulate(system, tmp_path, *world, *accounts)

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "unexpected" not in sent.stdout
    assert sent.stdout.rstrip().endswith("pulseline simulate score --truth t.ndjson")
    head, customers = truth.read(tmp_path / "t.ndjson")
    assert head.customers == len(customers) == 20
    eventually(lambda: known(system, [one for one in customers if one.order_days]))
    assert system.get("/v1/dead-letters").json()["items"] == []
    scored = simulate(system, tmp_path, "score", "--truth", "t.ndjson")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert "20 customers" in scored.stdout
    assert "the oracle" in scored.stdout
    assert "latency, s" in scored.stdout and "by time alone" in scored.stdout
