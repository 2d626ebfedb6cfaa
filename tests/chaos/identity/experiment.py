"""Both stages as processes that die at the boundaries of their work, over a real Kafka, and what is left in the end."""

import asyncio
import os
import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.ingest.event.decide import stamp
from shared.contracts.event import EventBase
from shared.kafka.changelog import KafkaStateReader, load
from shared.kafka.publisher import Message, Publisher, partition_for
from shared.kafka.rows import state_of
from shared.topics import ENRICHED, INTERACTIONS, Topic
from tests.chaos.identity.worker import BOUNDARIES

PARTITIONS = 3
ROOT = Path(__file__).parents[3]
STAGES = ("sentiment", "churn_alerts")


def stamped(event: EventBase, received_at: datetime) -> tuple[str, bytes]:
    """Return an event by key, as an ingest process that has heard of no link yet: everything takes the long way."""
    accepted = stamp(event, received_at, {})
    return accepted.customer_id, accepted.value


class Experiment:
    """The processes, and what they are sent; `kill_often` and `quiet` are what a test is made of."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.n_kills = 0

    def start(self, stage: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.identity.worker", self.bootstrap, self.prefix, stage, *options]
        # What one that is killed cannot take away ends with the test's folder.
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        with (self.folder / f"{stage}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    async def kill_often(self, stage: str, n_kills: int) -> None:
        """Let the stage die again and again in the midst of its work, and live at last."""
        chance = random.Random(stage)
        for number in range(n_kills):
            boundary = BOUNDARIES[number % len(BOUNDARIES)]
            doomed = self.start(stage, "--die", boundary, "--after", str(chance.randrange(4)))
            while doomed.poll() is None:
                await asyncio.sleep(0.05)
            assert doomed.returncode == -9, self.log_of(stage)
            self.n_kills += 1
        self.start(stage)

    def log_of(self, stage: str) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob(f"{stage}-*.log")))

    async def publish(self, publisher: Publisher, records: list[tuple[str, bytes]]) -> None:
        batches: dict[tuple[str, int], list[Message]] = {}
        for key, value in records:
            place = INTERACTIONS.full_name(self.prefix), partition_for(key, PARTITIONS)
            batches.setdefault(place, []).append((key.encode(), value, (), None))
        await publisher.publish_batches(batches)

    async def quiet(self) -> None:
        """Return when both stages have handled all there is, and nothing new has come of it."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await consumer.start()
        await admin.start()
        topics = zip(STAGES, (INTERACTIONS, ENRICHED), strict=True)
        places = {
            stage: [TopicPartition(topic.full_name(self.prefix), number) for number in range(PARTITIONS)]
            for stage, topic in topics
        }
        try:
            before: Any = None
            async with asyncio.timeout(240):
                while True:
                    ends = {stage: await consumer.end_offsets(own) for stage, own in places.items()}
                    is_handled = True
                    for stage in STAGES:
                        committed = await admin.list_consumer_group_offsets(self.prefix + stage)
                        is_handled &= all(
                            place in committed and committed[place].offset >= end for place, end in ends[stage].items()
                        )
                    if is_handled and ends == before:
                        return
                    before = ends if is_handled else None
                    await asyncio.sleep(1)
        finally:
            await consumer.stop()
            await admin.close()

    async def states(self, topic: Topic) -> dict[str, bytes]:
        """Return every customer's stored state, encoded."""
        reader = KafkaStateReader(self.bootstrap, client_id="verifier")
        await reader.start()
        try:
            rows: dict[str, bytes] = {}
            for number in range(PARTITIONS):
                rows |= (await load(reader, topic.full_name(self.prefix), number)).rows
        finally:
            await reader.stop()
        return {key: state_of(row) for key, row in rows.items()}

    async def everything(self, topic: Topic, publisher: Publisher) -> list[tuple[str, bytes | None]]:
        """Return every record of a topic by key, in the order of each partition."""
        reader = KafkaStateReader(self.bootstrap, client_id="verifier")
        await reader.start()
        try:
            records: list[tuple[str, bytes | None]] = []
            for number in range(await publisher.partition_count(topic.full_name(self.prefix))):
                async for some in reader.read(topic.full_name(self.prefix), number):
                    records += [((record.key or b"").decode(), record.value) for record in some]
        finally:
            await reader.stop()
        return records

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
