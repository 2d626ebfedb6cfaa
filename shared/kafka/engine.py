"""A batch from start to end: load the partition's state, decide, publish outputs, then store states. No Faust here.

The order is the promise. Outputs are acked before the first state row is written: a row that landed before its outputs
would make the replay skip them. Offsets are the worker's, after all of this (worker.py). While a batch's rows are on
their way the next one may be decided and its outputs may leave, for a replay makes the same outputs again; its own rows
wait for those before them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from shared.clock import Clock
from shared.errors import PulselineError, Stop, Unavailable
from shared.kafka.backoff import delays
from shared.kafka.changelog import LoadedState, StateReader, load
from shared.kafka.dead_letters import dead_letter, dead_letter_message
from shared.kafka.metrics import WorkerMetrics
from shared.kafka.partition import WAKE_KEYS, WORK_ROWS, Forwarded, InRecord, Outputs, Partition, Work
from shared.kafka.processor import E, Output, Processor, S
from shared.kafka.publisher import Acked, BatchPublisher, Filling, Place, RecordTooLargeError, partition_for
from shared.kafka.rows import Message, message_of
from shared.topics import DEAD_LETTERS, Topic

_log = logging.getLogger(__name__)

R = TypeVar("R")

# The share of poison is taken over so many inputs, and counts from so many poisoned ones on.
_POISON_WINDOW: Final = 10_000
_POISON_GRACE: Final = 50


class AbandonedError(PulselineError):
    """The partition is being given up: this batch belongs to its next owner."""


class GapError(PulselineError):
    """The batch begins after inputs that the state does not include: they must be read first, from `offset` on."""

    def __init__(self, place: str, offset: int, first: int) -> None:
        super().__init__(f"{place} was handed over from offset {first} on, but {offset} has not been handled")
        self.offset = offset


class _Cell(Generic[E, S]):
    """A partition in memory, and where its state topic ended when we last wrote or read it."""

    __slots__ = ("is_checked", "next_offset", "partition")

    def __init__(self, partition: Partition[E, S], next_offset: int) -> None:
        self.partition = partition
        self.next_offset = next_offset
        self.is_checked = True


class Engine(Generic[E, S]):
    """Performs what a processor decides, for every partition this process owns.

    `on_progress` is told the partition whenever something of it moved. `max_poison_ratio` of the last 10,000 inputs is
    the most that may be dead-lettered before the engine raises Stop. At most `wake_keys` are woken in one call, and
    about `work_rows` rows at most wait for one write.
    """

    def __init__(
        self,
        processor: Processor[E, S],
        publisher: BatchPublisher,
        reader: StateReader,
        metrics: WorkerMetrics,
        clock: Clock,
        *,
        topic_prefix: str = "",
        max_poison_ratio: float = 0.1,
        wake_keys: int = WAKE_KEYS,
        work_rows: int = WORK_ROWS,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._processor = processor
        self._publisher = publisher
        self._reader = reader
        self._metrics = metrics
        self._clock = clock
        self._prefix = topic_prefix
        self._max_poison_ratio = max_poison_ratio
        self._limits = {"wake_keys": wake_keys, "work_rows": work_rows}
        self._on_progress = on_progress
        self._names: dict[str, str] = {}
        self._input = processor.input_topic.full_name(topic_prefix)
        self._state = processor.state_topic.full_name(topic_prefix)
        self._dead_letters = DEAD_LETTERS.full_name(topic_prefix)
        self._cells: dict[int, _Cell[E, S]] = {}
        # The latest write of each partition's states, done or not.
        self._stores: dict[int, asyncio.Task[None]] = {}
        # Inputs and poison of the latest works, and the sums of both: at a record a batch there are 10,000 of them.
        self._recent: deque[tuple[int, int]] = deque()
        self._recent_inputs = self._recent_poison = 0

    def partition(self, number: int) -> Partition[E, S] | None:
        """Return the partition's memory, None before its first batch."""
        cell = self._cells.get(number)
        return None if cell is None else cell.partition

    def assigned(self, numbers: set[int]) -> None:
        """Forget partitions that went elsewhere; look at those that stayed before they are used again."""
        for number in [number for number in self._cells if number not in numbers]:
            self.drop(number)
        for cell in self._cells.values():
            cell.is_checked = False

    def drop(self, number: int) -> None:
        """Forget a partition's memory; its next batch loads it again."""
        if self._cells.pop(number, None) is not None:
            self._metrics.forget(number)

    async def handle(
        self, number: int, records: Sequence[InRecord], is_ours: Callable[[], bool], input_end: int | None = None
    ) -> None:
        """Return when everything that follows from the records is durable. Errors as `begin`."""
        await (await self.begin(number, records, is_ours, input_end))

    async def begin(
        self, number: int, records: Sequence[InRecord], is_ours: Callable[[], bool], input_end: int | None = None
    ) -> "asyncio.Task[None]":
        """Return when all outputs that follow from the records are acked; the task ends when their states are as well.

        The partition's next batch may be begun meanwhile; it fails as the task does. Kafka's failures are repeated
        until they end or `is_ours()` turns false, which raises AbandonedError. Raises GapError for a batch that is out
        of turn, Stop when going on would be wrong. After any exception the batch must be handed in again, here or
        elsewhere.
        """
        try:
            await self._begin(number, records, is_ours, input_end)
        except GapError:
            raise
        except BaseException:
            # What is in memory may be ahead of what is durable.
            self.drop(number)
            raise
        return self._stores[number]

    async def _begin(
        self, number: int, records: Sequence[InRecord], is_ours: Callable[[], bool], input_end: int | None
    ) -> None:
        cell = await self._cell(number, is_ours)
        partition, monotonic, stage = cell.partition, self._clock.monotonic, self._metrics.stage
        _check_against_input(partition.fence, input_end, f"{self._input}/{number}")
        await self._check_turn(number, partition.fence + 1, records[0].offset, is_ours)
        works = partition.advance(records)
        batches: dict[Place, Filling] = {}
        decided_s = 0.0
        while True:
            started = monotonic()
            work = next(works, None)
            if work is None:
                break
            decided_s += monotonic() - started
            if isinstance(work, list):
                await self._fill(batches, number, work)
                continue
            stage["decide"].observe(decided_s)
            await self._perform(number, cell, work, batches, is_ours)
            batches, decided_s = {}, 0.0
        self._metrics.batches.inc()
        self._metrics.state(number, len(partition.states), len(partition.timers), partition.watermark_ms)

    async def _check_turn(self, number: int, wanted: int, first: int, is_ours: Callable[[], bool]) -> None:
        """Raise GapError when there are records between the fence and the batch: the fence is the truth."""
        if first <= wanted:
            return
        # Retention, or a foreign transaction's markers, leave gaps without records.
        offset = await self._persist(number, lambda: self._reader.first_offset(self._input, number, wanted), is_ours)
        if offset < first:
            raise GapError(f"{self._input}/{number}", offset, first)

    async def _perform(
        self, number: int, cell: _Cell[E, S], work: Work, batches: dict[Place, Filling], is_ours: Callable[[], bool]
    ) -> None:
        """Publish the outputs, wait for the states before these, and leave the writing of these to a task.

        `batches` has those that came ahead of the work.
        """
        self._check_poison(work)
        monotonic, metrics = self._clock.monotonic, self._metrics
        await self._fill(batches, number, work.outputs)
        await self._fill_dead_letters(batches, number, work)
        started = monotonic()
        if batches:
            await self._persist(number, lambda: self._publisher.publish_batches(batches), is_ours)
        metrics.stage["publish"].observe(monotonic() - started)
        before = self._stores.get(number)
        if before is not None:
            await asyncio.wait([before])
            before.result()
        store = asyncio.get_running_loop().create_task(self._finish(number, cell, work, is_ours))
        # Whoever would have waited for it may have failed first.
        store.add_done_callback(_mark_retrieved)
        self._stores[number] = store

    async def _finish(self, number: int, cell: _Cell[E, S], work: Work, is_ours: Callable[[], bool]) -> None:
        """Write the states; forget the partition's memory when that fails, or when somebody else wrote in between."""
        monotonic, metrics = self._clock.monotonic, self._metrics
        started = monotonic()
        try:
            is_overwritten = await self._store(number, cell, work.rows, is_ours)
        except BaseException:
            self.drop(number)
            raise
        metrics.stage["store"].observe(monotonic() - started)
        metrics.records.inc(work.n_inputs)
        metrics.outputs.inc(work.n_outputs)
        for poison in work.poison:
            metrics.poison(poison.kind)
        self._on_progress(number)
        if is_overwritten:
            _log.warning("another worker wrote the state of %s/%d: it is loaded again", self._input, number)
            self.drop(number)

    async def _fill(self, batches: dict[Place, Filling], number: int, outputs: Outputs) -> None:
        """Append outputs to the batches of their places, in order."""
        messages = await self._messages(number, outputs)
        for place, added in messages.items():
            self._append(batches, number, place, added)

    async def _fill_dead_letters(self, batches: dict[Place, Filling], number: int, work: Work) -> None:
        if work.poison:
            place = (self._dead_letters, number % await self._publisher.partition_count(self._dead_letters))
            letters = (dead_letter(self._processor.name, self._input, number, one) for one in work.poison)
            self._append(batches, number, place, list(map(dead_letter_message, letters)))

    def _append(self, batches: dict[Place, Filling], number: int, place: Place, messages: list[Message]) -> None:
        filling = batches.get(place)
        if filling is None:
            # Other partitions' places are theirs as well: lists that are published at the same time share a batch.
            filling = batches[place] = self._publisher.filling(place) if place[1] == number else list[Message]()
        try:
            filling.extend(messages)
        except RecordTooLargeError as error:
            raise _outgrown(error) from error

    async def _messages(self, number: int, outputs: Outputs) -> dict[Place, list[Message]]:
        """Return outputs by place, in order."""
        batches: dict[Place, list[Message]] = {}
        # The lane of the last output's topic: most outputs of a batch go where the one before them went.
        topic: Topic | None = None
        add: Callable[[Message], None] = _nowhere
        for output in outputs:
            if isinstance(output, Forwarded):
                forward_to = self._processor.forward_controls_to
                if forward_to is not None:
                    place = (self._name(forward_to), number)
                    batches.setdefault(place, []).append((None, output.value, output.headers, None))
                continue
            if output.topic is not topic or output.is_rerouted:
                if output.is_rerouted or not output.topic.is_partitioned_by_customer:
                    await self._route(batches, output.topic, output)
                    continue
                topic = output.topic
                add = batches.setdefault((self._name(topic), number), []).append
            add((output.key.encode(), output.value, output.headers, None))
        return batches

    async def _route(self, batches: dict[Place, list[Message]], topic: Topic, output: Output) -> None:
        name = self._name(topic)
        place = (name, partition_for(output.key, await self._publisher.partition_count(name)))
        batches.setdefault(place, []).append((output.key.encode(), output.value, output.headers, None))

    async def _store(
        self, number: int, cell: _Cell[E, S], messages: Sequence[Message], is_ours: Callable[[], bool]
    ) -> bool:
        place = (self._state, number)
        acked = (await self._persist(number, lambda: self._publisher.publish_batches({place: messages}), is_ours))[
            place
        ]
        self._metrics.state_rows_written.inc(len(messages))
        self._metrics.state_bytes_written.inc(sum(map(len, [value for _, value, _, _ in messages if value])))
        is_overwritten = not _is_seamless(acked, cell.next_offset)
        cell.next_offset = acked[-1].first_offset + acked[-1].n_records
        return is_overwritten

    async def _cell(self, number: int, is_ours: Callable[[], bool]) -> _Cell[E, S]:
        cell = self._cells.get(number)
        if cell is None or not cell.is_checked:
            cell = await self._settled(number)
        if cell is not None and not cell.is_checked:
            # Every batch writes at least one row: an end that has not moved proves that nobody else was at work.
            end = await self._persist(number, lambda: self._reader.end_offset(self._state, number), is_ours)
            if end == cell.next_offset:
                cell.is_checked = True
            else:
                self.drop(number)
                cell = None
        if cell is None:
            cell = self._cells[number] = await self._load(number, is_ours)
        return cell

    async def _settled(self, number: int) -> _Cell[E, S] | None:
        """Return the partition's memory when nothing of it is on its way to the state topic any more."""
        store = self._stores.pop(number, None)
        if store is not None:
            await asyncio.wait([store])
        return self._cells.get(number)

    async def _load(self, number: int, is_ours: Callable[[], bool]) -> _Cell[E, S]:
        started = self._clock.monotonic()

        def on_chunk(n_read: int, n_records: int) -> None:
            self._on_progress(number)
            self._metrics.recovery(number, n_read, n_records)
            if not is_ours():
                raise AbandonedError(f"{self._state}/{number} was given up while it was loaded")

        loaded: LoadedState = await self._persist(
            number, lambda: load(self._reader, self._state, number, on_chunk), is_ours
        )
        cell = _Cell(Partition(self._processor, number, loaded, **self._limits), loaded.next_offset)
        if loaded.heal:
            _log.warning("%d rows of %s/%d were overwritten by a dead worker", len(loaded.heal), self._state, number)
            await self._store(number, cell, [message_of(row) for row in loaded.heal], is_ours)
            self._metrics.healed.inc(len(loaded.heal))
        took_s = self._clock.monotonic() - started
        self._metrics.stage["load"].observe(took_s)
        self._metrics.recovery_seconds.set(took_s)
        self._metrics.recovery(number, 1, 1)
        _log.info(
            "state of %s/%d loaded: %d keys from %d records in %.2f s, fence %d",
            self._state,
            number,
            len(cell.partition.states),
            loaded.n_records,
            took_s,
            loaded.fence,
        )
        return cell

    async def _persist(self, number: int, attempt: Callable[[], Awaitable[R]], is_ours: Callable[[], bool]) -> R:
        """Return what `attempt` returns, repeating it while Kafka does not answer and the partition is ours."""
        for delay_s in delays():
            try:
                return await attempt()
            except RecordTooLargeError as error:
                raise _outgrown(error) from error
            except Unavailable as error:
                if not is_ours():
                    raise AbandonedError(f"{self._input}/{number} was given up: {error}") from error
                _log.warning("%s/%d waits for Kafka: %s", self._input, number, error)
            self._metrics.retries.inc()
            self._on_progress(number)
            await asyncio.sleep(delay_s)
        raise AssertionError("delays never end")

    def _check_poison(self, work: Work) -> None:
        """Raise Stop when too many of the latest inputs were poison; nothing of the work is published then."""
        recent, added = self._recent, (work.n_inputs, len(work.poison))
        recent.append(added)
        n_inputs, n_poison = self._recent_inputs + added[0], self._recent_poison + added[1]
        while len(recent) > 1 and n_inputs - recent[0][0] >= _POISON_WINDOW:
            gone = recent.popleft()
            n_inputs, n_poison = n_inputs - gone[0], n_poison - gone[1]
        self._recent_inputs, self._recent_poison = n_inputs, n_poison
        if n_poison >= _POISON_GRACE and n_poison > self._max_poison_ratio * n_inputs:
            last = work.poison[-1].reason if work.poison else ""
            raise Stop(
                f"{n_poison} of the last {n_inputs} inputs of {self._input} are poison, more than "
                f"{self._max_poison_ratio:.0%} (the last one: {last}); nothing of them was committed"
            )

    def _name(self, topic: Topic) -> str:
        name = self._names.get(topic.name)
        if name is None:
            name = self._names[topic.name] = topic.full_name(self._prefix)
        return name


def _mark_retrieved(store: "asyncio.Task[None]") -> None:
    if not store.cancelled():
        store.exception()


def _outgrown(error: RecordTooLargeError) -> Stop:
    return Stop(f"a state or output has outgrown its topic: {error}")


def _nowhere(_message: Message) -> None:
    raise AssertionError("no output has a topic yet")


def _is_seamless(acked: Sequence[Acked], next_offset: int) -> bool:
    for stretch in acked:
        if stretch.first_offset != next_offset:
            return False
        next_offset += stretch.n_records
    return True


def _check_against_input(fence: int, input_end: int | None, place: str) -> None:
    """Raise Stop for a state that includes offsets its input does not have: every new input would be skipped."""
    if input_end is not None and fence >= input_end:
        raise Stop(
            f"the state includes {place} up to offset {fence} but the topic ends at {input_end}: was it made anew?"
        )
