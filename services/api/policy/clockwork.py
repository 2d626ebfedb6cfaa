"""Does what policies say: reads new alerts from the log once, and looks each second which timers are due.

Any number of API processes run it; the place in the log is locked by whoever comes first, and moves in the transaction
that writes what follows, so every new alert is decided exactly once whatever dies when.
"""

import asyncio
import logging
from typing import Any

import asyncpg
from msgspec.structs import replace

from services.api.alert import store as alerts
from services.api.alert.decide import fold
from services.api.alert.match import Customer, facts_of
from services.api.alert.model import Alert, AlertEvent
from services.api.policy import store
from services.api.policy.decide import decide_assignment, decide_promise, decide_timer, first_match
from services.api.policy.hours import Overrides
from services.api.policy.model import Timer
from shared.clock import Clock
from shared.errors import Reject, Unavailable
from shared.postgres.pool import transaction

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_BATCH = 500


class PolicyClockwork:
    def __init__(self, pool: Any, clock: Clock, overrides: Overrides) -> None:
        self._pool = pool
        self._clock = clock
        self._overrides = overrides

    async def run(self) -> None:
        """Look until cancelled; an outage is waited out."""
        while True:
            is_behind = False
            try:
                is_behind = await self.tick()
            except Unavailable:
                log.debug("policies wait for PostgreSQL")
            except asyncpg.DeadlockDetectedError:
                # An erasure takes timers and alerts the other way round; nothing was written, so look again.
                log.warning("policies gave way", extra={"action": "policies_gave_way"})
            if not is_behind:
                await asyncio.sleep(_INTERVAL_S)

    async def tick(self) -> bool:
        """Decide what is new and what is due, in one transaction; true when there is more."""
        async with transaction(self._pool) as connection:
            seq = await store.claim_log(connection)
            if seq is None:
                return False
            new_ids, read_to = await store.starts_after(connection, seq, _BATCH)
            timers = await store.due_timers(connection, self._clock.now(), _BATCH)
            if new_ids or timers:
                await self._decide(connection, new_ids, timers)
            if read_to != seq:
                await store.move_log(connection, read_to)
            return read_to - seq >= _BATCH or len(timers) == _BATCH

    async def _decide(self, connection: Any, new_ids: list[str], timers: list[Timer]) -> None:
        policies = await store.load(connection)
        states = await alerts.lock(connection, [*new_ids, *(timer.alert_id for timer in timers)])
        steps: list[alerts.Step] = []

        def apply(alert: Alert, events: list[AlertEvent]) -> Alert:
            for event in events:
                alert = fold(alert, event)
                steps.append((alert, event))
            states[alert.alert_id] = alert
            return alert

        put_off = []
        by_id = dict(policies.escalation)
        for timer in timers:
            # A new start has timers of its own.
            if timer.alert_id in states and timer.alert_id not in new_ids:
                events, until = decide_timer(
                    states[timer.alert_id], timer, by_id.get(timer.policy_id), self._clock.now()
                )
                apply(states[timer.alert_id], events)
                put_off += [] if until is None else [replace(timer, due_at=until)]
        started = [states[alert_id] for alert_id in new_ids if alert_id in states]
        new_timers: list[Timer] = []
        if started and (policies.assignment or policies.escalation):
            new_timers = await self._start(connection, started, policies, apply)
        await store.set_timers(connection, new_ids, new_timers)
        await store.put_off(connection, put_off)
        await alerts.append(connection, steps)

    async def _start(self, connection: Any, started: list[Alert], policies: store.Policies, apply: Any) -> list[Timer]:
        now = self._clock.now()
        customers = await alerts.customers_of(connection, [alert.customer_id for alert in started])
        n_assigned: dict[str, int] = {}
        new_timers: list[Timer] = []
        for alert in started:
            facts = facts_of(alert, customers.get(alert.customer_id, Customer()))
            if (rule := first_match(policies.assignment, facts)) is not None:
                n = n_assigned.get(rule[0], policies.n_assigned[rule[0]])
                events = decide_assignment(alert, rule[1], n, now)
                alert = apply(alert, events)
                n_assigned[rule[0]] = n + len(events)
            if (policy := first_match(policies.escalation, facts)) is not None:
                try:
                    events, timers = decide_promise(alert, *policy, policies.calendars, self._overrides, now)
                except Reject as reject:
                    log.error("policy cannot be followed", extra={"action": "policy_void", "reason": reject.reason})
                    continue
                apply(alert, events)
                new_timers += timers
        await store.count_assigned(connection, n_assigned)
        return new_timers
