"""`pulseline rules publish` reaches every partition of the processor's input, readable as the processor reads it."""

import asyncio
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner, Result

from services.churn_alerts.alert.rules import DEFAULT, read_rules
from services.cli.main import build
from services.cli.state_folder import ProcessRecord, RunRecord, StateFolder
from shared.contracts.control import RulesPublished
from shared.kafka.controls import decode_control
from shared.kafka.topics_admin import ensure_topics
from shared.topics import ENRICHED
from tests.conftest import RunningKafka

pytestmark = pytest.mark.integration

PARTITIONS = 2


def run(kafka: RunningKafka, prefix: str, *words: str) -> Result:
    environment = {"PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap, "PULSELINE_TOPIC_PREFIX": prefix}
    return CliRunner().invoke(build("rules"), ["rules", *words], env=environment)


async def controls(bootstrap: str, topic: str) -> list[object]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    await consumer.start()
    try:
        records = [await consumer.getone() for _ in range(PARTITIONS)]
    finally:
        await consumer.stop()
    assert all(record.key is None for record in records)
    return [decode_control(record.value) for record in records]


def test_rules_reach_every_partition(kafka: RunningKafka, topic_prefix: str, tmp_path: Path) -> None:
    asyncio.run(ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1, topics=(ENRICHED,)))
    document = tmp_path / "rules.json"
    document.write_text('{"capacity_per_day": 20}')

    done = run(kafka, topic_prefix, "publish", str(document), "--from", "2026-03-01T00:00:00Z")

    assert done.exit_code == 0, done.output
    first, second = asyncio.run(controls(kafka.bootstrap, ENRICHED.full_name(topic_prefix)))
    assert isinstance(first, RulesPublished)
    assert first == second
    assert first.in_force_at.isoformat() == "2026-03-01T00:00:00+00:00"
    assert read_rules(first.rules).capacity_per_day == 20


def test_rules_reach_the_kafka_that_runs_in_this_folder(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1, topics=(ENRICHED,)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULSELINE_KAFKA_BOOTSTRAP", raising=False)
    Path("rules.json").write_text('{"capacity_per_day": 30}')
    folder = StateFolder()
    folder.prepare()

    with folder.held():
        folder.write_run(
            RunRecord(
                supervisor_pid=1,
                started_at="2026-03-01T00:00:00+00:00",
                phase="ready",
                processes=[ProcessRecord(name="kafka", kind="kafka", address=kafka.bootstrap)],
                topic_prefix=topic_prefix,
            )
        )
        done = CliRunner().invoke(build("rules"), ["rules", "publish", "rules.json"])

    assert done.exit_code == 0, done.output
    found, _ = asyncio.run(controls(kafka.bootstrap, ENRICHED.full_name(topic_prefix)))
    assert isinstance(found, RulesPublished)
    assert read_rules(found.rules).capacity_per_day == 30


def test_what_is_shown_may_be_published_again(kafka: RunningKafka, topic_prefix: str) -> None:
    shown = run(kafka, topic_prefix, "show")

    assert read_rules(json.loads(shown.stdout)) == DEFAULT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "is no JSON object"),
        ("{", "is no JSON object"),
        ('{"capacity": 20}', "unknown field `capacity`"),
        ('{"silence_thresholds": {"new": 0.4}}', "thresholds miss the tiers bronze"),
    ],
)
def test_rules_that_cannot_be_read_are_not_published(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path, content: str, reason: str
) -> None:
    document = tmp_path / "rules.json"
    document.write_text(content)

    done = run(kafka, topic_prefix, "publish", str(document))

    assert done.exit_code == 2
    assert reason in " ".join(done.output.replace("│", " ").split())
