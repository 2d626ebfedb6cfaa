"""Publishes the rules that follow from the team's capacity. The published record decides, never this process."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from services.churn_alerts.alert.capacity import PeakSample, thresholds_for_capacity, with_thresholds
from services.churn_alerts.alert.rules import InForceRules, to_document
from shared.clock import Clock
from shared.contracts.control import RulesPublished
from shared.errors import Unavailable
from shared.kafka.publisher import BatchPublisher
from shared.kafka.ticker import publish_control
from shared.topics import ENRICHED

_log = logging.getLogger(__name__)

# New rules reach every partition well before they come into force.
NOTICE: Final = timedelta(minutes=10)


class CapacityController:
    """Remembers what silences reach, and publishes thresholds. One worker speaks: the owner of partition 0."""

    def __init__(self, publisher: BatchPublisher, topic_prefix: str, clock: Clock) -> None:
        self.sample = PeakSample()
        self.newest_rules: InForceRules | None = None
        self.n_signal_alerts = 0
        self._publisher = publisher
        self._topic = ENRICHED.full_name(topic_prefix)
        self._clock = clock

    async def reconsider(self, assigned: Collection[int]) -> RulesPublished | None:
        """Publish the next version of the rules if capacity asks for one; returns it once it is acked.

        Raises Unavailable; the next turn tries again.
        """
        known = self.newest_rules
        if known is None or known.rules.capacity_per_day is None or 0 not in assigned:
            return None
        # This worker's customers are a share of all, and the sample a share of those.
        share = len(assigned) / await self._publisher.partition_count(self._topic) / self.sample.modulus
        peaks, n_days = self.sample.peaks()
        part = replace(known.rules, capacity_per_day=known.rules.capacity_per_day * share)
        thresholds = thresholds_for_capacity(peaks, n_days, round(self.n_signal_alerts / self.sample.modulus), part)
        if thresholds is None:
            return None
        rules = with_thresholds(known.rules, thresholds)
        record = RulesPublished(
            version=known.version + 1, in_force_at=self._clock.now() + NOTICE, rules=to_document(rules)
        )
        await publish_control(self._publisher, self._topic, record)
        self.newest_rules = InForceRules(record.version, rules)
        self.n_signal_alerts = 0
        return record

    async def run(
        self, every_s: float, assigned: Callable[[], Collection[int]], on_published: Callable[[], None]
    ) -> None:
        """Reconsider every `every_s` seconds until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                record = await self.reconsider(assigned())
            except Unavailable as error:
                _log.warning("no new thresholds: %s", error)
                continue
            if record is not None:
                on_published()
                _log.info("rules published", extra={"action": "rules_published", "version": record.version})
