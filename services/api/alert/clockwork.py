"""What time alone does to alerts: ended snoozes and expiries, looked for each second by whoever comes first."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from services.api.alert.store import append_due
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import transaction

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_BATCH = 500


class AlertClockwork:
    def __init__(self, pool: Any, clock: Clock, *, expires_after: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._expires_after = expires_after

    async def run(self) -> None:
        """Look until cancelled; an outage is waited out."""
        while True:
            n_due = 0
            try:
                n_due = await self.tick()
            except Unavailable:
                log.debug("alert clockwork waits for PostgreSQL")
            if n_due < _BATCH:
                await asyncio.sleep(_INTERVAL_S)

    async def tick(self) -> int:
        """Append what is due now and return how many events that was."""
        async with transaction(self._pool) as connection:
            return await append_due(connection, self._clock.now(), self._expires_after, _BATCH)
