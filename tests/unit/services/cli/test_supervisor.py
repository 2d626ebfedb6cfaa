"""What is started in a thread is never left to itself."""

import asyncio
import threading

from services.cli.supervisor import _to_its_end


async def test_a_start_that_nobody_wants_any_more_is_waited_for() -> None:
    has_begun, may_end, ended = threading.Event(), threading.Event(), list[str]()

    def start(name: str) -> None:
        has_begun.set()
        may_end.wait()
        ended.append(name)

    starting = asyncio.create_task(_to_its_end(start, "server"))
    await asyncio.to_thread(has_begun.wait)
    starting.cancel()
    await asyncio.wait([starting], timeout=0.05)
    was_waiting = not starting.done()
    may_end.set()
    await asyncio.wait([starting])

    assert (was_waiting, ended, starting.cancelled()) == (True, ["server"], True)
