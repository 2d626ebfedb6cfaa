"""A worker process that kills itself where it is told to, or breaks a rule of the engine on purpose.

python -m tests.chaos.engine.worker BOOTSTRAP PREFIX MEMBER [--die BOUNDARY] [--after N] [--sabotage RULE]
"""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from shared import event_loop
from shared.clock import SystemClock
from shared.kafka import engine as engine_module
from shared.kafka.changelog import KafkaStateReader, LoadedState, StateRecord, load
from shared.kafka.engine import Engine
from shared.kafka.publisher import Acked, Filling, Message, Place, Publisher
from shared.kafka.rows import encode_row, state_of, wake_at_ms_of
from shared.kafka.worker import Worker, WorkerSettings
from tests.factories.kafka_processors import WATCH_STATE, Watch

BOUNDARIES = ("before publish", "between publish and state", "between state and ack", "load", "rebalance")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Kills the process at the n-th passage of one boundary."""

    def __init__(self, boundary: str | None, after: int) -> None:
        self._boundary = boundary
        self._left = after

    def passes(self, boundary: str) -> None:
        if boundary == self._boundary:
            self._left -= 1
            if self._left < 0:
                die()


class DyingPublisher(Publisher):
    """A real publisher around which the process dies."""

    def __init__(self, bootstrap: str, countdown: Countdown) -> None:
        super().__init__(bootstrap)
        self._countdown = countdown

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message] | Filling]) -> dict[Place, list[Acked]]:
        is_state = any(topic.endswith(WATCH_STATE.name) for topic, _ in batches)
        self._countdown.passes("between publish and state" if is_state else "before publish")
        acked = await super().publish_batches(batches)
        if is_state:
            self._countdown.passes("between state and ack")
        return acked


class DyingReader(KafkaStateReader):
    """A real reader in the middle of which the process dies."""

    def __init__(self, bootstrap: str, countdown: Countdown) -> None:
        super().__init__(bootstrap)
        self._countdown = countdown

    async def read(self, topic: str, partition: int) -> AsyncIterator[Sequence[StateRecord]]:
        async for records in super().read(topic, partition):
            yield records
            self._countdown.passes("load")


class DyingWorker(Worker[Any, Any]):
    """A real worker that dies while it is given partitions."""

    countdown: Countdown

    async def _on_assigned(self, _app: Any, assigned: Any, **_others: Any) -> None:
        self.countdown.passes("rebalance")
        await super()._on_assigned(_app, assigned, **_others)


class EarlyAck(DyingWorker):
    """Sabotage: offsets are committed before the work is done."""

    async def _handle(self, number: int, events: list[Any]) -> None:
        for event in events:
            event.ack()
        consumer, message = self._app.consumer, events[-1].message
        # A call beside another's commit returns when that one ends, and what it asked for is not in it. Nothing can be
        # committed any more once the partition has gone elsewhere.
        while self._is_ours(message.generation_id) and (
            (consumer._committed_offset[message.tp] or 0) <= message.offset
        ):
            await consumer.commit()
            await asyncio.sleep(0)
        await super()._handle(number, events)


class EagerMemory(DyingWorker):
    """Sabotage: what was in memory is believed whatever generation it is from."""

    async def _on_assigned(self, _app: Any, assigned: Any, **_others: Any) -> None:
        kept = dict(self._engine._cells)
        await super()._on_assigned(_app, assigned, **_others)
        for cell in kept.values():
            cell.is_checked = True
        self._engine._cells.update(kept)


def _store_first() -> None:
    """Sabotage: states are written before outputs."""

    async def perform(
        self: Any, number: int, cell: Any, work: Any, batches: dict[Place, Filling], is_ours: Callable[[], bool]
    ) -> None:
        await self._store(number, cell, work.rows, is_ours)
        await self._fill(batches, number, work.outputs)
        await self._persist(number, lambda: self._publisher.publish_batches(batches), is_ours)
        self._stores[number] = asyncio.get_running_loop().create_task(asyncio.sleep(0))

    Engine._perform = perform  # type: ignore[method-assign]  # that is the sabotage


def _forget_fences() -> None:
    """Sabotage: what the state already includes is not known."""

    async def forgetful(*arguments: Any) -> LoadedState:
        loaded = await load(*arguments)
        rows = {key: encode_row(0, wake_at_ms_of(row), state_of(row)) for key, row in loaded.rows.items()}
        return loaded._replace(fence=-1, rows=rows)

    setattr(engine_module, "load", forgetful)  # noqa: B010  the engine exports it to nobody


def _believe_positions() -> None:
    """Sabotage: a batch out of turn is taken as it comes (else it would be read again, and all would be well)."""

    async def believe(*_arguments: Any) -> None:
        return

    setattr(Engine, "_check_turn", believe)  # noqa: B010  that is the sabotage


class LatestReader(DyingReader):
    """Sabotage: the reader of states starts at the end, as the default reset does after a lost race."""

    async def _read(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> AsyncIterator[Sequence[StateRecord]]:
        consumer.assign([place])
        await consumer.seek_to_end(place)
        for records in (await consumer.getmany(timeout_ms=100)).values():
            yield records


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("member")
    parser.add_argument("--die", choices=BOUNDARIES)
    parser.add_argument("--after", type=int, default=0)
    parser.add_argument("--sabotage", default="")
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(name)s %(message)s")
    countdown = Countdown(options.die, options.after)
    if options.sabotage == "store first":
        _store_first()
    if options.sabotage == "no fence":
        _forget_fences()
    if options.sabotage in ("ignore generation", "latest reset", "early ack"):
        _believe_positions()
    workers = {"early ack": EarlyAck, "ignore generation": EagerMemory}
    readers = {"latest reset": LatestReader}
    settings = WorkerSettings(
        options.bootstrap,
        options.prefix,
        max_poll_records=200,
        session_timeout_s=6,
        heartbeat_s=1,
        stall_timeout_s=40,
        member_id=None if options.member == "-" else options.member,
    )
    worker = workers.get(options.sabotage, DyingWorker)(
        Watch(),
        settings,
        CollectorRegistry(),
        SystemClock(),
        publisher=DyingPublisher(options.bootstrap, countdown),
        reader=readers.get(options.sabotage, DyingReader)(options.bootstrap, countdown),
    )
    worker.countdown = countdown
    await worker.run()


if __name__ == "__main__":
    event_loop.run(main())
