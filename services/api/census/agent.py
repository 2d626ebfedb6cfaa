"""Looks into the database from time to time and shows what it found as metrics; every API process shows the same."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import asyncpg

from services.api.census.model import CALIBRATIONS, ENDPOINT_STATES, Calibration, Census
from services.api.census.store import take
from services.api.metrics import ApiMetrics
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import reading

log = logging.getLogger(__name__)

# A census may take this share of one connection's time: over millions of customers it comes round less often.
_MOST_TIME_SHARE = 0.05


class CensusTaker:
    def __init__(self, pool: Any, metrics: ApiMetrics, clock: Clock, every_s: float) -> None:
        self._pool = pool
        self._metrics = metrics
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Look until cancelled; an outage is waited out."""
        while True:
            started = self._clock.monotonic()
            try:
                async with reading(self._pool) as connection:
                    census = await take(connection, self._clock.now())
            except Unavailable:
                log.debug("the census waits for PostgreSQL")
                await asyncio.sleep(self._every_s)
                continue
            except asyncpg.PostgresError:
                # A bug, yet only of what is shown: its age tells, and the API goes on.
                log.exception("the census failed", extra={"action": "census_failed"})
                await asyncio.sleep(self._every_s)
                continue
            took_s = self._clock.monotonic() - started
            show(census, self._metrics, self._clock.now())
            self._metrics.census_seconds.set(took_s)
            await asyncio.sleep(max(self._every_s, took_s / _MOST_TIME_SHARE))


def show(census: Census, metrics: ApiMetrics, now: datetime) -> None:
    """Set every gauge of the census; what is not there any more is 0, not what it was."""

    def age_s(since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (now - since).total_seconds())

    metrics.census_at.set(now.timestamp())
    metrics.customers.show(census.customers)
    metrics.expected_loss.show(census.expected_loss)
    metrics.alerts.show(census.alerts)
    metrics.oldest_untouched.set(age_s(census.oldest_untouched_at))
    metrics.closed.show(census.closed)
    for of in CALIBRATIONS:
        found = census.calibration.get(of, Calibration())
        metrics.calibration_resolved.labels(of).set(found.n)
        metrics.calibration_predicted.labels(of).set(found.predicted)
        metrics.calibration_left.labels(of).set(found.left)
    metrics.queue.labels("waiting").set(census.n_pending - census.n_due)
    metrics.queue.labels("due").set(census.n_due)
    metrics.queue_age.set(age_s(census.oldest_due_at))
    metrics.endpoints.show(
        {(kind, state): 0 for kind, _ in census.endpoints for state in ENDPOINT_STATES} | census.endpoints
    )
    metrics.failing_since.set(age_s(census.failing_since))
    metrics.dead_letters.show(census.dead_letters)
    metrics.database_bytes.set(census.database_bytes)
    metrics.server_connections.show(census.server_connections)
    metrics.server_max_connections.set(census.server_max_connections)
    metrics.oldest_transaction.set(census.oldest_transaction_s)
    metrics.cache_hits.set(census.cache_hit_ratio)
