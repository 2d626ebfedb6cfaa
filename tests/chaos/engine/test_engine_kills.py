"""kill -9 everywhere, judged by a stranger: nothing missing, nothing with other content, every state exact."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from shared.embedded.kafka import EmbeddedKafka
from tests.chaos.engine.harness import PARTITIONS, Chaos, log_of
from tests.chaos.engine.worker import BOUNDARIES

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_kill_at_a_boundary_loses_nothing(chaos: Chaos, boundary: str) -> None:
    logs = [log_of(seed, 2_000) for seed in range(PARTITIONS)]
    await chaos.feed(logs, 0, 1_000)
    first = chaos.worker("last")
    await chaos.handled()
    first.send_signal(signal.SIGKILL)
    await chaos.feed(logs, 1_000)

    doomed = chaos.worker("last", "--die", boundary, "--after", "0" if boundary == "rebalance" else "2")

    assert await chaos.died(doomed) == -signal.SIGKILL
    assert (await chaos.finish())["faults"] == {}


async def test_twenty_kills_at_random_lose_nothing(chaos: Chaos) -> None:
    logs = [log_of(seed, 20_000) for seed in range(PARTITIONS)]
    chance = random.Random(7)
    for kill in range(20):
        await chaos.feed(logs, 1_000 * kill, 1_000 * (kill + 1))
        victim = chaos.worker("last")
        await chaos.assigned(victim)
        await asyncio.sleep(chance.random())
        victim.send_signal(signal.SIGKILL)
        await chaos.died(victim)

    verdict = await chaos.finish()

    assert verdict["faults"] == {}
    assert verdict["inputs"] == 20_000 * PARTITIONS


async def test_ten_rebalances_with_a_third_worker_lose_nothing(chaos: Chaos) -> None:
    logs = [log_of(seed, 5_500) for seed in range(PARTITIONS)]
    chaos.worker(), chaos.worker()
    for turn in range(5):
        await chaos.feed(logs, 1_000 * turn, 1_000 * turn + 500)
        third = chaos.worker()
        await chaos.assigned(third)
        await asyncio.sleep(0.5)
        await chaos.feed(logs, 1_000 * turn + 500, 1_000 * (turn + 1))
        third.terminate()
        assert await chaos.died(third) == 0
    await chaos.feed(logs, 5_000)
    await chaos.handled()

    codes = await chaos.stop()

    assert codes == [0, 0]
    assert (await chaos.verdict())["faults"] == {}


async def test_poison_is_in_dead_letters_and_everything_else_is_exact(chaos: Chaos) -> None:
    await chaos.feed([log_of(seed, 3_000, poison_ratio=0.01) for seed in range(PARTITIONS)])

    verdict = await chaos.finish()

    assert verdict["faults"] == {}


async def test_a_broker_killed_twice_loses_nothing(
    fresh_kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path
) -> None:
    chaos = Chaos(fresh_kafka.bootstrap, topic_prefix, tmp_path)
    await chaos.prepare()
    logs = [log_of(seed, 9_000) for seed in range(PARTITIONS)]
    workers = [chaos.worker(), chaos.worker()]
    try:
        for turn in range(2):
            await chaos.feed(logs, 3_000 * turn, 3_000 * (turn + 1))
            await chaos.assigned(workers[0])
            await asyncio.to_thread(fresh_kafka.kill)
            await asyncio.sleep(2)
            await asyncio.to_thread(fresh_kafka.start)
        await chaos.feed(logs, 6_000)
        await chaos.supervised(120)

        assert (await chaos.verdict())["faults"] == {}
    finally:
        chaos.kill_all()
