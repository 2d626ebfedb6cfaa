"""Runs worker processes, feeds them, kills them, and asks the stranger for its verdict."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.kafka.publisher import Publisher
from shared.kafka.topics_admin import ensure_topics
from tests.contract.kafka.worlds import messages
from tests.factories.kafka_processors import WATCH_TOPICS, WATCHED, sighting, tick
from tests.fakes.kafka import FakeRecord

PARTITIONS = 4
_KEYS = 150
_ROOT = Path(__file__).resolve().parents[3]


def log_of(seed: int, length: int, poison_ratio: float = 0.0) -> list[FakeRecord]:
    """Return one partition's input: keys that come and go silent, ticks, events out of order, and poison."""
    chance = random.Random(seed)
    now_ms, records = 1_000_000, []
    for offset in range(length):
        now_ms += chance.randrange(20)
        key = f"{seed}-{chance.randrange(_KEYS)}"
        if chance.random() < poison_ratio:
            fault = chance.choice(["reject", "raise", "text", "huge"])
            poison = FakeRecord(offset, key.encode(), b"no json") if fault == "text" else None
            records.append(poison or sighting(offset, key, now_ms, fault))
        elif chance.random() < 0.02:
            records.append(tick(offset, now_ms))
        else:
            records.append(sighting(offset, key, now_ms - chance.choice([0, 0, 0, 300, 3_000])))
    return records


@dataclass
class Chaos:
    """One experiment under its own prefix."""

    bootstrap: str
    prefix: str
    folder: Path

    def __post_init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[int, Path] = {}

    async def prepare(self) -> None:
        await ensure_topics(self.bootstrap, self.prefix, PARTITIONS, 1, WATCH_TOPICS)

    async def feed(self, logs: Sequence[Sequence[FakeRecord]], start: int = 0, end: int | None = None) -> None:
        """Append a stretch of each partition's log."""
        publisher = Publisher(self.bootstrap, delivery_timeout_s=60)
        await publisher.start()
        name = f"{self.prefix}{WATCHED.name}"
        await publisher.publish_batches(
            {(name, partition): messages(log[start:end]) for partition, log in enumerate(logs)}
        )
        await publisher.stop()

    def worker(self, member: str = "-", *options: str) -> subprocess.Popen[bytes]:
        """Start a worker process; what it logs stands in the test's folder."""
        log = self.folder / f"worker-{len(self._logs)}.log"
        output = log.open("wb")
        command = [sys.executable, "-m", "tests.chaos.engine.worker", self.bootstrap, self.prefix, member, *options]
        # What one that is killed cannot take away ends with the test's folder.
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        output.close()
        self._processes.append(process)
        self._logs[process.pid] = log
        return process

    async def assigned(self, process: subprocess.Popen[bytes], within_s: float = 60) -> None:
        """Return when a worker has been given partitions."""
        async with asyncio.timeout(within_s):
            while b" assigned [" not in self._logs[process.pid].read_bytes():
                assert process.poll() is None, self._logs[process.pid].read_text()
                await asyncio.sleep(0.05)

    async def died(self, process: subprocess.Popen[bytes], within_s: float = 120) -> int:
        """Return the exit code of a process that is about to end."""
        async with asyncio.timeout(within_s):
            while process.poll() is None:
                await asyncio.sleep(0.05)
        return int(process.returncode)

    async def handled(self, within_s: float = 180) -> None:
        """Return when everything in the input topic is committed."""
        name = f"{self.prefix}{WATCHED.name}"
        places = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await consumer.start()
        await admin.start()
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with suppress(KafkaError):
                        ends = await consumer.end_offsets(places)
                        committed = await admin.list_consumer_group_offsets(f"{self.prefix}watch")
                        if all(place in committed and committed[place].offset >= end for place, end in ends.items()):
                            return
                    await asyncio.sleep(0.2)
        finally:
            await consumer.stop()
            await admin.close()

    async def supervised(self, within_s: float) -> None:
        """Start a worker again whenever one has ended, as a supervisor does, until everything is handled."""
        handled = asyncio.create_task(self.handled(within_s))
        while not handled.done():
            for process in [one for one in self._processes if one.poll() is not None]:
                self._processes.remove(process)
                self.worker()
            await asyncio.sleep(0.2)
        await handled
        await self.stop()

    async def verdict(self) -> dict[str, Any]:
        """Return what the verifier, a program of its own, finds."""
        command = [sys.executable, "-m", "tests.chaos.engine.verifier", self.bootstrap, self.prefix, str(PARTITIONS)]
        process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        verdict: dict[str, Any] = json.loads(output)
        return verdict

    async def finish(self) -> dict[str, Any]:
        """Let a healthy worker handle the rest, stop everything, and return the verdict."""
        self.worker("last")
        await self.handled()
        await self.stop()
        return await self.verdict()

    async def stop(self) -> list[int]:
        """Stop every process in good order; return the exit codes."""
        running = [process for process in self._processes if process.poll() is None]
        for process in running:
            process.terminate()
        return [await self.died(process) for process in running]

    def kill_all(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
