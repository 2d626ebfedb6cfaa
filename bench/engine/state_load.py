"""A worker's recovery: a million customers' states of 300 bytes, read from their topic into a process of its own.

`python -m bench.engine.state_load BOOTSTRAP TOPIC` is that process; it prints seconds, resident MB and the tick's cost.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.engine.broker import create_topics
from bench.engine.pulseline_worker import Counting
from bench.peers.work import PARTITIONS
from shared.clock import from_ms
from shared.contracts.control import ClockTicked
from shared.kafka.changelog import KafkaStateReader, load
from shared.kafka.partition import Partition
from shared.kafka.publisher import Message, Publisher
from shared.kafka.rows import encode_row, partition_row
from shared.kafka.ticker import control_message
from tests.fakes.kafka import FakeRecord

_ROOT = Path(__file__).resolve().parents[2]
_CUSTOMERS = 1_000_000
_NOW_MS = 1_700_000_000_000
_MONTH_MS = 30 * 86_400_000
_TOPIC = "million-states"


@dataclass(frozen=True)
class StateLoad:
    """A million states in one process. `tick_ms` is a tick without due timers, all timers being set."""

    customers: int
    load_s: float
    rss_mb: float
    timers_mb: float
    tick_ms: float


async def measure_state_load(bootstrap: str) -> StateLoad:
    """Write the states, then load them in a fresh process."""
    await create_topics(bootstrap, _TOPIC)
    await _write(bootstrap)
    command = [sys.executable, "-m", "bench.engine.state_load", bootstrap, _TOPIC]
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return StateLoad(**json.loads(output))


async def _write(bootstrap: str) -> None:
    publisher = Publisher(bootstrap, delivery_timeout_s=60)
    await publisher.start()
    state = b'{"n":12,"last_at_ms":1700000000000,"pad":"' + b"x" * 250 + b'"}'
    per_partition = _CUSTOMERS // PARTITIONS
    for start in range(0, per_partition, 10_000):
        batches: dict[tuple[str, int], list[Message]] = {}
        for place in range(PARTITIONS):
            rows = batches[_TOPIC, place] = []
            for number in range(start, start + 10_000):
                wake_at_ms = _NOW_MS + 60_000 + number * 7_919_777 % _MONTH_MS
                rows.append((b"customer-%d-%d" % (place, number), encode_row(number, wake_at_ms, state), (), None))
        await publisher.publish_batches(batches)
    end = partition_row(per_partition, _NOW_MS)
    for place in range(PARTITIONS):
        await publisher.publish_batches({(_TOPIC, place): [(end.key.encode(), end.value, (), None)]})
    await publisher.stop()


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


async def _load(bootstrap: str, topic: str) -> StateLoad:
    reader = KafkaStateReader(bootstrap)
    await reader.start()
    processor = Counting("load", "none", topic)
    started = time.perf_counter()
    partitions, timers_mb = [], 0.0
    for place in range(PARTITIONS):
        loaded = await load(reader, topic, place)
        before_mb = _rss_mb()
        partitions.append(Partition(processor, place, loaded))
        timers_mb += _rss_mb() - before_mb
    load_s = time.perf_counter() - started
    await reader.stop()
    _, value, headers, _ = control_message(ClockTicked(at=from_ms(_NOW_MS + 5_000)))
    tick = FakeRecord(1_000_000, None, value, headers)
    started = time.perf_counter()
    for partition in partitions:
        list(partition.advance([tick]))
    tick_ms = (time.perf_counter() - started) * 1000
    customers = sum(len(partition.states) for partition in partitions)
    return StateLoad(customers, load_s, _rss_mb(), timers_mb, tick_ms)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_load(*sys.argv[1:])).__dict__))
