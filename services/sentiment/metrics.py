"""The sentiment service's metrics are the worker's own (shared/kafka/metrics.py) and these."""

from prometheus_client import CollectorRegistry, Info


class SentimentMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.model = Info("pulseline_sentiment_model", "The sentiment model in use.", registry=registry)
