"""What a worker tells Prometheus, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, generate_latest

from shared.kafka.metrics import WorkerMetrics
from shared.kafka.processor import Control


def sample(registry: CollectorRegistry, metric: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"pulseline_worker_{metric}", {"processor": "p", **labels})


def test_a_partition_that_leaves_takes_its_series_along() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "p")
    metrics.lag(3, 7, 1.5)
    metrics.state(3, 10, 4, 1_000)
    metrics.recovery(3, 1, 2)

    metrics.forget(3)

    assert b'partition="3"' not in generate_latest(registry)


def test_lag_summed_over_two_workers_counts_a_partition_that_moved_once() -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    first, second = (WorkerMetrics(registry, "p") for registry in registries)
    first.lag(0, 5, 1.0)
    first.lag(1, 7, 1.0)

    first.forget(1)
    second.lag(1, 7, 1.0)

    lags = [sample(r, "lag_records", partition=str(n)) or 0 for r in registries for n in (0, 1)]
    assert sum(lags) == 12


def test_recovery_tells_the_share_that_was_read() -> None:
    registry = CollectorRegistry()

    WorkerMetrics(registry, "p").recovery(2, 250, 1_000)

    assert sample(registry, "recovery_ratio", partition="2") == 0.25


def test_an_empty_state_counts_as_recovered() -> None:
    registry = CollectorRegistry()

    WorkerMetrics(registry, "p").recovery(2, 0, 0)

    assert sample(registry, "recovery_ratio", partition="2") == 1.0


def test_the_least_version_over_the_partitions_is_shown() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "p", ["rules"])

    metrics.controls([lambda name: Control(name, 4, 9_000, {}), lambda name: Control(name, 3, 5_000, {})])

    assert sample(registry, "control_version", name="rules") == 3
    assert sample(registry, "control_in_force_timestamp_seconds", name="rules") == 5


def test_version_0_is_shown_while_a_partition_goes_by_what_ships() -> None:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "p", ["rules"])

    metrics.controls([lambda name: Control(name, 4, 9_000, {}), lambda name: None])

    assert sample(registry, "control_version", name="rules") == 0
