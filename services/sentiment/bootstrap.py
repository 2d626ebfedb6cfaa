"""Builds the sentiment service from its settings; the one place that reads them."""

from prometheus_client import CollectorRegistry

from services.sentiment.engagement.tally import Tally
from services.sentiment.interaction.agent import Heard, SentimentProcessor
from services.sentiment.interaction.backend import load_backend
from services.sentiment.metrics import SentimentMetrics
from services.sentiment.settings import SentimentSettings
from shared.clock import Clock
from shared.kafka.worker import Worker, WorkerSettings
from shared.tracing import make_tracing


def build(settings: SentimentSettings, registry: CollectorRegistry, clock: Clock) -> Worker[Heard, Tally]:
    """Return the worker, ready to run."""
    backend = load_backend(settings.sentiment_model)
    SentimentMetrics(registry).model.info({"name": backend.name})
    worker_settings = WorkerSettings(
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
        max_poll_records=settings.sentiment_max_poll_records,
        max_poison_ratio=settings.sentiment_max_poison_ratio,
        tick_every_s=settings.sentiment_tick_s,
    )
    tracing = make_tracing("sentiment", settings.traces_endpoint, settings.traces_ratio)
    return Worker(SentimentProcessor(backend), worker_settings, registry, clock, tracing=tracing)
