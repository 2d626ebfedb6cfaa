"""Works the queue of notifications: claim, send, settle; any number of API processes share it."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

from services.api.metrics import ApiMetrics
from services.api.notification import store
from services.api.notification.decide import judge
from services.api.notification.model import Job
from services.api.notification.send import Sender
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.pool import reading, transaction
from shared.rate import RateLimit

log = logging.getLogger(__name__)

_BATCH = 20
_IDLE_S = 0.5
_KEEP_FINISHED = timedelta(days=30)
_HOUSEKEEPING_S = 3600.0


class Courier:
    def __init__(self, pool: Any, sender: Sender, metrics: ApiMetrics, clock: Clock, chance: random.Random) -> None:
        self._pool = pool
        self._sender = sender
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._rates: dict[int, RateLimit] = {}
        self._cleaned_at_s = float("-inf")

    async def run(self) -> None:
        """Work until cancelled; an outage of PostgreSQL is waited out."""
        while True:
            n_claimed = 0
            try:
                n_claimed = await self.work()
                await self._clean_up()
            except Unavailable:
                log.debug("notifications wait for PostgreSQL")
            if n_claimed == 0:
                await asyncio.sleep(_IDLE_S)

    async def work(self) -> int:
        """Send what is due now, side by side, and return how many jobs that was."""
        async with transaction(self._pool) as connection:
            jobs = await store.claim(connection, self._clock.now(), _BATCH)
        await asyncio.gather(*(self._deliver(job) for job in jobs))
        return len(jobs)

    async def _deliver(self, job: Job) -> None:
        rate = self._rates.setdefault(
            job.endpoint.rate_per_minute,
            RateLimit(job.endpoint.rate_per_minute / 60, max(1, job.endpoint.rate_per_minute // 10)),
        )
        if (wait := rate.take(job.endpoint.id, self._clock.monotonic())) > 0:
            async with reading(self._pool) as connection:
                await store.postpone(connection, job, self._clock.now() + timedelta(seconds=wait))
            return
        async with reading(self._pool) as connection:
            row = await store.event(connection, job.seq)
            if row is None:
                await store.drop(connection, job, self._clock.now(), "the customer was erased")
                return
        outcome = await self._sender.send(job.endpoint, row, job.message_id)
        now = self._clock.now()
        verdict = judge(job, outcome, now, self._chance.random())
        async with transaction(self._pool) as connection:
            await store.settle(connection, job, outcome, verdict, now)
        self._metrics.deliveries.labels(job.endpoint.kind, "delivered" if outcome.is_delivered else "failed").inc()
        if verdict.disable is not None:
            log.error(
                "notification endpoint disabled",
                extra={"action": "endpoint_disabled", "endpoint": job.endpoint.id, "reason": verdict.disable},
            )

    async def _clean_up(self) -> None:
        now = self._clock.monotonic()
        if now - self._cleaned_at_s < _HOUSEKEEPING_S:
            return
        self._cleaned_at_s = now
        async with reading(self._pool) as connection:
            await store.forget_finished(connection, self._clock.now() - _KEEP_FINISHED)
