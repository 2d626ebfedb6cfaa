"""What a worker counts and times, declared once; the collectors live in the registry they are given."""

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.kafka.partition import POISON_KINDS
from shared.kafka.processor import Control

# Seconds of a batch: an idle partition's batch of one record takes 2 ms, a full one of 3,000 takes 30 ms.
_STAGE_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
# Seconds from the append of a record to the end of its batch: 20 ms when idle, minutes when a backlog is worked off.
_RECORD_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0)
STAGES: Final = ("load", "decide", "publish", "store")


class WorkerMetrics:
    """Collectors of one worker. Labels are the stage, the partition (bounded by the topic) and closed enums.

    Each worker process serves its own; a partition's series leave with the partition, so that sums over processes count
    nothing twice. `controls` are the names of the rules and models whose versions are shown.
    """

    def __init__(self, registry: CollectorRegistry, processor: str, controls: Sequence[str] = ()) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"pulseline_worker_{name}", text, ["processor", *labels], registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"pulseline_worker_{name}", text, ["processor", *labels], registry=registry)

        self._processor = processor
        self.records = counter("records", "Input records handled.").labels(processor)
        self.batches = counter("batches", "Input batches handled.").labels(processor)
        self.outputs = counter("outputs", "Records published to output topics.").labels(processor)
        self.retries = counter("retries", "Attempts repeated because Kafka did not answer.").labels(processor)
        self.rebalances = counter("rebalances", "Assignments of partitions to this worker.").labels(processor)
        self.healed = counter("healed_rows", "State rows written again over those of a dead worker.").labels(processor)
        self._poison = counter("dead_letters", "Inputs sent to dead-letters, by kind.", "kind")
        self.state_rows_written = counter("state_rows_written", "State rows published.").labels(processor)
        self.state_bytes_written = counter("state_written_bytes", "Bytes of state rows published.").labels(processor)
        self._stage = Histogram(
            "pulseline_worker_stage_seconds",
            "Seconds of each stage of a batch.",
            ["processor", "stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self.stage = {stage: self._stage.labels(processor, stage) for stage in STAGES}
        self._lag_records = gauge("lag_records", "Input records not handled yet.", "partition")
        self._lag_seconds = gauge(
            "lag_seconds", "Longest the oldest record not handled yet can have waited, 0 without lag.", "partition"
        )
        self.lag_measured = gauge("lag_measured_timestamp_seconds", "When lag was last compared.").labels(processor)
        self.record_age = Histogram(
            "pulseline_worker_record_seconds",
            "Time from the append of a batch's oldest record until all that follows from it was durable.",
            ["processor"],
            buckets=_RECORD_BUCKETS,
            registry=registry,
        ).labels(processor)
        self._state_rows = gauge("state_rows", "Keys with a state or a timer.", "partition")
        self._timers = gauge("timers", "Timers set.", "partition")
        self._watermark = gauge(
            "watermark_timestamp_seconds", "The event time a partition has reached (its watermark).", "partition"
        )
        self._recovery = gauge("recovery_ratio", "Share of the state topic read by a load; 1 when loaded.", "partition")
        self._control_version = gauge(
            "control_version", "Least version in force of rules or a model, 0: the one that ships.", "name"
        )
        self._control_in_force = gauge(
            "control_in_force_timestamp_seconds", "Since when that version is in force; 0: none was published.", "name"
        )
        self._controls = tuple(controls)
        self.controls(())
        self.recovery_seconds = gauge("recovery_seconds", "Seconds the last load of a state took.").labels(processor)
        self.assigned = gauge("assigned_partitions", "Partitions assigned to this worker.").labels(processor)
        for kind in POISON_KINDS:
            self._poison.labels(processor, kind)

    def poison(self, kind: str) -> None:
        self._poison.labels(self._processor, kind).inc()

    def state(self, partition: int, rows: int, timers: int, watermark_ms: int) -> None:
        """Record the size of a partition's state and the event time it has reached."""
        place = (self._processor, str(partition))
        self._state_rows.labels(*place).set(rows)
        self._timers.labels(*place).set(timers)
        self._watermark.labels(*place).set(watermark_ms / 1000)

    def lag(self, partition: int, records: int, seconds: float) -> None:
        place = (self._processor, str(partition))
        self._lag_records.labels(*place).set(records)
        self._lag_seconds.labels(*place).set(seconds)

    def recovery(self, partition: int, n_read: int, n_records: int) -> None:
        """Record how far the load of a partition's state has come."""
        self._recovery.labels(self._processor, str(partition)).set(n_read / n_records if n_records else 1.0)

    def controls(self, partitions: Sequence[Callable[[str], Control | None]]) -> None:
        """Record what is in force, given for each partition the look-up by name; partitions differ only for moments."""
        for name in self._controls:
            versions = [in_force(name) for in_force in partitions]
            oldest = min((one for one in versions if one is not None), key=lambda one: one.version, default=None)
            if oldest is None or None in versions:
                version, since_s = 0, 0.0
            else:
                version, since_s = oldest.version, oldest.in_force_at_ms / 1000
            self._control_version.labels(self._processor, name).set(version)
            self._control_in_force.labels(self._processor, name).set(since_s)

    def forget(self, partition: int) -> None:
        """Drop the series of a partition that went to another worker."""
        gauges = (self._lag_records, self._lag_seconds, self._state_rows, self._timers, self._watermark, self._recovery)
        for gauge in gauges:
            gauge.remove(self._processor, str(partition))
