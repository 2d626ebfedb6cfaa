"""Publishes the rules that follow from the team's capacity. The published record decides, never this process."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from services.churn_alerts.alert.capacity import PeakSample, thresholds_for_capacity, with_thresholds
from services.churn_alerts.alert.control_log import LEADING_PARTITION, ControlLog
from services.churn_alerts.alert.rules import InForceRules, read_rules, to_document
from shared.clock import Clock
from shared.contracts.control import RulesPublished
from shared.errors import Unavailable
from shared.kafka.publisher import BatchPublisher
from shared.topics import ENRICHED

_log = logging.getLogger(__name__)


class CapacityController:
    """Remembers what silences reach, and publishes thresholds. One worker speaks: the owner of partition 0."""

    def __init__(self, publisher: BatchPublisher, log: ControlLog, topic_prefix: str, clock: Clock) -> None:
        self.sample = PeakSample()
        self.newest_rules: InForceRules | None = None
        self.n_signal_alerts = 0
        self._publisher = publisher
        self._log = log
        self._topic = ENRICHED.full_name(topic_prefix)
        self._clock = clock

    async def reconsider(self, assigned: Collection[int]) -> RulesPublished | None:
        """Publish the next version of the rules if capacity asks for one; returns what every partition got then.

        The log decides, so that two leaders cannot give partitions different rules, and a crash keeps them from none.
        Raises Unavailable; the next turn goes on.
        """
        known = self.newest_rules
        capacity = None if known is None else known.rules.capacity_per_day
        if known is None or capacity is None or LEADING_PARTITION not in assigned:
            return None
        standing = await self._log.read()
        await self._log.pass_on_waiting(standing)
        decided = standing.newest_rules()
        if decided is not None and decided.version > known.version:
            known = InForceRules(decided.version, read_rules(decided.rules))
        # This worker's customers are a share of all, and the sample a share of those.
        share = len(assigned) / await self._publisher.partition_count(self._topic) / self.sample.modulus
        peaks, n_days = self.sample.peaks()
        part = replace(known.rules, capacity_per_day=capacity * share)
        thresholds = thresholds_for_capacity(peaks, n_days, round(self.n_signal_alerts / self.sample.modulus), part)
        if thresholds is None:
            return None
        rules = with_thresholds(known.rules, thresholds)
        record = RulesPublished(
            version=known.version + 1, in_force_at=end_of_next_day(self._clock.now()), rules=to_document(rules)
        )
        counted = await self._log.decide(record)
        if not isinstance(counted, RulesPublished):
            raise TypeError("the log has rules under the name of rules")
        self.newest_rules = InForceRules(counted.version, read_rules(counted.rules))
        self.n_signal_alerts = 0
        return counted

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


def end_of_next_day(now: datetime) -> datetime:
    """Return from when rules of `now` hold: checks fall on ends of UTC days, and by then every partition has them."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
