"""The event loop that long-running processes run on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Return what `main` returns, as `asyncio.run`; its loop and those that threads make are uvloop's.

    At a few records a batch a worker does little but turn its loops: this halves their share.
    """
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(main)
