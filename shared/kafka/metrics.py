"""What a worker counts and times, declared once; the collectors live in the registry they are given."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.kafka.partition import POISON_KINDS

# Seconds of a batch: an idle partition's batch of one record takes 2 ms, a full one of 3,000 takes 30 ms.
_STAGE_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
STAGES: Final = ("load", "decide", "publish", "store")


class WorkerMetrics:
    """Collectors of one worker. Labels are the stage, the partition (bounded by the topic) and closed enums."""

    def __init__(self, registry: CollectorRegistry, processor: str) -> None:
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
        self._lag_seconds = gauge("lag_seconds", "Age of the newest record handled, 0 without lag.", "partition")
        self._state_rows = gauge("state_rows", "Keys with a state or a timer.", "partition")
        self._timers = gauge("timers", "Timers set.", "partition")
        self._watermark_age = gauge("watermark_age_seconds", "Wall clock minus the event-time watermark.", "partition")
        self.recovery_seconds = gauge("recovery_seconds", "Seconds the last load of a state took.").labels(processor)
        self.assigned = gauge("assigned_partitions", "Partitions assigned to this worker.").labels(processor)
        for kind in POISON_KINDS:
            self._poison.labels(processor, kind)

    def poison(self, kind: str) -> None:
        self._poison.labels(self._processor, kind).inc()

    def state(self, partition: int, rows: int, timers: int, watermark_age_s: float) -> None:
        """Record the size and age of a partition's state."""
        place = (self._processor, str(partition))
        self._state_rows.labels(*place).set(rows)
        self._timers.labels(*place).set(timers)
        self._watermark_age.labels(*place).set(watermark_age_s)

    def lag(self, partition: int, records: int, seconds: float) -> None:
        place = (self._processor, str(partition))
        self._lag_records.labels(*place).set(records)
        self._lag_seconds.labels(*place).set(seconds)

    def forget(self, partition: int) -> None:
        """Drop the series of a partition that went to another worker."""
        for gauge in (self._lag_records, self._lag_seconds, self._state_rows, self._timers, self._watermark_age):
            gauge.remove(self._processor, str(partition))
