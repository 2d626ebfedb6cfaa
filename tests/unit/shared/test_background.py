"""Background work that fails ends the process in order; nothing lives on half dead."""

import asyncio
import signal

import pytest

from shared.background import endless


async def test_work_that_fails_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)

    async def work() -> None:
        raise KeyError("a bug")

    await endless("keys", work())

    await asyncio.wait_for(asked_to_end.wait(), 5)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    assert [record.work for record in caplog.records] == ["keys"]  # type: ignore[attr-defined]
