import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from shared import event_loop


@pytest.fixture(autouse=True)
def _policy() -> Iterator[None]:
    before = asyncio.get_event_loop_policy()
    yield
    asyncio.set_event_loop_policy(before)


async def _loops() -> tuple[object, object]:
    def in_thread() -> object:
        loop = asyncio.new_event_loop()
        loop.close()
        return loop

    return asyncio.get_running_loop(), await asyncio.to_thread(in_thread)


def test_the_loop_and_those_of_threads_are_uvloops() -> None:
    assert all(isinstance(loop, uvloop.Loop) for loop in event_loop.run(_loops()))
