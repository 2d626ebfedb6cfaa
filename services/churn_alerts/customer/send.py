"""Refits and publishes generations of the model through the log that decides which count (`alert/control_log.py`)."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from services.churn_alerts.alert.control_log import LEADING_PARTITION, ControlLog, Standing
from services.churn_alerts.customer.generation import Generation, from_model, to_model
from services.churn_alerts.customer.in_force import MODELS, Basis, ReadDocuments
from services.churn_alerts.customer.model import DAY_MS
from services.churn_alerts.customer.refit import (
    Sample,
    holds_from_ms,
    in_force_at_ms,
    is_due,
    next_generation,
    until_day_of,
)
from shared.clock import Clock, from_ms, to_ms
from shared.contracts.control import ModelPublished
from shared.errors import Unavailable
from shared.kafka.changelog import StateReader, load
from shared.kafka.controls import Controls
from shared.kafka.publisher import BatchPublisher
from shared.kafka.rows import state_of
from shared.topics import CHURN_STATE, ENRICHED

_log = logging.getLogger(__name__)

# A day's stragglers: the state read then has them.
_DELAY_MS: Final = 3_600_000
# History that came within so long may go on; it is judged a quarter of an hour after it came (`SETTLE_MS`).
_IMPORT_PAUSE_MS: Final = 180_000
# Until there is a first generation, imported history may wait for it: how often that is looked for.
_FIRST_LOOK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _States:
    """What a refit reads: a sample of the customers' states, event time, and what the partitions have in force."""

    sample: Sample
    until_day: int | None
    controls: Controls
    is_history_coming: bool
    """Whether an import seems to be under way: a first fit on a part of it would be the wrong one."""


class RefitLeader:
    """Refits every 28 days of event time. One worker leads, the owner of partition 0; two at once do no harm."""

    def __init__(
        self, publisher: BatchPublisher, reader: StateReader, log: ControlLog, topic_prefix: str, clock: Clock
    ) -> None:
        self._publisher = publisher
        self._reader = reader
        self._log = log
        self._states = CHURN_STATE.full_name(topic_prefix)
        self._input = ENRICHED.full_name(topic_prefix)
        self._clock = clock
        self._has_first = False
        # The last day on which too few customers had come back for a first generation.
        self._vain_day: dict[str, int] = {}

    async def look(self, assigned: Collection[int]) -> list[ModelPublished]:
        """Pass on what waits, refit what is due; return the generations that this call passed on to every partition.

        Raises Unavailable; the next look goes on where this one stopped.
        """
        if LEADING_PARTITION not in assigned:
            return []
        known = await self._log.read()
        self._has_first = known.newest_model(MODELS["orders"]) is not None
        passed = await self._log.pass_on_waiting(known)
        today = to_ms(self._clock.now()) // DAY_MS
        due = [
            basis
            for basis, name in MODELS.items()
            if self._vain_day.get(name, -1) < today - 1 and is_due(_generation(known.newest_model(name)), today - 1)
        ]
        if due:
            states = await self._read_states()
            for basis in due:
                record = await self._refit(basis, states, known)
                if record is not None:
                    passed.append(await self._log.decide(record))
        return [record for record in passed if isinstance(record, ModelPublished)]

    async def run(
        self,
        every_s: float,
        assigned: Callable[[], Collection[int]],
        on_published: Callable[[Sequence[ModelPublished]], None],
    ) -> None:
        """Look every `every_s` seconds until cancelled; each minute while there is no generation yet."""
        while True:
            await asyncio.sleep(every_s if self._has_first else min(every_s, _FIRST_LOOK_S))
            try:
                records = await self.look(assigned())
            except Unavailable as error:
                _log.warning("no refit: %s", error)
                continue
            on_published(records)
            for record in records:
                extra = {"action": "model_published", "model": record.name, "version": record.version}
                _log.info("generation published, in force from %s", record.in_force_at, extra=extra)

    async def _read_states(self) -> _States:
        sample, controls = Sample(), Controls()
        watermarks: list[int | None] = []
        for partition in range(await self._publisher.partition_count(self._input)):
            loaded = await load(self._reader, self._states, partition)
            if partition == LEADING_PARTITION:
                controls = Controls(row for row in loaded.controls if row.offset <= loaded.fence)
            # One that nothing was decided in yet may hold a third of the customers; ticks come to the idle ones too.
            watermarks.append(loaded.watermark_ms if loaded.fence >= 0 else None)
            sample.add((key, state_of(row)) for key, row in loaded.rows.items())
        quiet_ms = to_ms(self._clock.now()) - sample.history_came_ms()
        return _States(sample, until_day_of(watermarks, _DELAY_MS), controls, quiet_ms < _IMPORT_PAUSE_MS)

    async def _refit(self, basis: Basis, states: _States, known: Standing) -> ModelPublished | None:
        """Return the next generation, if one is due."""
        name, until_day = MODELS[basis], states.until_day
        newest = _generation(known.newest_model(name))
        if until_day is None or not is_due(newest, until_day):
            return None
        if newest is None and states.is_history_coming:
            return None
        # Python and numpy take turns with the worker's loop meanwhile; a refit is a few seconds in four weeks.
        generation = await asyncio.to_thread(_fitted, basis, states, until_day, newest)
        if generation is None:
            self._vain_day[name] = until_day
            return None
        return ModelPublished(
            name=name,
            version=generation.version,
            in_force_at=from_ms(holds_from_ms(until_day, newest)),
            model=to_model(generation),
        )


def _fitted(basis: Basis, states: _States, until_day: int, newest: Generation | None) -> Generation | None:
    policy = ReadDocuments().policy(states.controls, in_force_at_ms(until_day))
    history = states.sample.history(basis, float(policy.horizon_days(basis)), until_day)
    if not len(history.day):
        return None
    return next_generation(history, until_day, policy, basis, newest, states.sample.share)


def _generation(record: ModelPublished | None) -> Generation | None:
    return None if record is None else from_model(record.model)
