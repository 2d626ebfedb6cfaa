"""One partition's log decided: records in, work to perform out. Pure but for its own memory; no Kafka, no clock.

The order is fixed by the log alone. For each record: the watermark moves to its time; timers that have become due fire,
earliest instant first, keys sorted; then the record itself is decided. Runs of records between two firings are decided
in one call. Where a fetched batch begins or ends changes nothing.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop
from itertools import repeat
from typing import Any, Final, Generic, NamedTuple, Protocol

from shared.clock import to_ms
from shared.contracts.control import ClockTicked
from shared.errors import PulselineError, Reject, Stop
from shared.kafka.changelog import LoadedState
from shared.kafka.controls import Controls, decode_control, generation_of
from shared.kafka.processor import Decisions, E, Headers, Input, Output, Processor, S
from shared.kafka.rows import (
    UNTIMED_TAIL,
    Message,
    Row,
    control_row,
    control_tombstone,
    encode_row_from,
    fence_of,
    message_of,
    partition_row,
    row_head,
    state_of,
    tombstone,
    wake_at_ms_of,
)
from shared.kafka.timers import Timers

# So many keys at most are woken in one call, and so many rows at most wait for one write: what is due at one midnight
# may be every customer there is.
WAKE_KEYS: Final = 2_000
WORK_ROWS: Final = 10_000
# Decoded states kept between batches, in two generations; beyond them a state is bytes.
_LIVE_STATES: Final = 25_000
_ERROR_LENGTH: Final = 4_000
_NO_STATE: Final = b"null"
# Leaves room for key and headers in a record that every broker takes.
MAX_VALUE_BYTES: Final = 950_000
# A longer one could be read and never be written again, as a state's or an output's.
MAX_KEY_BYTES: Final = 10_000
# Before it are the empty key and those that start with NUL.
_FIRST_KEY: Final = b"\x01"


# Keys, events, times and values of records, side by side.
_Columns = tuple[list[str], list[E], list[int], list[bytes]]


class InRecord(Protocol):
    """A record of the input topic, as aiokafka gives it."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def timestamp(self) -> int: ...


class Poison(NamedTuple):
    """An input that no run can include: undecodable, refused, or raising. `kind` is one of POISON_KINDS."""

    kind: str
    reason: str
    error: str
    pointer: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


POISON_KINDS: Final = ("undecodable", "rejected", "raised", "oversize", "wake_raised")


class Work:
    """What a stretch of the log demands: outputs first, then states. Everything up to `fence` is in it.

    `outputs` are those that were not given out before it.
    """

    __slots__ = ("fence", "n_inputs", "n_outputs", "outputs", "poison", "rows", "watermark_ms")

    def __init__(self) -> None:
        self.outputs: Outputs = []
        self.n_outputs = 0
        self.rows: list[Message] = []
        self.poison: list[Poison] = []
        self.n_inputs = 0
        self.fence = -1
        self.watermark_ms = 0


class Forwarded(NamedTuple):
    """A control record passed on as it is."""

    value: bytes
    headers: Headers


Outputs = list[Output | Forwarded]


class States(Generic[S]):
    """The partition's states: encoded rows, and the decoded ones that were touched lately."""

    def __init__(self, processor: Processor[Any, S], rows: dict[str, bytes]) -> None:
        self._decode = processor.decode_state
        self._encode = processor.encode_state
        self._rows = rows
        self._live: dict[str, S | None] = {}
        self._older: dict[str, S | None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> S | None:
        """Return the key's state, None if it has none."""
        live = self._live
        state = live.get(key)
        if state is not None or key in live:
            return state
        if key in self._older:
            state = self._older[key]
        else:
            row = self._rows.get(key)
            if row is None:
                return None
            state = self._decoded(row)
        live[key] = state
        return state

    def update(self, states: Mapping[str, S | None]) -> None:
        self._live.update(states)

    def fence(self, key: str) -> int:
        row = self._rows.get(key)
        return -1 if row is None else fence_of(row)

    def write(
        self, keys: Iterable[str], fence: int, wake_at_ms: Callable[[str], int | None], written: dict[str, Message]
    ) -> None:
        """Put the rows of keys that were touched, ready to publish, into `written`, and keep them."""
        live, rows, encode, head = self._live, self._rows, self._encode, row_head(fence)
        untimed, join = head + UNTIMED_TAIL, b"".join
        for key in keys:
            at_ms = wake_at_ms(key)
            state = live.get(key)
            if state is not None:
                encoded = encode(state)
            else:
                encoded = state_of(rows[key]) if key not in live and key in rows else _NO_STATE
                if encoded == _NO_STATE and at_ms is None:
                    rows.pop(key, None)
                    written[key] = message_of(tombstone(key, fence))
                    continue
            # The common row is joined here: a call for each costs as much as the joining.
            row = join((untimed, encoded, b"}")) if at_ms is None else encode_row_from(head, at_ms, encoded)
            rows[key] = row
            written[key] = (key.encode(), row, (), None)

    def age(self) -> None:
        """Let go of decoded states that were not touched lately; only rows that were written may be let go."""
        if len(self._live) > _LIVE_STATES:
            self._older, self._live = self._live, {}

    def _decoded(self, row: bytes) -> S | None:
        encoded = state_of(row)
        return None if encoded == _NO_STATE else self._decode(encoded)


class Partition(Generic[E, S]):
    """The memory of one partition: states, timers, watermark, controls and fence."""

    def __init__(
        self,
        processor: Processor[E, S],
        number: int,
        loaded: LoadedState,
        *,
        wake_keys: int = WAKE_KEYS,
        work_rows: int = WORK_ROWS,
    ) -> None:
        self._processor = processor
        self._number = number
        self._wake_keys = wake_keys
        self._work_rows = work_rows
        self.states = States(processor, loaded.rows)
        self.timers = Timers()
        self.fence = loaded.fence
        self.watermark_ms = loaded.watermark_ms
        self.controls = Controls(row for row in loaded.controls if row.offset <= loaded.fence)
        # Rows that landed before the partition's own row did: their inputs and timers are past until their fence is.
        self._parked: list[tuple[int, str, int]] = []
        self._replay_until = -1
        for key, row in loaded.rows.items():
            self._restore(key, row)
        heapify(self._parked)
        # Keys whose rows are to be made; used as a set that keeps its order, so that equal logs write equal rows.
        self._touched: dict[str, object] = {}
        # The rows of the present work that are made already.
        self._written: dict[str, Message] = {}
        self._control_rows: list[Row] = []
        self._work = Work()
        self._n_inputs = 0

    def advance(self, records: Sequence[InRecord]) -> Iterator[Work | Outputs]:
        """Yield the work that the records demand, in pieces that must be performed one after another, in order.

        Outputs that are decided before their work is whole come as a list ahead of it, while they are still in the
        processor's cache. Raises Stop for a processor that breaks its promises.
        """
        fence = self.fence
        if records and records[0].offset <= fence:
            records = [record for record in records if record.offset > fence]
        self._n_inputs += len(records)
        longest = getattr(self._processor, "longest_run", 0) or len(records) or 1
        for start in range(0, len(records), longest):
            if self._work.outputs:
                yield self._give_out()
            yield from self._stretch(records[start : start + longest])
        yield self._close(self.fence)

    def works(self, records: Sequence[InRecord]) -> Iterator[Work]:
        """Yield what `advance` does, every work with all of its outputs."""
        ahead: Outputs = []
        for piece in self.advance(records):
            if isinstance(piece, list):
                ahead += piece
                continue
            piece.outputs[:0] = ahead
            ahead = []
            yield piece

    def _stretch(self, records: Sequence[InRecord]) -> Iterator[Work]:
        """Decide records: in one run if nothing comes between them, else run by run up to what does."""
        first, last = records[0].offset, records[-1].offset
        columns = self._columns(records)
        if columns is None or self._parked or first <= self._replay_until:
            yield from self._look_at_each(records, columns)
            return
        keys, events, times, values = columns
        latest_ms = self.watermark_ms
        # By comparison: `max`, for each or in `accumulate`, takes three times as long.
        watermarks = [latest_ms := at_ms if at_ms > latest_ms else latest_ms for at_ms in times]  # noqa: FURB136
        begins_ms, ends_ms = watermarks[0], latest_ms
        if self.timers.earliest_ms <= ends_ms or ends_ms - begins_ms >= self._processor.shortest_wake_ms:
            yield from self._look_at_each(records, columns)
            return
        yield from self._settle([], first)
        offsets, headers = [record.offset for record in records], [record.headers for record in records]
        numbers = repeat(self._number)
        run = list(map(Input, keys, events, times, watermarks, numbers, offsets, headers, values))
        self.watermark_ms = ends_ms
        self._decide(run)
        self.fence = max(self.fence, last)
        # While the states are in the processor's cache. What a later run touches again is written again.
        self._write_rows(self.fence)

    def _columns(self, records: Sequence[InRecord]) -> _Columns[E] | None:
        """Return the records decoded, None if some are control records or cannot be: a loop over each costs twice."""
        key_bytes: list[Any] = [record.key for record in records]
        values: list[Any] = [record.value for record in records]
        if None in key_bytes or None in values or min(key_bytes) < _FIRST_KEY:
            return None
        if max(map(len, key_bytes)) > MAX_KEY_BYTES:
            return None
        try:
            events = list(map(self._processor.decode, values))
            times = list(map(self._processor.event_time_ms, events))
            keys = list(map(bytes.decode, key_bytes))
        except Exception:  # noqa: BLE001  whose it is, a look at each will tell
            return None
        return keys, events, times, values

    def _look_at_each(self, records: Sequence[InRecord], columns: _Columns[E] | None) -> Iterator[Work]:
        """Decide records with all that may come between them: timers, controls, poison, what is known already."""
        timers, states, number, parked = self.timers, self.states, self._number, self._parked
        shortest, replay_until = self._processor.shortest_wake_ms, self._replay_until
        watermark, fence = self.watermark_ms, self.fence
        decoded = None if columns is None else list(zip(*columns, strict=True))
        run: list[Input[E]] = []
        run_ends_ms = 0
        for at, record in enumerate(records):
            offset = record.offset
            if record.key is None:
                self.watermark_ms = watermark
                yield from self._settle(run, offset)
                yield from self._control(record)
                watermark, fence = self.watermark_ms, offset
                continue
            try:
                key, event, at_ms, value = self._decoded(record) if decoded is None else decoded[at]
            except Exception as error:  # noqa: BLE001  whatever it is, it is this record's alone
                self._poison(record, error, "undecodable")
                fence = offset
                continue
            now_ms = at_ms
            if now_ms < watermark:
                now_ms = watermark
            if now_ms >= run_ends_ms or timers.earliest_ms <= now_ms or parked:
                self.watermark_ms = watermark
                yield from self._settle(run, offset)
                self.watermark_ms = now_ms
                yield from self._fire(offset)
                run_ends_ms = now_ms + shortest
            watermark, fence = now_ms, offset
            if offset <= replay_until and offset <= states.fence(key):
                continue
            run.append(Input(key, event, at_ms, now_ms, number, offset, record.headers, value))
        self.watermark_ms = watermark
        self._decide(run)
        self.fence = max(self.fence, fence)

    def _decoded(self, record: InRecord) -> tuple[str, E, int, bytes]:
        key, value = record.key, record.value
        if key is None or value is None or key < _FIRST_KEY or len(key) > MAX_KEY_BYTES:
            raise Reject(f"no value, or a key that is empty, starts with NUL or has over {MAX_KEY_BYTES} bytes")
        event = self._processor.decode(value)
        at_ms = self._processor.event_time_ms(event)
        return key.decode(), event, at_ms, value

    def _restore(self, key: str, row: bytes) -> None:
        fence, wake_at_ms = fence_of(row), wake_at_ms_of(row)
        if fence > self.fence:
            self._replay_until = max(self._replay_until, fence)
            if wake_at_ms is not None:
                self._parked.append((fence, key, wake_at_ms))
        elif wake_at_ms is not None:
            self.timers.set(key, wake_at_ms)

    def _settle(self, run: list[Input[E]], offset: int) -> Iterator[Work]:
        """Decide the run so far, and make ready for what happens at `offset`."""
        self._decide(run)
        run.clear()
        self.fence = max(self.fence, offset - 1)
        while self._parked and self._parked[0][0] < offset:
            _, key, wake_at_ms = heappop(self._parked)
            self.timers.set(key, wake_at_ms)
        if self._is_large():
            yield self._close(self.fence)

    def _fire(self, offset: int) -> Iterator[Work]:
        """Wake every key whose timer is due at the watermark; what is done counts as done before `offset`."""
        while (due := self.timers.pop_due(self.watermark_ms)) is not None:
            due_ms, keys = due
            for start in range(0, len(keys), self._wake_keys):
                self._wake(keys[start : start + self._wake_keys], due_ms, offset)
                if self._is_large():
                    # Keys of this instant that are still to be woken have no timer any more: give it back first.
                    for key in keys[start + self._wake_keys :]:
                        self.timers.set(key, due_ms)
                    yield self._close(offset - 1)
                    break

    def _wake(self, keys: list[str], due_ms: int, offset: int) -> None:
        self._touched.update(dict.fromkeys(keys))
        try:
            decisions = self._processor.wake(self.states, keys, due_ms, self.controls)
            self._check_wake(decisions, due_ms)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001  a bug in the processor: find the one key it concerns
            if len(keys) > 1:
                for key in keys:
                    self._wake([key], due_ms, offset)
                return
            self._work.poison.append(_wake_poison(keys[0], due_ms, offset, error))
            return
        self._apply(decisions)

    def _check_wake(self, decisions: Decisions[S], due_ms: int) -> None:
        for key, at_ms in decisions.wake_at_ms.items():
            if at_ms is not None and at_ms <= due_ms:
                raise ValueError(f"wake asked for {key!r} at {at_ms}, which is not later than {due_ms}")
        self._check_sizes(decisions)

    def _control(self, record: InRecord) -> Iterator[Work]:
        try:
            control = decode_control(record.value)
        except Reject as error:
            self._poison(record, error, "undecodable")
            return
        if isinstance(control, ClockTicked):
            self.watermark_ms = max(self.watermark_ms, to_ms(control.at))
        yield from self._fire(record.offset)
        if not isinstance(control, ClockTicked):
            generation = generation_of(control)
            forgotten = self.controls.add(generation, self.watermark_ms)
            self._control_rows.append(control_row(generation, record.offset))
            self._control_rows.extend(control_tombstone(old, record.offset) for old in forgotten)
        if self._processor.forward_controls_to is not None and record.value is not None:
            self._work.outputs.append(Forwarded(record.value, record.headers))

    def _decide(self, run: list[Input[E]]) -> None:
        if not run:
            return
        try:
            decisions = self._processor.decide(self.states, run, self.controls)
            self._check_sizes(decisions)
            if len(run) > 1 and self._is_due_within(decisions, run[-1].now_ms):
                self._decide_singly(run)
                return
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001  a bug in the processor: find the one input it concerns
            if len(run) > 1:
                self._decide_singly(run)
                return
            kind = "oversize" if isinstance(error, _OversizeError) else "raised"
            self._poison_input(run[0], error, kind)
            return
        self._apply(decisions)

    def _is_due_within(self, decisions: Decisions[S], last_ms: int) -> bool:
        return any(at_ms is not None and at_ms <= last_ms for at_ms in decisions.wake_at_ms.values())

    def _decide_singly(self, run: list[Input[E]]) -> None:
        """Decide the run again, input by input, with the timers that fall due in between."""
        last_ms = self.watermark_ms
        for one in run:
            self.watermark_ms = one.now_ms
            while (due := self.timers.pop_due(one.now_ms)) is not None:
                self._wake(due[1], due[0], one.offset)
            self._decide([one])
        self.watermark_ms = last_ms

    def _apply(self, decisions: Decisions[S]) -> None:
        if decisions.outputs:
            self._work.outputs.extend(decisions.outputs)
        touched = self._touched
        self.states.update(decisions.states)
        touched.update(decisions.states)
        if decisions.wake_at_ms:
            for key, at_ms in decisions.wake_at_ms.items():
                self.timers.set(key, at_ms)
            touched.update(decisions.wake_at_ms)
        for one, reject in decisions.rejects:
            self._poison_input(one, reject, "rejected")

    def _check_sizes(self, decisions: Decisions[S]) -> None:
        outputs = decisions.outputs
        if max(map(len, [output.value for output in outputs if output.value]), default=0) > MAX_VALUE_BYTES:
            longest = max(outputs, key=lambda output: len(output.value or b""))
            raise _OversizeError(f"an output of {len(longest.value or b'')} bytes for {longest.topic.name}")

    def _give_out(self) -> Outputs:
        work = self._work
        outputs, work.outputs = work.outputs, []
        work.n_outputs += len(outputs)
        return outputs

    def _is_large(self) -> bool:
        return len(self._touched) + len(self._written) > self._work_rows

    def _write_rows(self, fence: int) -> None:
        self.states.write(self._touched, fence, self.timers.get, self._written)
        self._touched.clear()

    def _close(self, fence: int) -> Work:
        """Return the work up to `fence` with the rows that make it durable, and begin the next."""
        work, self._work = self._work, Work()
        work.n_outputs += len(work.outputs)
        self._write_rows(fence)
        work.rows = list(self._written.values())
        work.rows.extend(map(message_of, self._control_rows))
        work.rows.append(message_of(partition_row(fence, self.watermark_ms)))
        work.n_inputs, self._n_inputs = self._n_inputs, 0
        work.fence, work.watermark_ms = fence, self.watermark_ms
        self._written.clear()
        self._control_rows.clear()
        self.states.age()
        return work

    def _poison(self, record: InRecord, error: Exception, kind: str) -> None:
        self._work.poison.append(
            Poison(
                kind,
                *_explain(error),
                record.offset,
                record.key,
                record.value,
                record.headers,
                record.timestamp,
            )
        )

    def _poison_input(self, one: Input[E], error: Exception, kind: str) -> None:
        self._work.poison.append(
            Poison(kind, *_explain(error), one.offset, one.key.encode(), one.raw, one.headers, one.now_ms)
        )


class _OversizeError(PulselineError):
    """A decision holds a value that no broker takes."""


def _wake_poison(key: str, due_ms: int, offset: int, error: Exception) -> Poison:
    reason, text, pointer = _explain(error)
    reason = f"waking the key at {due_ms} failed: {reason}"
    return Poison("wake_raised", reason, text, pointer, offset, key.encode(), None, (), due_ms)


def _explain(error: Exception) -> tuple[str, str, str]:
    """Return the reason, the traceback and the JSON pointer of a failure."""
    if isinstance(error, Reject):
        return error.reason, str(error), error.pointer
    text = "".join(traceback.format_exception(error))
    return f"{type(error).__name__}: {error}", text[-_ERROR_LENGTH:], ""
