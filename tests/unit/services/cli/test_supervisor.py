"""What is started in a thread is never left to itself; what is waited for is said once."""

import asyncio
import threading

from services.cli.probe import Report
from services.cli.supervisor import _to_its_end, still_waiting


def test_services_that_wait_for_the_same_are_told_in_one_line() -> None:
    waiting = {
        "ingest": Report("down", "Connection refused"),
        "sentiment": Report("down", "Connection refused"),
        "api": Report("unready"),
    }

    assert still_waiting(waiting) == [
        "still waiting for ingest, sentiment: Connection refused",
        "still waiting for api: unready",
    ]


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
