"""Builds the sentiment service from its settings; the one place that reads them."""

from prometheus_client import CollectorRegistry

from services.sentiment.engagement.model import EngagementState
from services.sentiment.interaction.agent import SentimentProcessor
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from services.sentiment.metrics import SentimentMetrics
from services.sentiment.settings import SentimentSettings
from shared.clock import Clock
from shared.contracts.event import EventBase
from shared.kafka.worker import Worker, WorkerSettings


def build(settings: SentimentSettings, registry: CollectorRegistry, clock: Clock) -> Worker[EventBase, EngagementState]:
    """Return the worker, ready to run."""
    scorer = Scorer.load(settings.sentiment_model or SHIPPED_ARTEFACT)
    SentimentMetrics(registry).model.info({"name": scorer.name})
    worker_settings = WorkerSettings(
        bootstrap=settings.kafka_bootstrap,
        topic_prefix=settings.topic_prefix,
        max_poll_records=settings.sentiment_max_poll_records,
        tick_every_s=settings.sentiment_tick_s,
    )
    return Worker(SentimentProcessor(scorer), worker_settings, registry, clock)
