"""Each rule of the engine broken on purpose: the stranger notices, so the tests that rest on it can fail."""

import signal

import pytest

from tests.chaos.engine.harness import PARTITIONS, Chaos, log_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]


async def _killed_once(chaos: Chaos, sabotage: str, boundary: str) -> dict[str, int]:
    """Run two sabotaged workers one after the other, the first killed at a boundary; return the faults."""
    await chaos.feed([log_of(seed, 2_000) for seed in range(PARTITIONS)])
    doomed = chaos.worker("last", "--sabotage", sabotage, "--die", boundary, "--after", "9")
    await chaos.died(doomed)
    chaos.worker("last", "--sabotage", sabotage)
    await chaos.handled()
    await chaos.stop()
    faults: dict[str, int] = (await chaos.verdict())["faults"]
    return faults


async def test_states_before_outputs_lose_outputs(chaos: Chaos) -> None:
    faults = await _killed_once(chaos, "store first", "before publish")

    assert faults["missing"] > 0


async def test_a_missing_fence_counts_twice(chaos: Chaos) -> None:
    faults = await _killed_once(chaos, "no fence", "between state and ack")

    assert faults["wrong state"] > 0
    assert faults["other content"] > 0


async def test_an_early_ack_loses_inputs(chaos: Chaos) -> None:
    faults = await _killed_once(chaos, "early ack", "before publish")

    assert faults["missing"] > 0


async def test_a_state_reader_that_starts_at_the_end_forgets_everything(chaos: Chaos) -> None:
    logs = [log_of(seed, 2_000) for seed in range(PARTITIONS)]
    await chaos.feed(logs, 0, 1_000)
    first = chaos.worker("last", "--sabotage", "latest reset")
    await chaos.handled()
    first.kill()
    await chaos.died(first)
    await chaos.feed(logs, 1_000)
    chaos.worker("last", "--sabotage", "latest reset")
    await chaos.handled()

    assert (await chaos.verdict())["faults"]["wrong state"] > 0


async def test_memory_of_an_older_generation_goes_wrong(chaos: Chaos) -> None:
    logs = [log_of(seed, 3_000) for seed in range(PARTITIONS)]
    chaos.worker("-", "--sabotage", "ignore generation")
    await chaos.feed(logs, 0, 1_000)
    await chaos.handled()
    visitor = chaos.worker("-")
    await chaos.assigned(visitor)
    await chaos.feed(logs, 1_000, 2_000)
    await chaos.handled()
    visitor.send_signal(signal.SIGTERM)
    await chaos.died(visitor)
    await chaos.feed(logs, 2_000)
    await chaos.handled()

    assert (await chaos.verdict())["faults"]["wrong state"] > 0
