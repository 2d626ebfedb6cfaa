"""`pulseline prepare` brings servers of one's own to what the services expect, as often as one likes."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner, Result

from services.cli.main import build
from shared.embedded.process import free_ports
from shared.topics import TOPICS
from tests.conftest import RunningKafka

pytestmark = pytest.mark.integration


async def topics_of(bootstrap: str) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


def prepare(kafka: RunningKafka, database_url: str, prefix: str, *options: str) -> Result:
    environment = {
        "PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "PULSELINE_DATABASE_URL": database_url,
        "PULSELINE_TOPIC_PREFIX": prefix,
        "PULSELINE_PARTITIONS": "2",
    }
    return CliRunner().invoke(build("prepare"), ["prepare", *options], env=environment)


def test_it_makes_every_topic_and_repeats_without_harm(
    kafka: RunningKafka, empty_database_url: str, topic_prefix: str
) -> None:
    first = prepare(kafka, empty_database_url, topic_prefix)
    again = prepare(kafka, empty_database_url, topic_prefix)

    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert {topic.full_name(topic_prefix) for topic in TOPICS} <= asyncio.run(topics_of(kafka.bootstrap))


def test_an_admin_key_is_made_when_asked_for(kafka: RunningKafka, empty_database_url: str, topic_prefix: str) -> None:
    done = prepare(kafka, empty_database_url, topic_prefix, "--admin-key")

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].startswith("pl_")


def test_a_service_that_is_not_there_is_not_healthy() -> None:
    (port,) = free_ports(1)

    asked = CliRunner().invoke(build("healthy"), ["healthy", f"http://127.0.0.1:{port}"])

    assert asked.exit_code == 1
