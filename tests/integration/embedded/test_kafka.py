"""The embedded Kafka keeps what it acknowledged over a restart and a kill, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.embedded.kafka import EmbeddedKafka, known_brokers
from shared.embedded.process import StartError
from tests.conftest import RunningKafka
from tests.integration.embedded.process_table import is_alive, wait_gone

pytestmark = pytest.mark.integration


async def publish(bootstrap: str, topic: str, count: int, copies: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, copies)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    await asyncio.gather(*[await producer.send(topic, b"%d" % n) for n in range(count)])
    await producer.stop()


async def stored(bootstrap: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    partition = TopicPartition(topic, 0)
    ends = await consumer.end_offsets([partition])
    await consumer.stop()
    return int(ends[partition])


async def test_the_run_has_one_kafka_that_takes_and_keeps_records(kafka: RunningKafka, topic_prefix: str) -> None:
    await publish(kafka.bootstrap, f"{topic_prefix}records", 100)

    assert await stored(kafka.bootstrap, f"{topic_prefix}records") == 100


async def test_acknowledged_records_outlive_a_restart_and_a_kill(fresh_kafka: EmbeddedKafka) -> None:
    await publish(fresh_kafka.bootstrap, "records", 100)

    await asyncio.to_thread(fresh_kafka.restart)
    after_restart = await stored(fresh_kafka.bootstrap, "records")
    fresh_kafka.kill()
    await asyncio.to_thread(fresh_kafka.start)

    assert (after_restart, await stored(fresh_kafka.bootstrap, "records")) == (100, 100)


def test_a_port_in_use_is_refused_by_name(kafka: RunningKafka, tmp_path: Path) -> None:
    taken = int(kafka.bootstrap.rpartition(":")[2])

    with pytest.raises(StartError, match=f"port {taken} is in use"):
        EmbeddedKafka(tmp_path, ports=[taken]).start()


_STARTER = """
import sys, time
from pathlib import Path
from shared.embedded.kafka import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]))
broker.start()
print(broker.pid(), flush=True)
time.sleep(600)
"""


def test_the_broker_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as starter:
        assert starter.stdout is not None
        broker_pid = int(starter.stdout.readline())
        was_alive = is_alive(broker_pid)

        os.kill(starter.pid, signal.SIGKILL)

    assert was_alive
    assert wait_gone(broker_pid)


@pytest.mark.cluster
async def test_a_cluster_serves_on_when_one_of_three_nodes_is_killed(
    kafka_cluster: EmbeddedKafka, topic_prefix: str
) -> None:
    await publish(kafka_cluster.bootstrap, f"{topic_prefix}records", 100, copies=3)

    kafka_cluster.kill_node(0)
    stored_without_it = await stored(kafka_cluster.bootstrap, f"{topic_prefix}records")
    await asyncio.to_thread(kafka_cluster.start_node, 0)

    assert stored_without_it == 100
    assert await asyncio.to_thread(known_brokers, ("127.0.0.1", kafka_cluster.port(0))) == 3
