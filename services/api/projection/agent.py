"""The loop that keeps PostgreSQL equal to the topics: lease, seek, fetch, decide, write rows with offsets, again.

It never ends by itself: when PostgreSQL or the broker is away it says so, waits and starts over from the offsets that
are stored, which are the only ones that count.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from services.api.metrics import ApiMetrics
from services.api.projection import store
from services.api.projection.decide import Message, collect, decode, is_live_alert
from services.api.projection.lease import Leases
from services.api.projection.model import Changes
from services.api.projection.poison import PoisonLetters
from shared.clock import Clock, to_ms
from shared.errors import Reject, Unavailable
from shared.kafka.consumer import Partition, PartitionReader, Record
from shared.postgres.pool import OUTAGE_ERRORS, as_unavailable, is_value_at_fault, open_connection
from shared.trace_headers import ingested_at_ms
from shared.tracing import Tracing

log = logging.getLogger(__name__)

_SETTLE_INTERVAL_S = 1.0
# A look that is overdue by this much is held up: by a database that does not answer, or by somebody's lock.
_LOOK_OVERDUE_MS = 5_000
_LONGEST_POLL_S = 0.25
# Handing a batch to a thread and back takes about as long as preparing this many records.
_WORTH_A_THREAD = 50
_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 5.0
# A deadlock or a clash of two creators of the same month is over once the other has finished.
_CLASHES = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.DuplicateTableError)
_N_CLASH_RETRIES = 5
_WAITS: tuple[type[BaseException], ...] = (*OUTAGE_ERRORS, Unavailable)


class Prepared(NamedTuple):
    """A fetched batch as rows, with the records that cannot become any."""

    batches: Mapping[Partition, Sequence[Record]]
    groups: list[Changes]
    rejects: list[tuple[Record, Reject]]
    live_alerts: list[Record]


def prepare(batches: Mapping[Partition, Sequence[Record]], *, is_searchable: bool) -> Prepared:
    """Return what a batch means for the tables; pure work, so it may be done in a thread."""
    messages: list[Message] = []
    rejects: list[tuple[Record, Reject]] = []
    live_alerts: list[Record] = []
    for batch in batches.values():
        for record in batch:
            try:
                if (message := decode(record)) is not None:
                    messages.append(message)
                    if is_live_alert(message):
                        live_alerts.append(record)
            except Reject as reject:
                rejects.append((record, reject))
    return Prepared(batches, collect(messages, is_searchable=is_searchable), rejects, live_alerts)


class ProjectionLane:
    """Projects some topics over one connection; lanes run side by side so that alerts never queue behind an import."""

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        *,
        database_url: str,
        bootstrap: str,
        poison: PoisonLetters,
        metrics: ApiMetrics,
        clock: Clock,
        max_wait_ms: int,
        max_records: int,
        is_searchable: bool,
        holdout_ratio: float,
        is_durable: bool,
        tracing: Tracing | None = None,
    ) -> None:
        self._name = name
        self._topics = topics
        self._database_url = database_url
        self._bootstrap = bootstrap
        self._poison = poison
        self._metrics = metrics
        self._clock = clock
        self._max_wait_ms = max_wait_ms
        self._max_records = max_records
        self._is_searchable = is_searchable
        self._holdout_ratio = holdout_ratio
        self._is_durable = is_durable
        self._tracing = tracing
        self._expected: dict[Partition, int] = {}
        self._failure: str | None = "not started"
        # Nothing that waits was appended before this: a moment without lag, or the append of the last record projected.
        self._seen_ms: dict[Partition, int] = {}
        self._started_ms = to_ms(clock.now())
        self._lagging: list[Partition] = []
        self._looked_ms = self._started_ms
        metrics.lag_seconds.labels(name).set_function(self._lag_seconds)

    async def check(self) -> str | None:
        """Return why the lane stands still, or None while it moves."""
        return self._failure

    async def run(self) -> None:
        """Project until cancelled."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._session()
            except store.FencedError as error:
                log.warning("partitions moved on elsewhere", extra={"action": "fenced", "detail": str(error)})
            except _WAITS as error:
                outage = error if isinstance(error, Unavailable) else as_unavailable(error)
                if outage is None:
                    raise
                self._failure = str(outage)
                self._metrics.outages.labels(outage.dependency).inc()
                log.warning("projection waits", extra={"action": "projection_waits", "reason": self._failure})
            if self._clock.monotonic() - started > _LONGEST_BACKOFF_S:
                backoff_s = _FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)

    async def _session(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            connection = await open_connection(self._database_url)
            stack.push_async_callback(_close, connection)
            await store.prepare(connection, is_durable=self._is_durable)
            reader = PartitionReader(self._bootstrap, f"pulseline-api-{self._name}", max_wait_ms=self._max_wait_ms)
            await reader.start()
            stack.push_async_callback(reader.stop)
            leases = Leases(connection, "/".join(self._topics))
            self._expected = {}
            settled_at: float | None = None
            prepared: Prepared | None = None
            while True:
                now = self._clock.monotonic()
                if settled_at is None or now - settled_at >= _SETTLE_INTERVAL_S:
                    # What is in hand belongs to the partitions as they are held now.
                    if prepared is not None:
                        await self._project(connection, prepared)
                        prepared = None
                    await self._settle(connection, reader, leases)
                    settled_at = now
                    self._failure = None
                # The next batch is fetched and decoded while PostgreSQL writes this one.
                fetching = asyncio.create_task(self._fetch(reader))
                try:
                    if prepared is not None:
                        await self._project(connection, prepared)
                    prepared = await fetching
                finally:
                    fetching.cancel()
                    await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch(self, reader: PartitionReader) -> Prepared | None:
        polled = await reader.poll(_LONGEST_POLL_S, self._max_records)
        batches = {partition: records for partition, records in polled.items() if partition in self._expected}
        if not batches:
            return None
        if sum(map(len, batches.values())) < _WORTH_A_THREAD:
            return prepare(batches, is_searchable=self._is_searchable)
        return await asyncio.to_thread(prepare, batches, is_searchable=self._is_searchable)

    async def _settle(self, connection: Any, reader: PartitionReader, leases: Leases) -> None:
        partitions = [(topic, number) for topic in self._topics for number in await reader.partitions(topic)]
        missing = set(self._topics) - {topic for topic, _ in partitions}
        if missing:
            raise Unavailable("kafka", f"no topic {', '.join(sorted(missing))} yet")
        held = await leases.settle(partitions)
        self._report_lag(reader)
        if held == set(self._expected):
            return
        positions = {partition: offset for partition, offset in self._expected.items() if partition in held}
        new = sorted(held - set(self._expected))
        self._expected = dict(positions)
        for partition, offset in (await store.stored_offsets(connection, new)).items():
            self._expected[partition] = offset
            positions[partition] = await self._start_at(reader, partition, offset)
        reader.read_from(positions)
        log.info("projecting", extra={"action": "leases_settled", "lane": self._name, "n_partitions": len(positions)})

    async def _start_at(self, reader: PartitionReader, partition: Partition, stored: int) -> int:
        bounds = await reader.bounds(partition)
        if stored > bounds.end:
            log.error("topic was made anew; projecting it from its beginning", extra={"partition": str(partition)})
            return bounds.begin
        if stored < bounds.begin and stored > 0:
            log.error(
                "records left the topic before they were projected",
                extra={"partition": str(partition), "n_lost": bounds.begin - stored},
            )
        return max(stored, bounds.begin)

    async def _project(self, connection: Any, prepared: Prepared) -> None:
        started = self._clock.monotonic()
        began = self._clock.now()
        batches = prepared.batches
        for record, reject in prepared.rejects:
            await self._reject(record, reject)
        moves = {partition: (self._expected[partition], batch[-1].offset + 1) for partition, batch in batches.items()}
        try:
            await self._write(connection, prepared.groups, moves)
        except (asyncpg.PostgresError, ValueError, OverflowError) as error:
            _raise_unless_value_at_fault(error)
            # Some value that JSON lets through and PostgreSQL does not: find the record, spare its neighbours.
            await self._project_singly(connection, batches)
        self._expected |= {partition: next_offset for partition, (_, next_offset) in moves.items()}
        self._metrics.batch_seconds.labels(self._name).observe(self._clock.monotonic() - started)
        for (topic, _), batch in batches.items():
            self._metrics.projected.labels(topic).inc(len(batch))
        for partition, batch in batches.items():
            self._seen_ms[partition] = max(self._seen_ms.get(partition, 0), batch[-1].timestamp_ms)
        self._observe_age(prepared.live_alerts)
        if self._tracing is not None:
            records = [record for batch in batches.values() for record in batch]
            headers = (record.headers for record in records)
            self._tracing.batch(f"project {self._name}", headers, began, self._clock.now(), len(records))

    async def _project_singly(self, connection: Any, batches: Mapping[Partition, Sequence[Record]]) -> None:
        for partition, batch in batches.items():
            for record in batch:
                move = {partition: (self._expected[partition], record.offset + 1)}
                try:
                    message = decode(record)
                    alone = [] if message is None else [message]
                    await self._write(connection, collect(alone, is_searchable=self._is_searchable), move)
                except Reject:
                    await self._write(connection, [], move)
                except (asyncpg.PostgresError, ValueError, OverflowError) as error:
                    _raise_unless_value_at_fault(error)
                    await self._reject(record, Reject(f"PostgreSQL does not take it: {error}"))
                    await self._write(connection, [], move)
                self._expected[partition] = record.offset + 1

    async def _write(
        self, connection: Any, groups: Sequence[Changes], moves: Mapping[Partition, tuple[int, int]]
    ) -> None:
        for attempt in range(_N_CLASH_RETRIES + 1):
            try:
                self._metrics.alert_events.inc(await store.write(connection, groups, moves, self._holdout_ratio))
            except _CLASHES as clash:
                if attempt == _N_CLASH_RETRIES:
                    raise Unavailable("postgresql", str(clash)) from clash
                await asyncio.sleep(0.02 * 2**attempt)
            else:
                return

    async def _reject(self, record: Record, reject: Reject) -> None:
        await self._poison.publish(record, reject)
        self._metrics.rejected.labels(record.topic).inc()

    def _report_lag(self, reader: PartitionReader) -> None:
        lags: dict[str, int] = dict.fromkeys(self._topics, 0)
        lagging: list[Partition] = []
        for partition, next_offset in self._expected.items():
            if n_behind := reader.lag(partition, next_offset):
                lags[partition[0]] += n_behind
                lagging.append(partition)
            else:
                self._seen_ms[partition] = to_ms(self._clock.now())
        for topic, lag in lags.items():
            self._metrics.lag.labels(topic).set(lag)
        self._lagging = lagging
        self._looked_ms = to_ms(self._clock.now())

    def _lag_seconds(self) -> float:
        now_ms = to_ms(self._clock.now())
        # While a dependency is away or silent nobody knows what waits: everything may.
        is_blind = self._failure is not None or now_ms - self._looked_ms > _LOOK_OVERDUE_MS
        waiting = list(self._expected) if is_blind else self._lagging
        if not waiting and not is_blind:
            return 0.0
        since_ms = min((self._seen_ms.get(partition, self._started_ms) for partition in waiting), default=0)
        return max(0, now_ms - (since_ms or self._started_ms)) / 1000

    def _observe_age(self, records: Sequence[Record]) -> None:
        """Observe how long alerts took since ingest, now that people can see them; a timer's have no such time."""
        now_ms = to_ms(self._clock.now())
        for record in records:
            if (since_ms := ingested_at_ms(record.headers)) is not None:
                self._metrics.to_alert.observe(max(0, now_ms - since_ms) / 1000)


def _raise_unless_value_at_fault(error: Exception) -> None:
    """Raise the error, or `Unavailable` for what people must mend first: a record is never given up for that."""
    if as_unavailable(error) is not None:
        raise error
    if not is_value_at_fault(error):
        raise Unavailable("postgresql", str(error)) from error


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=2.0)
    except OUTAGE_ERRORS:
        connection.terminate()
