"""Work that goes on beside a service's requests and must not end unnoticed."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


async def endless(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Await the work; should it fail, end the process in order."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception:
        # A bug: the supervisor restarts a process that ends, and nobody would notice one that lives on half dead.
        log.critical("background work ended", extra={"action": "background_ended", "work": name}, exc_info=True)
        signal.raise_signal(signal.SIGTERM)
