"""Works the queue of notifications: claim, send, settle; any number of API processes share it."""

import asyncio
import logging
import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

from services.api.metrics import ApiMetrics
from services.api.notification import store
from services.api.notification.decide import judge, quiet_until
from services.api.notification.model import Endpoint, Job, Outcome
from services.api.notification.render import severity_of
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
        """Send what is due now, side by side, and return how many messages that was."""
        async with transaction(self._pool) as connection:
            jobs = await store.claim(connection, self._clock.now(), _BATCH)
            digests = await store.claim_digests(connection, self._clock.now())
        messages = [[job] for job in jobs] + digests
        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(self._deliver(message))
        return len(messages)

    async def _deliver(self, jobs: list[Job]) -> None:
        """Send the jobs of one message, a single one or a digest; what goes wrong with it stops no other."""
        try:
            await self._tell(jobs)
        except Unavailable:
            log.debug("a notification waits for PostgreSQL until its claim runs out")
        except Exception as error:
            log.exception(
                "notification could not be told",
                extra={
                    "action": "notification_failed",
                    "endpoint": jobs[0].endpoint.id,
                    "notification": jobs[0].message_id,
                },
            )
            with suppress(Unavailable):
                await self._settle(jobs, Outcome(False, error=f"internal error: {type(error).__name__}"))

    async def _tell(self, jobs: list[Job]) -> None:
        first, endpoint = jobs[0], jobs[0].endpoint
        async with reading(self._pool) as connection:
            rows = await store.events(connection, [job.seq for job in jobs])
            erased = [job for job in jobs if job.seq not in rows]
            if erased:
                await store.drop(connection, erased, self._clock.now(), "the customer was erased")
                jobs = [job for job in jobs if job.seq in rows]
            if not jobs:
                return
            told = [rows[job.seq] for job in jobs]
            until = quiet_until(endpoint.quiet_hours, map(severity_of, told), self._clock.now())
            if until is None and (wait := self._wait_s(endpoint)) > 0:
                until = self._clock.now() + timedelta(seconds=wait)
            if until is not None:
                await store.postpone(connection, jobs, until)
                return
        await self._settle(jobs, await self._sender.send(endpoint, told, first.message_id))

    async def _settle(self, jobs: list[Job], outcome: Outcome) -> None:
        endpoint, now = jobs[0].endpoint, self._clock.now()
        verdict = judge(jobs[0], outcome, now, self._chance.random())
        async with transaction(self._pool) as connection:
            await store.settle(connection, jobs, outcome, verdict, now)
        self._metrics.deliveries.labels(endpoint.kind, "delivered" if outcome.is_delivered else "failed").inc()
        if verdict.disable is not None:
            log.error(
                "notification endpoint disabled",
                extra={"action": "endpoint_disabled", "endpoint": endpoint.id, "reason": verdict.disable},
            )

    def _wait_s(self, endpoint: Endpoint) -> float:
        rate = self._rates.setdefault(
            endpoint.rate_per_minute,
            RateLimit(endpoint.rate_per_minute / 60, max(1, endpoint.rate_per_minute // 10)),
        )
        return rate.take(endpoint.id, self._clock.monotonic())

    async def _clean_up(self) -> None:
        now = self._clock.monotonic()
        if now - self._cleaned_at_s < _HOUSEKEEPING_S:
            return
        self._cleaned_at_s = now
        async with reading(self._pool) as connection:
            await store.forget_finished(connection, self._clock.now() - _KEEP_FINISHED)
