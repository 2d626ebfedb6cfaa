"""Keeps a summary close behind the tables it sums up. Any number of API processes run it, one works."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import patiently

log = logging.getLogger(__name__)

_INTERVAL_S = 2.0


class SummaryClockwork:
    """`claim` is done once before the first step; `advance` does one and is true when there is more to do.

    After each step it rests `rest` times as long as that took: an import goes first, and what waits is only asked for
    by who counts.
    """

    def __init__(
        self,
        pool: Any,
        clock: Clock,
        advance: Callable[[Any, datetime], Awaitable[bool]],
        *,
        rest: float,
        claim: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._advance = advance
        self._rest = rest
        self._claim = claim

    async def run(self) -> None:
        """Work until cancelled; an outage is waited out."""
        while True:
            started = self._clock.monotonic()
            is_behind = False
            try:
                is_behind = await self.tick()
            except Unavailable as outage:
                log.debug("a summary waits", extra={"reason": str(outage)})
            took_s = self._clock.monotonic() - started
            await asyncio.sleep(self._rest * took_s if is_behind else _INTERVAL_S)

    async def tick(self) -> bool:
        """Do some of what there is to do; true when there is more."""
        if self._claim is not None:
            async with patiently(self._pool) as connection:
                await self._claim(connection)
            self._claim = None
        async with patiently(self._pool) as connection:
            return await self._advance(connection, self._clock.now())
