"""Memory and start of an ingest process that knows a million handles: a real topic read by a real follower.

`python -m bench.identity --bootstrap HOST:PORT [--handles N]`; without a bootstrap an embedded broker is started.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from services.ingest.identity.agent import HandleFollower
from services.ingest.identity.table import HandleTable
from services.ingest.metrics import IngestMetrics
from shared.embedded.kafka import EmbeddedKafka
from shared.ids import digest_id
from shared.kafka.publisher import Message, Publisher
from shared.kafka.topics_admin import ensure_topics
from shared.topics import IDENTITIES

PREFIX = "bench-identity-"
_BATCH = 20_000


def handle(n: int) -> str:
    return f"tel:+86138{n:08d}"


async def fill(bootstrap: str, n_handles: int) -> None:
    """Write the topic that a million linked handles leave behind."""
    await ensure_topics(bootstrap, PREFIX, partitions=4, replication=1, topics=(IDENTITIES,))
    publisher = Publisher(bootstrap)
    await publisher.start()
    topic = IDENTITIES.full_name(PREFIX)
    for start in range(0, n_handles, _BATCH):
        batches: dict[tuple[str, int], list[Message]] = {}
        for n in range(start, min(start + _BATCH, n_handles)):
            value = msgspec.json.encode({"customer_id": digest_id("crm", str(n))})
            batches.setdefault((topic, n % 4), []).append((handle(n).encode(), value, (), None))
        await publisher.publish_batches(batches)
    await publisher.stop()


async def start(bootstrap: str, n_handles: int, told: Any) -> None:
    """Follow the topic from nothing, as a process does at its start, and tell what that took."""
    # What the service itself weighs is part of the bar.
    import services.ingest.bootstrap  # noqa: F401

    before_mb = memory_mb()
    table = HandleTable()
    follower = HandleFollower(table, bootstrap, PREFIX, IngestMetrics(CollectorRegistry()))
    began = time.perf_counter()
    task = asyncio.create_task(follower.run())
    await follower.known()
    took_s = time.perf_counter() - began
    assert len(table) == n_handles
    began = time.perf_counter()
    for n in range(0, n_handles, 10):
        assert table.get(handle(n)) is not None
    lookup_us = (time.perf_counter() - began) / (n_handles / 10) * 1e6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    told.put((took_s, before_mb, memory_mb(), lookup_us))


def memory_mb() -> float:
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmRSS")


def measure(bootstrap: str, n_handles: int) -> None:
    asyncio.run(fill(bootstrap, n_handles))
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    process = context.Process(target=_start, args=(bootstrap, n_handles, told))
    process.start()
    took_s, before_mb, after_mb, lookup_us = told.get(timeout=300)
    process.join()
    print(
        f"{n_handles:,} handles: start {took_s:.1f} s, process {after_mb:.0f} MB "
        f"({before_mb:.0f} MB before), a look-up {lookup_us:.1f} µs"
    )


def _start(bootstrap: str, n_handles: int, told: Any) -> None:
    asyncio.run(start(bootstrap, n_handles, told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap")
    parser.add_argument("--handles", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if arguments.bootstrap:
        measure(arguments.bootstrap, arguments.handles)
        return
    with tempfile.TemporaryDirectory(prefix="pulseline-bench-") as folder:
        broker = EmbeddedKafka(Path(folder) / "kafka")
        broker.start()
        try:
            measure(broker.bootstrap, arguments.handles)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
