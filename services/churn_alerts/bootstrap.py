"""Builds the churn service from its settings; the one place that reads them."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from services.churn_alerts.alert.control_log import ControlLog
from services.churn_alerts.alert.send import CapacityController
from services.churn_alerts.customer.agent import ChurnAlerts, EnrichedRecord
from services.churn_alerts.customer.followed import SilenceCheck
from services.churn_alerts.customer.generation import from_model
from services.churn_alerts.customer.in_force import MODELS, RULES, Policy
from services.churn_alerts.customer.send import RefitLeader
from services.churn_alerts.metrics import ChurnMetrics
from services.churn_alerts.settings import ChurnSettings
from shared.clock import Clock
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord
from shared.contracts.control import ModelPublished
from shared.errors import Unavailable
from shared.health import Check
from shared.kafka.changelog import KafkaStateReader
from shared.kafka.publisher import Publisher
from shared.kafka.worker import Worker, WorkerSettings
from shared.tracing import make_tracing

_log = logging.getLogger(__name__)

_RECONNECT_S = 1.0


class DecisionWatch:
    """Counts what the processor decides, and tells the capacity controller what silences reach."""

    def __init__(self, metrics: ChurnMetrics, controller: CapacityController) -> None:
        self._metrics = metrics
        self._controller = controller
        self._policy: Policy | None = None

    def __call__(self, records: Sequence[AlertRecord], n_outlooks: int, checks: Sequence[SilenceCheck]) -> None:
        metrics, controller = self._metrics, self._controller
        metrics.outlooks.inc(n_outlooks)
        for check in checks:
            controller.sample.checked(check.customer_id, check.spell_day, check.day, check.tier, check.p)
            if check.policy is not self._policy:
                self._policy = check.policy
                self._follow(check.policy)
        for record in records:
            if record.is_historical:
                metrics.historical.inc()
            elif isinstance(record, AlertRaised):
                metrics.raised[record.body.severity, record.body.cause].inc()
                for signal in record.body.signals:
                    metrics.signals[signal.name].inc()
                metrics.rules_version.set(record.rules_version)
                if record.body.risk is not None:
                    metrics.decided_model_version.set(record.body.risk.generation)
                is_about_silence = any(signal.name == "purchase_overdue" for signal in record.body.signals)
                controller.n_signal_alerts += not is_about_silence
            elif isinstance(record, AlertCleared):
                metrics.cleared[record.reason].inc()
            else:
                metrics.updated.inc()

    def _follow(self, policy: Policy) -> None:
        """Tell the controller the rules in force, with the thresholds that hold."""
        newest = self._controller.newest_rules
        if newest is None or policy.version >= newest.version:
            rules = replace(policy.in_force.rules, silence_thresholds=dict(policy.thresholds["orders"]))
            self._controller.newest_rules = replace(policy.in_force, rules=rules)

    def unreadable(self, name: str, version: int, reason: str) -> None:
        """Say aloud that a published document is left out."""
        self._metrics.unreadable[name].inc()
        extra = {"action": "document_unreadable", "document": name, "version": version}
        _log.error("published %s version %d is left out: %s", name, version, reason, extra=extra)

    def published(self, records: Sequence[ModelPublished]) -> None:
        """Count generations that reached every partition."""
        for record in records:
            generation = from_model(record.model)
            fit = "new" if generation.fitted_until_day == generation.decided_until_day else "kept"
            self._metrics.model_version[record.name].set(record.version)
            self._metrics.models_published[record.name, fit].inc()


class ChurnService:
    """The worker with the capacity controller and the refits beside it."""

    def __init__(self, settings: ChurnSettings, registry: CollectorRegistry, clock: Clock) -> None:
        self._metrics = ChurnMetrics(registry)
        self._publisher = Publisher(settings.kafka_bootstrap, client_id="pulseline-churn-rules")
        self._every_s = settings.churn_alerts_capacity_every_s
        worker_settings = WorkerSettings(
            bootstrap=settings.kafka_bootstrap,
            topic_prefix=settings.topic_prefix,
            max_poll_records=settings.churn_alerts_max_poll_records,
            max_poison_ratio=settings.churn_alerts_max_poison_ratio,
            shown_controls=(RULES, *MODELS.values()),
        )
        self._reader = KafkaStateReader(settings.kafka_bootstrap, client_id="pulseline-churn-refits")
        self._look_every_s = settings.churn_alerts_refit_look_every_s
        log = ControlLog(self._publisher, self._reader, settings.topic_prefix, from_model)
        self._controller = CapacityController(self._publisher, log, settings.topic_prefix, clock)
        self._refits = RefitLeader(self._publisher, self._reader, log, settings.topic_prefix, clock)
        self._watch = DecisionWatch(self._metrics, self._controller)
        processor = ChurnAlerts(self._watch, self._watch.unreadable)
        self._worker: Worker[EnrichedRecord, bytes] = Worker(
            processor,
            worker_settings,
            registry,
            clock,
            tracing=make_tracing("churn_alerts", settings.traces_endpoint, settings.traces_ratio),
        )

    def checks(self) -> Mapping[str, Check]:
        return self._worker.checks()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises Stop, or Unavailable when Kafka is lost for good."""
        beside = asyncio.create_task(self._publish())
        try:
            await self._worker.run()
        finally:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
            await self._reader.stop()
            await self._publisher.stop()

    async def _publish(self) -> None:
        """Publish rules and generations as they fall due. A bug in either is logged; alerts go on without them."""
        while not self._publisher.is_connected:
            with suppress(Unavailable):
                await self._publisher.start()
                break
            await asyncio.sleep(_RECONNECT_S)
        rules = self._controller.run(self._every_s, lambda: self._worker.assigned, self._metrics.rules_published.inc)
        models = self._refits.run(self._look_every_s, lambda: self._worker.assigned, self._watch.published)
        await asyncio.gather(_logged("rules", rules), _logged("models", models))


async def _logged(what: str, publishing: Coroutine[Any, Any, None]) -> None:
    """Run one of two that go on for ever; say at once when it ends, while the other goes on."""
    try:
        await publishing
    except Exception:  # noqa: BLE001  a bug in one must not end the alerts, nor the other
        _log.exception("%s are not published any more", what)


def build(settings: ChurnSettings, registry: CollectorRegistry, clock: Clock) -> ChurnService:
    """Return the service, ready to run."""
    return ChurnService(settings, registry, clock)
