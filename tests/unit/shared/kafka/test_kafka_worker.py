"""How a worker begins what was fetched together, without Kafka."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import SystemClock
from shared.kafka.worker import Worker, WorkerSettings
from tests.factories.kafka_processors import Watch


class _Stream:
    """Gives out one batch a turn of the loop, as Faust's."""

    def __init__(self, *partitions: int) -> None:
        self._waiting = list(partitions)
        self._offsets = count()
        self.channel = SimpleNamespace(queue=SimpleNamespace(qsize=lambda: len(self._waiting)))

    def noack(self) -> "_Stream":
        return self

    async def events(self) -> AsyncIterator[Any]:
        while self._waiting:
            await asyncio.sleep(0)
            number, offset = self._waiting.pop(0), next(self._offsets)
            message = SimpleNamespace(partition=number, generation_id=1)
            yield SimpleNamespace(message=message, value=[SimpleNamespace(offset=offset)])


@pytest.fixture
def worker() -> Worker[Any, Any]:
    return Worker(Watch(), WorkerSettings("127.0.0.1:1"), CollectorRegistry(), SystemClock())


async def test_partitions_that_were_fetched_together_begin_in_one_turn(
    worker: Worker[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []
    before_others_began: list[int] = []

    async def work_off(number: int, _inbox: Any) -> None:
        began.append(number)
        await asyncio.sleep(0)
        before_others_began.append(len(began))

    monkeypatch.setattr(worker, "_work_off", work_off)
    await worker._consume(_Stream(0, 1, 2, 3))
    while len(before_others_began) < 4:
        await asyncio.sleep(0)

    assert sorted(began) == [0, 1, 2, 3]
    assert before_others_began == [4, 4, 4, 4]


async def test_what_comes_for_a_partition_in_hand_waits_for_it(
    worker: Worker[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    async def work_off(_number: int, inbox: Any) -> None:
        while events := inbox.take():
            taken.append(len(events))
            await asyncio.sleep(0)

    monkeypatch.setattr(worker, "_work_off", work_off)
    await worker._consume(_Stream(0, 0, 0))
    while not worker._in_hand:
        await asyncio.sleep(0)
    await asyncio.gather(*worker._in_hand.values())

    assert sum(taken) == 3
    assert list(worker._in_hand) == [0]


async def test_a_worker_whose_ticker_or_watch_over_lag_has_failed_ends(worker: Worker[Any, Any]) -> None:
    async def fail() -> None:
        raise ValueError("nobody foresaw this")

    worker._beside(fail())
    await worker._ended.wait()

    assert str(worker._failure) == "nobody foresaw this"


async def test_what_runs_beside_the_batches_may_be_cancelled(worker: Worker[Any, Any]) -> None:
    task = worker._beside(asyncio.sleep(3_600))
    task.cancel()
    await asyncio.wait([task])

    assert worker._failure is None
