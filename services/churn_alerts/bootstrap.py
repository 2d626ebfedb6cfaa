"""Builds the churn service from its settings; the one place that reads them."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry

from services.churn_alerts.alert.send import CapacityController
from services.churn_alerts.customer.agent import ChurnAlerts, EnrichedView
from services.churn_alerts.customer.decide import SilenceCheck
from services.churn_alerts.customer.state import CustomerState
from services.churn_alerts.metrics import ChurnMetrics
from services.churn_alerts.settings import ChurnSettings
from shared.clock import Clock
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord
from shared.errors import Unavailable
from shared.health import Check
from shared.kafka.publisher import Publisher
from shared.kafka.worker import Worker, WorkerSettings

_RECONNECT_S = 1.0


class DecisionWatch:
    """Counts what the processor decides, and tells the capacity controller what silences reach."""

    def __init__(self, metrics: ChurnMetrics, controller: CapacityController) -> None:
        self._metrics = metrics
        self._controller = controller

    def __call__(self, records: Sequence[AlertRecord], n_outlooks: int, checks: Sequence[SilenceCheck]) -> None:
        metrics, controller = self._metrics, self._controller
        metrics.outlooks.inc(n_outlooks)
        for check in checks:
            controller.sample.checked(check.customer_id, check.spell_day, check.day, check.tier, check.p)
            newest = controller.newest_rules
            if newest is None or check.policy.version > newest.version:
                controller.newest_rules = check.policy.in_force
        for record in records:
            if record.is_historical:
                metrics.historical.inc()
            elif isinstance(record, AlertRaised):
                metrics.raised[record.body.severity].inc()
                metrics.rules_version.set(record.rules_version)
                is_about_silence = any(signal.name == "purchase_overdue" for signal in record.body.signals)
                controller.n_signal_alerts += not is_about_silence
            elif isinstance(record, AlertCleared):
                metrics.cleared[record.reason].inc()
            else:
                metrics.updated.inc()


class ChurnService:
    """The worker with the capacity controller beside it."""

    def __init__(self, settings: ChurnSettings, registry: CollectorRegistry, clock: Clock) -> None:
        self._metrics = ChurnMetrics(registry)
        self._publisher = Publisher(settings.kafka_bootstrap, client_id="pulseline-churn-rules")
        self._every_s = settings.churn_alerts_capacity_every_s
        self._controller = CapacityController(self._publisher, settings.topic_prefix, clock)
        worker_settings = WorkerSettings(
            bootstrap=settings.kafka_bootstrap,
            topic_prefix=settings.topic_prefix,
            max_poll_records=settings.churn_alerts_max_poll_records,
        )
        processor = ChurnAlerts(DecisionWatch(self._metrics, self._controller))
        self._worker: Worker[EnrichedView, CustomerState] = Worker(processor, worker_settings, registry, clock)

    def checks(self) -> Mapping[str, Check]:
        return self._worker.checks()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises Stop, or Unavailable when Kafka is lost for good."""
        controller = asyncio.create_task(self._control())
        try:
            await self._worker.run()
        finally:
            controller.cancel()
            await asyncio.gather(controller, return_exceptions=True)
            await self._publisher.stop()

    async def _control(self) -> None:
        while not self._publisher.is_connected:
            with suppress(Unavailable):
                await self._publisher.start()
                break
            await asyncio.sleep(_RECONNECT_S)
        await self._controller.run(self._every_s, lambda: self._worker.assigned, self._metrics.rules_published.inc)


def build(settings: ChurnSettings, registry: CollectorRegistry, clock: Clock) -> ChurnService:
    """Return the service, ready to run."""
    return ChurnService(settings, registry, clock)
