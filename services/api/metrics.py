"""Every metric of the API service, declared once.

What the census counts in the database is the same in every process: take the maximum over processes, not the sum.
"""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# A single event takes 40 ms to an alert; the objective is a second.
_TO_ALERT_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
DEPENDENCIES = ("kafka", "postgresql")


class CountGauge:
    """A gauge set from a count by label, or by a tuple of them: what is not counted any more goes to 0."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._gauge = Gauge(name, text, labels, registry=registry)
        self._shown: set[tuple[str, ...]] = set()

    def show(self, counts: Mapping[Any, float]) -> None:
        by_label = {(label,) if isinstance(label, str) else label: n for label, n in counts.items()}
        for labels in self._shown - set(by_label):
            self._gauge.labels(*labels).set(0)
        for labels, n in by_label.items():
            self._gauge.labels(*labels).set(n)
        self._shown.update(by_label)


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
        self.lag_seconds = Gauge(
            "pulseline_api_projection_lag_seconds",
            "Longest the oldest record not projected yet can have waited, 0 without lag.",
            ["lane"],
            registry=registry,
        )
        self.to_alert = Histogram(
            "pulseline_api_ingest_to_alert_seconds",
            "Time from ingest taking an event to the alert it led to being in the database; history apart.",
            buckets=_TO_ALERT_BUCKETS_S,
            registry=registry,
        )
        self.outages = Counter(
            "pulseline_api_projection_retries_total",
            "Times the projection had to start over because a dependency was away.",
            ["dependency"],
            registry=registry,
        )
        for dependency in DEPENDENCIES:
            # An increase is counted from a first value on: without one the first outage would not be seen.
            self.outages.labels(dependency)
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
        self._of_the_census(registry)
        self.pool_connections = Gauge(
            "pulseline_api_pool_connections", "Connections of the pool, by use.", ["state"], registry=registry
        )
        self.pool_size = Gauge("pulseline_api_pool_max_connections", "Most connections of the pool.", registry=registry)

    def _of_the_census(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"pulseline_api_{name}", text, labels, registry=registry)

        def counts(name: str, text: str, *labels: str) -> CountGauge:
            return CountGauge(registry, f"pulseline_api_{name}", text, labels)

        self.census_at = gauge("census_timestamp_seconds", "When the database was last looked into.")
        self.census_seconds = gauge("census_seconds", "How long that took.")
        self.customers = counts("customers", "Customers, by what their risk says.", "risk_state")
        self.expected_loss = counts(
            "expected_loss_currency", "Expected loss over the customers at risk, in units of the currency.", "currency"
        )
        self.alerts = counts("alerts", "Alerts that are not closed; history apart.", "status", "severity")
        self.oldest_untouched = gauge("alert_untouched_seconds", "Age of the oldest alert that nobody has touched.")
        self.closed = counts("alerts_closed", "Alerts closed over the last 30 days, by how they ended.", "resolution")
        self.calibration_resolved = gauge(
            "calibration_customers",
            "Predicted risks whose horizon has ended, of customers at large or of alerts.",
            "of",
        )
        self.calibration_predicted = gauge("calibration_predicted_customers", "Sum of these risks.", "of")
        self.calibration_left = gauge(
            "calibration_left_customers", "How many of these customers did not buy within the horizon.", "of"
        )
        self.queue = gauge("notification_queue_jobs", "Notifications to be sent, due now or waiting.", "state")
        self.queue_age = gauge("notification_queue_seconds", "How long the notification longest due has been due.")
        self.endpoints = counts(
            "notification_endpoints", "Endpoints, by whether they take what is sent.", "kind", "state"
        )
        self.failing_since = gauge(
            "notification_failing_seconds", "How long the enabled endpoint longest failing has failed."
        )
        self.dead_letters = counts("dead_letters_open", "Dead letters nobody has handled, by stage.", "stage")
        self.database_bytes = gauge("postgres_database_bytes", "Size of the database.")
        self.server_connections = counts("postgres_connections", "The server's connections to the database.", "state")
        self.server_max_connections = gauge("postgres_max_connections", "Most connections the server takes.")
        self.oldest_transaction = gauge("postgres_oldest_transaction_seconds", "Age of the oldest open transaction.")
        self.cache_hits = gauge("postgres_cache_hit_ratio", "Share of block reads served from the server's cache.")
