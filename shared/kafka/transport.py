"""A Faust transport that hands an agent one fetched partition batch as one message.

Faust's own way costs 60–200 µs an event (message, event, queue, ack, gap bookkeeping, each per record); this way pays
that once per batch. The message's value is the list of aiokafka's records, its offset that of the last one. Use it with
`raw` serializers, `concurrency=1`, `stream.noack()`, no Tables. Registered as `record-batch://` by the entry point
`faust.transports` and, for a checkout that is not installed, by importing this module.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar, Final, cast

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport, server_list
from faust.types import TP, ConsumerMessage

from shared.kafka.plain_records import hand_out_plain_records

SCHEME: Final = "record-batch"
# Faust's own 1,500 ms is how long a new record of one partition may wait behind a fetch that left without it.
_FETCH_MAX_WAIT_MS: Final = 100
# As much as all partitions of a broker give at once, however many there are; which, is drawn by lot each time. With
# aiokafka's own 50 MB and twice the queue, work W1 took 150 MB in place of 130 and a tenth more processor time, for
# records that no cache held any more when their turn came.
_RESPONSE_BYTES: Final = 3 << 19
# A round of fetch, outputs and states costs worker and broker 1 to 2 ms each, for one record as for fifty: at 1,000
# records/s rounds without a pause keep two cores busy, and what comes waits for a processor instead.
_FETCH_EVERY_S: Final = 0.010


class RecordBatchConsumerThread(AIOKafkaConsumerThread):
    """Creates the consumer: as Faust does, but with a short fetch wait, and records as they were decoded."""

    async def on_start(self) -> None:
        await super().on_start()
        hand_out_plain_records(self._consumer)
        fetcher: Any = cast("Any", self._consumer)._fetcher
        fetcher._proc_fetch_request = PacedFetches(fetcher._proc_fetch_request, _FETCH_EVERY_S)

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  Faust's
        """Return what was fetched, as the original, without its queue of calls between the threads and its workers.

        Each of their turns waits for a loop to come round: at 1,000 events/s that was most of the way from the broker.
        """
        consumer: Any = self._ensure_consumer()
        fetching = self._fetch_records(consumer, active_partitions or set(), timeout, consumer._max_poll_records)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetching, self.thread_loop))

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = RoundRobinPartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_bytes=_RESPONSE_BYTES,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
        )


class PacedFetches:
    """Sends the fetches of a broker at least so far apart, so that records of a quiet topic come a few together.

    A record that comes after a pause is fetched at once, and under load fetches are further apart by themselves.
    """

    def __init__(self, fetch: Callable[[Any, int, Any], Awaitable[bool]], every_s: float) -> None:
        self._fetch = fetch
        self._every_s = every_s
        self._next_at: dict[int, float] = {}

    async def __call__(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Return whether there are new records, as the fetcher's own method; False also when cancelled."""
        loop = asyncio.get_running_loop()
        wait_s = self._next_at.get(node_id, 0.0) - loop.time()
        if wait_s > 0:
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                return False
        self._next_at[node_id] = loop.time() + self._every_s
        return await self._fetch(assignment, node_id, request)


class RecordBatchConsumer(Consumer):
    """Faust's consumer with whole batches for messages, and offsets committed up to the first unacked batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Last offsets of the batches handed out and not yet committable, in order, for each partition.
        self._handed_out: defaultdict[TP, deque[int]] = defaultdict(deque)

    def _new_consumer_thread(self) -> RecordBatchConsumerThread:
        return RecordBatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand over what is fetched until either is stopped, as the original at a fraction of its cost for a batch.

        The original makes six tasks for a message and a time-out for a round, looks for gaps and counts towards a
        commit every so many messages; neither of the last two means anything here.
        """
        endings: tuple[type[BaseException], ...] = (asyncio.CancelledError, *self.consumer_stopped_errors)
        try:
            while not (self.should_stop or fetcher.should_stop):
                # A round may end without having waited for anything.
                await asyncio.sleep(0)
                messages = [message async for _, message in self.getmany(1.0)]
                if messages:
                    await self._hand_over(messages)
                for message in messages:
                    self._read_offset[message.tp] = message.offset
        except endings:
            if not self.transport.app.should_stop:
                raise

    async def _hand_over(self, messages: list[ConsumerMessage]) -> None:
        """Put the batches into the agent's queue; give up when a rebalance begins while there is no room for them.

        All in one turn of the loop: partitions that begin together share their requests to the broker.
        """
        putting = [asyncio.ensure_future(self.callback(message)) for message in messages]
        try:
            # With room in the queue one turn of the loop is enough.
            await asyncio.sleep(0)
            for one in putting:
                if one.done():
                    one.result()
                else:
                    await self.wait_first(one, self.suspend_flow.wait())
        finally:
            for one in putting:
                one.cancel()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  Faust's
        """Yield one message per partition that has records, guarded as the original: flow, generation, assignment."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # noqa: BLE001  as the original: the next round seeks again
                self.log.warning("seek to the committed offsets failed: %r", error)
            return
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if batch and (active is None or tp in active or tp in self._buffered_partitions):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                # The original drops what lies before the last offset it handed out, also after a seek back that ran
                # beside it; the partition would rest for ever. Here the engine's fence drops what it knows.
                self._read_offset[tp] = None
                yield tp, self._to_batch_message(tp, batch, generation)

    def _to_batch_message(self, tp: TP, batch: list[Any], generation: int) -> ConsumerMessage:
        first, last = batch[0], batch[-1]
        handed_out = self._handed_out[tp]
        # After a seek back the same records come again: what was handed out from here on will never be acked.
        while handed_out and handed_out[-1] >= first.offset:
            handed_out.pop()
        handed_out.append(last.offset)
        value: Any = batch
        timestamp_s = (last.timestamp or 0) / 1000.0
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, timestamp_s, last.timestamp_type,
            [], b"", value, None, 0, 0, tp, generation_id=generation,
        )  # fmt: skip

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the original stops fetching the partition and, with none left, sleeps a second a round.

        The queue's own limit blocks the fetcher instead.
        """

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: after the last batch of those acked without a gap, None if there is none.

        The original counts single offsets: with batches it sticks, or commits into a batch that is not finished.
        """
        acked, handed_out, done = self._acked_index[tp], self._handed_out[tp], None
        committed = self._committed_offset[tp] or 0
        # Faust keeps no ack of what it has committed before; where the state is behind that, it is read again.
        while handed_out and (handed_out[0] in acked or handed_out[0] < committed):
            last = handed_out.popleft()
            acked.discard(last)
            done = last if last >= committed else done
        if done is None:
            return None
        self._acked[tp] = [offset for offset in self._acked[tp] if offset in acked]
        return done + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: every batch leaves a gap of its own length."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is done, then let the original wait for the work in hand; it forgets acks before it waits."""
        await self.commit(revoked)
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._handed_out.pop(tp, None)


class RecordBatchTransport(Transport):
    """The transport of `record-batch://host:port`."""

    Consumer: ClassVar[Any] = RecordBatchConsumer


# The entry point says the same for an installed package.
TRANSPORTS.aliases.setdefault(SCHEME, "shared.kafka.transport:RecordBatchTransport")
