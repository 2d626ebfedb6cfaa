"""Drops months of interactions that are older than the settings want to keep, and days of risk nobody asks for."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from services.api.projection.store import drop_months_before, forget_risk_before
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import reading

log = logging.getLogger(__name__)

_INTERVAL_S = 3600.0
# A year to compare with, and a month to spare; routes of services/api/risk ask for no more.
_RISK_DAYS_KEPT = timedelta(days=400)


class Retention:
    """`n_months` whole months before the present one are kept; 0 keeps everything."""

    def __init__(self, pool: Any, clock: Clock, n_months: int) -> None:
        self._pool = pool
        self._clock = clock
        self._n_months = n_months

    async def run(self) -> None:
        """Look once an hour until cancelled; an outage is waited out."""
        while True:
            try:
                await self.tick()
            except Unavailable:
                log.debug("retention waits for PostgreSQL")
            await asyncio.sleep(_INTERVAL_S)

    async def tick(self) -> None:
        """Drop what is too old now. Raises `Unavailable` when PostgreSQL is away."""
        now = self._clock.now()
        async with reading(self._pool) as connection:
            while await forget_risk_before(connection, (now - _RISK_DAYS_KEPT).date()):
                pass
            if not self._n_months:
                return
            if dropped := await drop_months_before(connection, oldest_kept(now, self._n_months)):
                log.info("dropped months", extra={"action": "months_dropped", "partitions": dropped})


def oldest_kept(now: datetime, n_months: int) -> tuple[int, int]:
    """Return (year, month) of the oldest month to keep."""
    months = now.year * 12 + now.month - 1 - n_months
    return months // 12, months % 12 + 1
