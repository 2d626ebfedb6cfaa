"""What watching costs: the metrics' share of a processor's time, a scrape of a full worker, a census of many customers.

    python -m bench.metrics [--customers 1000000]

The share is the time of the calls a batch makes, over the time the batch takes in the whole churn processor at the
bar of 40,000 events/s (3,000 records in 75 ms), and in the engine alone at ten times that.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from services.churn_alerts.metrics import ChurnMetrics
from shared.health import process_registry
from shared.kafka.metrics import STAGES, WorkerMetrics
from shared.tracing import sampled_traces

_BATCH = 3_000
_PARTITIONS = 64


def seconds_of(work: Callable[[], object], n: int) -> float:
    """Return the least mean seconds of three rounds of `n` calls."""
    rounds = []
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(n):
            work()
        rounds.append((time.perf_counter() - started) / n)
    return min(rounds)


def of_a_batch(metrics: WorkerMetrics, churn: ChurnMetrics) -> None:
    """Call what the engine, the worker and the service call for one batch that raises an alert."""
    for stage in STAGES:
        metrics.stage[stage].observe(0.01)
    metrics.records.inc(_BATCH)
    metrics.outputs.inc(_BATCH)
    metrics.batches.inc()
    metrics.state_rows_written.inc(_BATCH)
    metrics.state_bytes_written.inc(500_000)
    metrics.state(3, 250_000, 250_000, 1_763_791_200_000)
    metrics.record_age.observe(0.02)
    churn.outlooks.inc(_BATCH)
    churn.raised["high", "quality"].inc()
    churn.signals["complaints_surging"].inc()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    options = parser.parse_args()
    registry: CollectorRegistry = process_registry(Path())
    metrics, churn = WorkerMetrics(registry, "churn_alerts", ["rules", "churn"]), ChurnMetrics(registry)
    for number in range(_PARTITIONS):
        metrics.lag(number, 3, 0.1)
        metrics.state(number, options.customers // _PARTITIONS, 1, 1)
        metrics.recovery(number, 1, 1)
    batch_s = seconds_of(lambda: of_a_batch(metrics, churn), 5_000)
    scrape_s = seconds_of(lambda: generate_latest(registry), 50)
    records = [[("ce_id", b"1"), ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")]] * _BATCH
    traces_s = seconds_of(lambda: sampled_traces(records), 50)
    print(
        f"metrics of a batch: {1e6 * batch_s:.0f} µs, {batch_s / 0.075:.3%} of 75 ms, {batch_s / 0.0075:.2%} of 7.5 ms"
    )
    n_bytes = len(generate_latest(registry))
    print(f"scrape of a worker with {_PARTITIONS} partitions: {1e3 * scrape_s:.1f} ms, {n_bytes:,} bytes")
    print(f"traces: off 0; on, looking through a batch: {1e3 * traces_s:.2f} ms, {traces_s / 0.075:.1%} of 75 ms")


if __name__ == "__main__":
    main()
