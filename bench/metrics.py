"""What watching costs: the metrics' share of a processor's time, and a scrape of a worker that holds many customers.

    python -m bench.metrics [--events 60000] [--rounds 9] [--customers 1000000]

Throughput: the same batches through two engines in turns, one with its metrics and one with collectors that do
nothing, in memory: no Kafka is in the figure, and processor time is counted, not the clock on the wall. Two processors:
churn_alerts as it is, and work W1, which does so little that metrics weigh most.
Scrape: a worker with that many customers in 64 partitions serves /metrics over HTTP, at rest and in the midst of work.
"""

import argparse
import asyncio
import gc
import statistics
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest

from bench.churn import Recorded, log_of
from bench.engine.pulseline_worker import Counting
from bench.peers.work import encode, make_event
from services.churn_alerts.bootstrap import DecisionWatch
from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.metrics import ChurnMetrics
from shared.clock import SystemClock
from shared.health import process_registry, serve_health
from shared.kafka.engine import Engine
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.publisher import Acked, Message, Place
from shared.kafka.rows import PARTITION_KEY, encode_row, partition_row
from shared.tracing import sampled_traces
from tests.fakes.kafka import FakeRecord
from tests.service_process import free_port

_BATCHES = (3_000, 300)
_PARTITIONS = 64
_CUSTOMERS = 5_000
# What a broker on the same machine takes for the records of a batch: meanwhile the worker's loop is free.
_ACK_S = 0.003


class Nothing:
    """Takes the place of collectors: whatever is counted, timed or looked up, nothing happens."""

    def __getattr__(self, _name: str) -> "Nothing":
        return self

    def __getitem__(self, _key: object) -> "Nothing":
        return self

    def __call__(self, *_: object, **__: object) -> "Nothing":
        return self


class Nowhere:
    """A broker that keeps nothing and acknowledges at once, or after `ack_s`; `rows` are a partition's state."""

    def __init__(self, rows: Callable[[int], list[FakeRecord]] = lambda _: [], ack_s: float = 0.0) -> None:
        self._rows = rows
        self._ack_s = ack_s
        self._ends: dict[Place, int] = {}

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message]]) -> dict[Place, list[Acked]]:
        if self._ack_s:
            await asyncio.sleep(self._ack_s)
        acked = {}
        for place, messages in batches.items():
            first = self._ends.get(place, 0)
            self._ends[place] = first + len(messages)
            acked[place] = [Acked(first, len(messages))]
        return acked

    async def partition_count(self, _topic: str) -> int:
        return _PARTITIONS

    async def end_offset(self, topic: str, partition: int) -> int:
        return self._ends.setdefault((topic, partition), len(self._rows(partition)))

    async def first_offset(self, _topic: str, _partition: int, start: int) -> int:
        return start

    async def read(self, _topic: str, partition: int) -> Any:
        if rows := self._rows(partition):
            yield rows


Made = Callable[[Any, Any], Any]
"""Returns a processor from the worker's metrics and the service's."""


def churn(_metrics: Any, own: Any) -> ChurnAlerts:
    watch = DecisionWatch(own, cast("Any", Nothing()))
    return ChurnAlerts(watch, watch.unreadable)


def counting(_metrics: Any, _own: Any) -> Counting:
    return Counting("bench", "sink", "changelog")


def engine_of(make: Made, *, is_counted: bool) -> Engine[Any, Any]:
    """Return an engine with the worker's and the service's metrics, or with nothing in their place."""
    registry = CollectorRegistry()
    nothing = cast("Any", Nothing())
    metrics = WorkerMetrics(registry, "bench") if is_counted else nothing
    own = ChurnMetrics(registry) if is_counted else nothing
    broker = cast("Any", Nowhere())
    engine: Engine[Any, Any] = Engine(make(metrics, own), broker, broker, metrics, SystemClock())
    engine.assigned({0})
    return engine


async def pairs(make: Made, log: Sequence[Any], batch: int) -> list[tuple[float, float]]:
    """Return each batch's processor time with metrics and without; metrics come second in the first pair, and so on.

    One engine after the other has the same batch, so that what else the machine does in that moment is in both.
    """
    engines = {is_counted: engine_of(make, is_counted=is_counted) for is_counted in (True, False)}
    took: list[tuple[float, float]] = []
    for number, start in enumerate(range(0, len(log), batch)):
        records = log[start : start + batch]
        times = {}
        # Whose batch a collection falls into is chance: none does, and what they would find is collected in between.
        gc.collect()
        gc.disable()
        for is_counted in (True, False) if number % 2 else (False, True):
            started = time.process_time()
            await engines[is_counted].handle(0, records, lambda: True)
            times[is_counted] = time.process_time() - started
        gc.enable()
        took.append((times[True], times[False]))
    return took


def throughput(name: str, make: Made, log: Sequence[Any], rounds: int) -> None:
    for batch in _BATCHES:
        took = [asyncio.run(pairs(make, log, batch)) for _ in range(rounds)]
        plain = statistics.median(without for one in took for _, without in one)
        # Who comes second finds the batch in the processor's caches: each order for itself, then the mean of both.
        orders = [
            statistics.median((counted - without) / plain for one in took for counted, without in one[first::2])
            for first in (0, 1)
        ]
        print(
            f"{name:12} batches of {batch:5,}: {1e6 * plain / batch:5.1f} µs an event without metrics; they cost "
            f"{statistics.mean(orders):+.2%} ({orders[0]:+.2%} second, {orders[1]:+.2%} first, {rounds} rounds)"
        )


def of_a_batch(metrics: WorkerMetrics, own: ChurnMetrics) -> None:
    """Call what the engine, the worker and the service call for one batch that raises an alert."""
    for stage in metrics.stage.values():
        stage.observe(0.01)
    for counter in (metrics.records, metrics.outputs, metrics.state_rows_written, own.outlooks):
        counter.inc(3_000)
    metrics.batches.inc()
    metrics.state_bytes_written.inc(500_000)
    metrics.state(3, 250_000, 250_000, 1_763_791_200_000)
    metrics.record_age.observe(0.02)
    own.raised["high", "quality"].inc()
    own.signals["complaints_surging"].inc()


def calls() -> None:
    """Time the metrics' calls of one batch alone, and the look for traces in a batch when they are switched on."""
    registry = CollectorRegistry()
    metrics, own = WorkerMetrics(registry, "bench"), ChurnMetrics(registry)
    headers = [[("ce_id", b"1"), ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")]] * 3_000
    for name, work, n in (
        ("the metrics' calls of a batch", lambda: of_a_batch(metrics, own), 5_000),
        ("traces, looking through 3,000 records", lambda: sampled_traces(headers), 50),
    ):
        started = time.process_time()
        for _ in range(n):
            work()
        print(f"{name}: {1e6 * (time.process_time() - started) / n:,.0f} µs")


async def scrapes(n_customers: int) -> None:
    """Time GET /metrics of a worker with so many customers: when nothing comes in, and while batches are handled."""
    registry = process_registry(Path())
    metrics = WorkerMetrics(registry, "churn_alerts", ["rules", "churn"])
    ChurnMetrics(registry)
    share = n_customers // _PARTITIONS
    broker = cast("Any", Nowhere(lambda partition: _rows(partition, share), _ACK_S))
    engine: Engine[Any, Any] = Engine(Counting("churn_alerts", "sink", "state"), broker, broker, metrics, SystemClock())
    engine.assigned(set(range(_PARTITIONS)))
    for partition in range(_PARTITIONS):
        await engine.handle(partition, [_record(partition, 1)], lambda: True)
        metrics.lag(partition, 3, 0.1)
    held = sum(len(cell.states) for number in range(_PARTITIONS) if (cell := engine.partition(number)))
    gc.freeze()
    port = free_port()
    serving = asyncio.create_task(serve_health("127.0.0.1", port, {}, registry))
    url = f"http://127.0.0.1:{port}/metrics"
    await asyncio.to_thread(_first_answer, url)
    at_rest = await asyncio.to_thread(_timed_scrapes, url, 200)
    scraping = asyncio.create_task(asyncio.to_thread(_timed_scrapes, url, 200))
    offset = 2
    while not scraping.done():
        batch = [_record(number, offset + number) for number in range(3_000)]
        await engine.handle(0, batch, lambda: True)
        offset += len(batch)
    at_work = await scraping
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    size = len(generate_latest(registry))
    for name, times in (("at rest", at_rest), ("between and within batches", at_work)):
        shown = ", ".join(f"{what} {1e3 * value:.0f} ms" for what, value in _spread(times).items())
        print(f"scrape of {held:,} customers in {_PARTITIONS} partitions, {size:,} bytes, {name}: {shown}")


def _rows(partition: int, n: int) -> list[FakeRecord]:
    state = encode({"n": 3, "channels": {"chat": 2, "email": 1}, "last_at_ms": 1_763_791_200_000})
    row = encode_row(0, None, state)
    rows = [FakeRecord(number, f"c{partition}-{number}".encode(), row) for number in range(n)]
    return [*rows, FakeRecord(n, PARTITION_KEY.encode(), partition_row(0, 1_763_791_200_000).value)]


def _record(number: int, offset: int) -> Recorded:
    return Recorded(offset, f"customer-{number % 3_000}".encode(), make_event(number, 1_763_791_200_000 + offset))


def _first_answer(url: str) -> None:
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).read()
        except OSError:
            time.sleep(0.05)
        else:
            return


def _timed_scrapes(url: str, n: int) -> list[float]:
    times = []
    for _ in range(n):
        started = time.perf_counter()
        urllib.request.urlopen(url, timeout=30).read()
        times.append(time.perf_counter() - started)
    return times


def _spread(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"median": cuts[49], "p95": cuts[94], "worst": max(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--customers", type=int, default=1_000_000)
    options = parser.parse_args()
    calls()
    throughput("churn_alerts", churn, log_of(options.events, _CUSTOMERS, 1), options.rounds)
    light = [_record(number, number) for number in range(options.events)]
    throughput("work W1", counting, light, options.rounds)
    asyncio.run(scrapes(options.customers))


if __name__ == "__main__":
    main()
