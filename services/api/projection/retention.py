"""Drops months of interactions that are older than the settings want to keep."""

import asyncio
import logging
from datetime import datetime
from typing import Any

from services.api.projection.store import drop_months_before
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import reading

log = logging.getLogger(__name__)

_INTERVAL_S = 3600.0


class Retention:
    """`n_months` whole months before the present one are kept; 0 keeps everything."""

    def __init__(self, pool: Any, clock: Clock, n_months: int) -> None:
        self._pool = pool
        self._clock = clock
        self._n_months = n_months

    async def run(self) -> None:
        """Look once an hour until cancelled; an outage is waited out."""
        while True:
            if self._n_months:
                try:
                    async with reading(self._pool) as connection:
                        dropped = await drop_months_before(connection, oldest_kept(self._clock.now(), self._n_months))
                except Unavailable:
                    log.debug("retention waits for PostgreSQL")
                else:
                    if dropped:
                        log.info("dropped months", extra={"action": "months_dropped", "partitions": dropped})
            await asyncio.sleep(_INTERVAL_S)


def oldest_kept(now: datetime, n_months: int) -> tuple[int, int]:
    """Return (year, month) of the oldest month to keep."""
    months = now.year * 12 + now.month - 1 - n_months
    return months // 12, months % 12 + 1
