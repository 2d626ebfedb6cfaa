"""Builds the churn service from its settings; the one place that reads them."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from services.churn_alerts.customer.agent import ChurnAlerts, EnrichedView
from services.churn_alerts.customer.state import CustomerState
from services.churn_alerts.metrics import ChurnMetrics
from services.churn_alerts.settings import ChurnSettings
from shared.clock import Clock
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord
from shared.kafka.worker import Worker, WorkerSettings


class DecisionCounter:
    """Counts what the processor decides."""

    def __init__(self, metrics: ChurnMetrics) -> None:
        self._metrics = metrics

    def __call__(self, records: Sequence[AlertRecord], n_outlooks: int) -> None:
        metrics = self._metrics
        metrics.outlooks.inc(n_outlooks)
        for record in records:
            if record.is_historical:
                metrics.historical.inc()
            elif isinstance(record, AlertRaised):
                metrics.raised[record.body.severity].inc()
                metrics.rules_version.set(record.rules_version)
            elif isinstance(record, AlertCleared):
                metrics.cleared[record.reason].inc()
            else:
                metrics.updated.inc()


def build(settings: ChurnSettings, registry: CollectorRegistry, clock: Clock) -> Worker[EnrichedView, CustomerState]:
    """Return the worker, ready to run."""
    worker_settings = WorkerSettings(
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
        max_poll_records=settings.churn_alerts_max_poll_records,
    )
    processor = ChurnAlerts(DecisionCounter(ChurnMetrics(registry)))
    return Worker(processor, worker_settings, registry, clock)
