"""Accepted events to Kafka: a call returns once the broker has every one of them."""

from collections.abc import Callable, Sequence

from services.ingest.event.decide import Accepted
from services.ingest.metrics import IngestMetrics
from shared.clock import Clock, to_ms
from shared.contracts.event import EventBase
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.links import LINKED_ID_HEADER
from shared.topics import INTERACTIONS
from shared.trace_headers import INGESTED_AT, TRACEPARENT

_SCHEMA = INTERACTIONS.schema.encode()


class EventSender:
    """Publishes to `interactions`, keyed and partitioned by customer."""

    def __init__(self, publisher: Publisher, topic_prefix: str, metrics: IngestMetrics, clock: Clock) -> None:
        self._publisher = publisher
        self._topic = INTERACTIONS.full_name(topic_prefix)
        self._metrics = metrics
        self._clock = clock
        self._counters: dict[type[EventBase], Callable[[], None]] = {}

    async def send(self, accepted: Sequence[Accepted], traceparent: str) -> None:
        """Publish and await the acknowledgement of every event.

        Raises `Unavailable` when any was not acknowledged in time; sending all of them again is harmless.
        """
        if not accepted:
            return
        started = self._clock.monotonic()
        trace, ingested_at = traceparent.encode(), str(to_ms(self._clock.now())).encode()
        partitions = await self._publisher.partition_count(self._topic)
        await self._publisher.publish(self._topic, [_record(one, partitions, trace, ingested_at) for one in accepted])
        self._metrics.ack_seconds.observe(self._clock.monotonic() - started)
        for one in accepted:
            self._count(type(one.event))

    def _count(self, kind: type[EventBase]) -> None:
        counter = self._counters.get(kind)
        if counter is None:
            counter = self._metrics.accepted.labels(type=str(kind.__struct_config__.tag)).inc
            self._counters[kind] = counter
        counter()


def _record(accepted: Accepted, partitions: int, traceparent: bytes, ingested_at: bytes) -> OutRecord:
    event = accepted.event
    # Only those that need it: the header costs its bytes in every record.
    linked = [] if accepted.linked_id is None else [(LINKED_ID_HEADER, accepted.linked_id.encode())]
    return OutRecord(
        partition=partition_for(accepted.customer_id, partitions),
        key=accepted.customer_id.encode(),
        value=accepted.value,
        headers=[
            ("ce_id", event.id.encode()),
            ("ce_type", str(event.__struct_config__.tag).encode()),
            ("ce_source", event.source.encode()),
            ("ce_time", event.occurred_at.isoformat().encode()),
            ("schema", _SCHEMA),
            (TRACEPARENT, traceparent),
            (INGESTED_AT, ingested_at),
            *linked,
        ],
    )
