"""Every metric of the API service, declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ApiMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.projected = Counter(
            "pulseline_api_projected_records_total", "Records written to PostgreSQL.", ["topic"], registry=registry
        )
        self.rejected = Counter(
            "pulseline_api_projection_rejects_total", "Records sent to dead-letters.", ["topic"], registry=registry
        )
        self.batch_seconds = Histogram(
            "pulseline_api_projection_batch_seconds",
            "Time from fetched batch to commit.",
            ["lane"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.lag = Gauge(
            "pulseline_api_projection_lag_records", "Records not yet projected.", ["topic"], registry=registry
        )
        self.outages = Counter(
            "pulseline_api_projection_retries_total",
            "Times the projection had to start over because a dependency was away.",
            ["dependency"],
            registry=registry,
        )
        self.alert_events = Counter(
            "pulseline_api_alert_events_total", "Alert events appended by the projection.", registry=registry
        )
        self.stream_clients = Gauge("pulseline_api_stream_clients", "Open alert streams.", registry=registry)
        self.stream_dropped = Counter(
            "pulseline_api_stream_dropped_total",
            "Streams closed because the client stopped reading; it may reconnect where it was.",
            registry=registry,
        )
        self.requests = Counter(
            "pulseline_api_requests_total", "HTTP requests answered.", ["method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "pulseline_api_request_seconds",
            "Time to the first byte of an answer.",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=registry,
        )
        self.deliveries = Counter(
            "pulseline_api_notification_deliveries_total",
            "Attempts to notify an endpoint.",
            ["kind", "outcome"],
            registry=registry,
        )
