"""A processor as a member of its consumer group: Faust is the frame, the engine does the work, offsets are ours.

A service starts its processor from its bootstrap with

    await run_worker(
        processor,
        WorkerSettings(bootstrap=settings.kafka_bootstrap, topic_prefix=settings.topic_prefix),
        registry,                      # prometheus_client.CollectorRegistry
        SystemClock(),
    )

or, when it serves health beside it, with `worker = Worker(processor, worker_settings, registry, clock)`,
`serve_health(host, port, worker.checks(), registry)` and `await worker.run()`. Both return after SIGTERM or SIGINT (the
batch in hand finished, offsets committed, group left) and raise Stop when the process must end with an error. The
consumer group is the prefix and the processor's name. Topics must exist (`topics_admin.ensure_topics`). `tick_every_s`
is set for the stage that reads what ingest writes; `forward_controls_to` carries its ticks to the next stage.
"""

import asyncio
import gc
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Generic

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from shared.clock import Clock, to_ms
from shared.errors import PulselineError, Unavailable
from shared.health import Check
from shared.kafka.backoff import delays
from shared.kafka.changelog import KafkaStateReader
from shared.kafka.engine import AbandonedError, Engine, GapError
from shared.kafka.inbox import Inbox, records_of
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.processor import Control, ControlView, E, Processor, S
from shared.kafka.publisher import Publisher
from shared.kafka.ticker import tick
from shared.kafka.transport import SCHEME
from shared.kafka.watchdog import Watchdog, WatchdogThread, end_process
from shared.tracing import Tracing

_log = logging.getLogger(__name__)

_PROBE_EVERY_S: Final = 1.0
_LAG_EVERY_S: Final = 5.0
_FINISH_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 15.0
# About 3,000 records of 300 bytes: one batch of one partition.
_FETCH_BYTES: Final = 1 << 20
# Allocations between two looks at young objects, and how many of those make one at older ones. With Python's 700 a
# batch of 3,000 records, alive until its last ack, is looked through dozens of times: a quarter of the engine's CPU.
_GC_THRESHOLDS: Final = (50_000, 20, 20)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker reaches Kafka and how patient it is. Seconds.

    `max_poll_records` bounds a batch and with it the latency under load. `session_timeout_s` is how long partitions of
    a killed worker rest (the broker's minimum is 6). `stall_timeout_s`: a lagging partition that has not moved for so
    long ends the process. `member_id` makes a static member, whose restart within the session moves no partition.
    `shown_controls` are the names of rules and models whose versions the metrics show.
    """

    bootstrap: str
    topic_prefix: str = ""
    max_poll_records: int = 3_000
    session_timeout_s: float = 10.0
    heartbeat_s: float = 2.0
    delivery_timeout_s: float = 10.0
    max_poison_ratio: float = 0.1
    stall_timeout_s: float = 60.0
    tick_every_s: float | None = None
    member_id: str | None = None
    shown_controls: Sequence[str] = ()


async def run_worker(
    processor: Processor[E, S], settings: WorkerSettings, registry: CollectorRegistry, clock: Clock
) -> None:
    """Run the processor until SIGTERM or SIGINT. Raises Stop, or Unavailable when Kafka is lost for good."""
    await Worker(processor, settings, registry, clock).run()


class Worker(Generic[E, S]):
    """One process's share of a stage. `run` it once. `publisher` and `reader` replace its own in tests that kill it."""

    def __init__(
        self,
        processor: Processor[E, S],
        settings: WorkerSettings,
        registry: CollectorRegistry,
        clock: Clock,
        *,
        publisher: Publisher | None = None,
        reader: KafkaStateReader | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._processor = processor
        self._tracing = tracing
        self._settings = settings
        self._clock = clock
        self._topic = processor.input_topic.full_name(settings.topic_prefix)
        self._metrics = WorkerMetrics(registry, processor.name, settings.shown_controls)
        self._publisher = publisher or Publisher(
            settings.bootstrap, client_id=processor.name, delivery_timeout_s=settings.delivery_timeout_s
        )
        self._reader = reader or KafkaStateReader(settings.bootstrap, client_id=f"{processor.name}-state")
        self._watchdog = Watchdog(clock, settings.stall_timeout_s)
        self._engine: Engine[E, S] = Engine(
            processor,
            self._publisher,
            self._reader,
            self._metrics,
            clock,
            topic_prefix=settings.topic_prefix,
            max_poison_ratio=settings.max_poison_ratio,
            on_progress=self._watchdog.moved,
        )
        self._app: Any = None
        self._assigned: frozenset[int] | None = None
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        # Batches whose outputs are acked and whose states are on their way.
        self._finishing: dict[int, asyncio.Task[None]] = {}
        self._inboxes: dict[int, Inbox] = {}
        # Partitions whose batches came in the present turns of the loop and have not begun.
        self._to_begin: list[int] = []
        self._handled: dict[int, tuple[int, int]] = {}
        # When a partition was last seen without lag: what waits there now came later.
        self._clear_at_ms: dict[int, int] = {}
        self._assigned_at_ms = 0
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None

    def checks(self) -> Mapping[str, Check]:
        """Return the readiness checks: Kafka answers, and partitions were assigned (possibly none)."""

        async def kafka() -> str | None:
            if self._failure is not None:
                return str(self._failure)
            return await self._publisher.check()

        async def group() -> str | None:
            return "no assignment yet" if self._assigned is None else None

        return {"kafka": kafka, "consumer group": group}

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions this worker owns now."""
        return self._assigned or frozenset()

    def handled(self, partition: int) -> int:
        """Return the offset up to which a partition is handled since it was assigned, 0 before its first batch."""
        return self._handled.get(partition, (0, 0))[0]

    def stop(self) -> None:
        """Ask `run` to finish the batches in hand and return."""
        self._ended.set()

    async def run(self) -> None:
        """Work until `stop`, SIGTERM or SIGINT. Raises what ended it otherwise."""
        loop = asyncio.get_running_loop()
        # Some 300,000 objects of imported modules need not be looked through with every full collection.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        watchdog = WatchdogThread(self._watchdog, end_process)
        watchdog.start()
        tasks: list[asyncio.Task[None]] = []
        with tempfile.TemporaryDirectory(prefix="pulseline-faust-") as scratch:
            try:
                await self._connect()
                if not self._ended.is_set():
                    self._app = self._new_app(scratch)
                    tasks = [self._beside(self._probe()), self._beside(self._report_lag())]
                    await self._start_app()
                    if self._settings.tick_every_s is not None:
                        tasks.append(self._beside(self._tick(self._settings.tick_every_s)))
                    await self._ended.wait()
            finally:
                await self._shut_down(tasks)
                watchdog.stop()
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.remove_signal_handler(number)
        if self._failure is not None:
            raise self._failure

    async def _connect(self) -> None:
        for delay_s in delays():
            try:
                await self._publisher.start()
                await self._reader.start()
            except Unavailable as error:
                _log.warning("waiting for Kafka: %s", error)
            else:
                return
            try:
                async with asyncio.timeout(delay_s):
                    await self._ended.wait()
                return
            except TimeoutError:
                continue

    def _new_app(self, scratch: str) -> Any:
        settings = self._settings
        app = faust.App(
            f"{settings.topic_prefix}{self._processor.name}",
            broker=";".join(f"{SCHEME}://{server}" for server in settings.bootstrap.split(",")),
            key_serializer="raw",
            value_serializer="raw",
            store="memory://",
            datadir=scratch,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=True,
            # In batches: enough to keep deciding while the next fetch is under way, and no more objects than that.
            stream_buffer_maxsize=4,
            broker_commit_interval=1.0,
            broker_max_poll_records=settings.max_poll_records,
            broker_session_timeout=settings.session_timeout_s,
            broker_heartbeat_interval=settings.heartbeat_s,
            broker_request_timeout=max(2 * settings.session_timeout_s, 30.0),
            broker_rebalance_timeout=60.0,
            consumer_max_fetch_size=_FETCH_BYTES,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.member_id,
            agent_supervisor="mode.CrashingSupervisor",
            Monitor="faust.sensors:Monitor",
        )
        on_assigned: Any = self._on_assigned
        app.on_partitions_assigned.connect(on_assigned, weak=False)
        topic = app.topic(self._topic, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=self._processor.name, concurrency=1)(self._consume)
        return app

    async def _start_app(self) -> None:
        self._app.finalize()
        try:
            await self._app.start()
        except Exception as error:  # noqa: BLE001  Faust wraps what failed in many ways; all of them end the process
            self._fail(Unavailable("kafka", f"the consumer did not start: {error!r}"))

    async def _on_assigned(self, _app: Any, assigned: Any, **_others: Any) -> None:
        partitions = frozenset(tp.partition for tp in assigned if tp.topic == self._topic)
        _log.info("assigned %s of %s", sorted(partitions), self._topic)
        self._metrics.rebalances.inc()
        self._metrics.assigned.set(len(partitions))
        self._engine.assigned(set(partitions))
        self._watchdog.assigned(partitions)
        self._handled = {}
        self._clear_at_ms = {}
        self._assigned_at_ms = to_ms(self._clock.now())
        self._assigned = partitions

    async def _consume(self, stream: Any) -> None:
        """The agent: hand each fetched batch to its partition; partitions are worked off side by side."""
        queue = stream.channel.queue
        async for event in stream.noack().events():
            number = event.message.partition
            inbox = self._inboxes.setdefault(number, Inbox(self._settings.max_poll_records))
            await inbox.put(event)
            if number not in self._in_hand and number not in self._to_begin:
                self._to_begin.append(number)
                if len(self._to_begin) == 1:
                    # The stream gives out one batch a turn.
                    self._begin_after(queue.qsize())

    def _begin_after(self, turns: int) -> None:
        """Begin the waiting partitions in one turn of the loop, so that their requests to the broker are shared."""
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._begin_after, turns - 1)
            return
        for number in self._to_begin:
            self._in_hand[number] = loop.create_task(self._work_off(number, self._inboxes[number]))
        self._to_begin.clear()

    async def _work_off(self, number: int, inbox: Inbox) -> None:
        try:
            while events := inbox.take():
                if self._ended.is_set() or not self._is_ours(events[0].message.generation_id):
                    self._give_up(events)
                else:
                    await self._handle(number, events)
        finally:
            del self._in_hand[number]

    async def _handle(self, number: int, events: list[Any]) -> None:
        """Perform batches that follow one another, up to the writing of their states, which is left to a task."""
        message, records, began = events[-1].message, records_of(events), self._clock.now()
        generation = message.generation_id
        async with self._judged(number, events):
            store = await self._engine.begin(
                number, records, lambda: self._is_ours(generation), self._app.consumer.highwater(message.tp)
            )
            finishing = asyncio.get_running_loop().create_task(self._finish(number, events, records, began, store))
            self._finishing[number] = finishing

    async def _finish(
        self, number: int, events: list[Any], records: list[Any], began: datetime, store: "asyncio.Task[None]"
    ) -> None:
        """Ack the batches when their states are written."""
        message = events[-1].message
        async with self._judged(number, events):
            await store
            for event in events:
                event.ack()
            self._handled[number] = (message.offset + 1, records[-1].timestamp)
            ended = self._clock.now()
            self._metrics.record_age.observe(max(0, to_ms(ended) - records[0].timestamp) / 1000)
            if self._tracing is not None:
                headers = (record.headers for record in records)
                self._tracing.batch(self._processor.name, headers, began, ended, len(records))
            self._watchdog.moved(number)

    @asynccontextmanager
    async def _judged(self, number: int, events: list[Any]) -> AsyncIterator[None]:
        """Let no error out: Faust would ack what failed, or rest. Each has its kind."""
        message = events[-1].message
        try:
            yield
        except AbandonedError as error:
            _log.info("%s", error)
            self._give_up(events)
        except GapError as error:
            _log.warning("%s: it is read again from there", error)
            self._give_up(events)
            await self._seek(message.tp, error.offset)
        except (PulselineError, Exception) as error:  # noqa: BLE001  a bug of ours: end, and let a restart replay
            _log.exception("batch %s/%d ending at %d failed", self._topic, number, message.offset)
            # Faust would wait for its ack until the watchdog ends the process.
            self._give_up(events)
            self._fail(error)

    def _give_up(self, events: list[Any]) -> None:
        """Let Faust forget batches without an offset to commit for them: they are read again, here or elsewhere."""
        for event in events:
            event.message.acked = True

    async def _seek(self, place: Any, offset: int) -> None:
        try:
            await self._app.consumer.seek_wait({place: offset})
        except (KafkaError, TimeoutError) as error:
            _log.info("%s is not ours any more: %r", place, error)

    def _is_current(self, generation: int) -> bool:
        return bool(generation == self._app.consumer_generation_id)

    def _is_ours(self, generation: int) -> bool:
        # Not `app.rebalancing`: it stays set for a moment after the batches of the new assignment have begun to come.
        return self._is_current(generation) and self._app.flow_control.is_active() and not self._ended.is_set()

    def _beside(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start what runs as long as the worker does; should it fail, the worker ends: nobody else would notice."""

        def judge(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("what runs beside the batches failed", exc_info=error)
                self._fail(error)

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(judge)
        return task

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._ended.set()

    async def _probe(self) -> None:
        """Notice that Faust has crashed, and tell the watchdog that the loop runs."""
        while True:
            self._watchdog.alive()
            if self._app.crashed:
                reason = getattr(self._app, "_crash_reason", None)
                self._fail(Unavailable("kafka", f"the consumer crashed: {reason!r}"))
            await asyncio.sleep(_PROBE_EVERY_S)

    async def _report_lag(self) -> None:
        """Compare what was handled with the topic's true end, asked apart from the consumer that may be stuck."""
        while True:
            await asyncio.sleep(_LAG_EVERY_S)
            try:
                async with asyncio.timeout(_LAG_EVERY_S):
                    self._watchdog.lagging(await self._measure_lag())
            except (Unavailable, KafkaError, OSError, TimeoutError) as error:
                _log.warning("lag is unknown: %r", error)

    async def _measure_lag(self) -> list[int]:
        """Return the partitions with input that is not handled."""
        places = {number: TopicPartition(self._topic, number) for number in self.assigned}
        ends = await self._reader.end_offsets(list(places.values())) if places else {}
        now_ms = to_ms(self._clock.now())
        lagging: list[int] = []
        for number, place in places.items():
            known = self._handled.get(number)
            # Before the first batch the consumer's own position has to do.
            position, timestamp_ms = known or (await self._app.consumer.position(place) or 0, 0)
            behind = max(0, ends[place] - position)
            if number in self.assigned:
                if not behind:
                    self._clear_at_ms[number] = now_ms
                # What waits is younger than the last record handled, and than the last look at which nothing waited.
                waits_since_ms = max(timestamp_ms, self._clear_at_ms.get(number, 0)) or self._assigned_at_ms
                self._metrics.lag(number, behind, max(0, now_ms - waits_since_ms) / 1000)
                finishing = self._finishing.get(number)
                if behind or number in self._in_hand or (finishing is not None and not finishing.done()):
                    lagging.append(number)
        self._metrics.lag_measured.set(now_ms / 1000)
        self._show_controls()
        return lagging

    def _show_controls(self) -> None:
        partitions = [partition for number in self.assigned if (partition := self._engine.partition(number))]
        self._metrics.controls(
            [partial(_in_force, partition.controls, partition.watermark_ms) for partition in partitions]
        )

    async def _tick(self, every_s: float) -> None:
        await tick(self._publisher, self._topic, lambda: self.assigned, self._clock, every_s)

    async def _shut_down(self, tasks: list[asyncio.Task[None]]) -> None:
        self._ended.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for working in (self._in_hand, self._finishing):
            if working:
                await asyncio.wait(working.values(), timeout=_FINISH_TIMEOUT_S)
        if self._app is not None:
            await self._leave_group()
        await self._publisher.stop()
        await self._reader.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)

    async def _leave_group(self) -> None:
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                if not self._app.crashed:
                    await self._app.consumer.commit()
                await self._app.stop()
        except Exception as error:  # noqa: BLE001  what is not committed is replayed; the process must end
            _log.warning("the group was not left cleanly: %r", error)


def _in_force(controls: ControlView, at_ms: int, name: str) -> Control | None:
    return controls.in_force(name, at_ms)
