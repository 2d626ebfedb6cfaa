"""Keeps the summary of who bought when close behind the orders. Any number of API processes run it, one works."""

import asyncio
import logging
from typing import Any

from services.api.kpi import buyers
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import patiently

log = logging.getLogger(__name__)

_INTERVAL_S = 2.0
# So much longer than it worked it rests while there is more to do: an import goes first, and what waits is only asked
# for by who counts kept customers.
_REST = 2.0


class BuyersClockwork:
    def __init__(self, pool: Any, clock: Clock, time_zone: str) -> None:
        self._pool = pool
        self._clock = clock
        self._time_zone = time_zone
        self._is_claimed = False

    async def run(self) -> None:
        """Work until cancelled; an outage is waited out."""
        while True:
            started = self._clock.monotonic()
            is_behind = False
            try:
                is_behind = await self.tick()
            except Unavailable as outage:
                log.debug("the summary of buyers waits", extra={"reason": str(outage)})
            took_s = self._clock.monotonic() - started
            await asyncio.sleep(_REST * took_s if is_behind else _INTERVAL_S)

    async def tick(self) -> bool:
        """Do some of what there is to do; true when there is more."""
        async with patiently(self._pool) as connection:
            if not self._is_claimed:
                await buyers.claim(connection, self._time_zone)
        self._is_claimed = True
        async with patiently(self._pool) as connection:
            return await buyers.advance(connection, self._clock.now())
