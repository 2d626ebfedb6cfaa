"""The ingest service's metrics, declared once; labels come from closed sets."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import Request
from starlette.responses import Response

from shared.clock import Clock

Handler = Callable[[Request], Awaitable[Response]]

OUTCOMES = ("accepted", "challenge", "payload", "signature", "unavailable")
# Providers' adapters name why they left something out; so many names are counted apart.
MOST_REASONS = 64
_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class IngestMetrics:
    """Collectors of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter(
            "pulseline_ingest_events_accepted_total", "Events acknowledged by the broker.", ["type"], registry=registry
        )
        self.rejected = Counter(
            "pulseline_ingest_events_rejected_total", "Events refused, by where.", ["door"], registry=registry
        )
        self.requests = Counter(
            "pulseline_ingest_requests_total",
            "HTTP requests, by door and status.",
            ["door", "status"],
            registry=registry,
        )
        self.ack_seconds = Histogram(
            "pulseline_ingest_ack_seconds",
            "Time from a request's last byte to the broker's acknowledgement.",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.request_seconds = Histogram(
            "pulseline_ingest_request_seconds",
            "Time from a request's head to the first byte of its answer.",
            ["door"],
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.open_body_bytes = Gauge(
            "pulseline_ingest_open_body_bytes",
            "Bytes of request bodies held in memory, from their first byte to their answer.",
            registry=registry,
        )
        self.bodies_refused = Counter(
            "pulseline_ingest_bodies_refused_total",
            "Request bodies refused because the open ones left no room for them.",
            registry=registry,
        )
        self.connection_events = Counter(
            "pulseline_ingest_connection_events_total",
            "Events accepted and deliveries refused, by connection and outcome.",
            ["connection", "outcome"],
            registry=registry,
        )
        self._reasons: set[str] = set()
        self._connection_ignored = Counter(
            "pulseline_ingest_connection_ignored_total",
            "What deliveries held and was left out on purpose, by reason.",
            ["connection", "reason"],
            registry=registry,
        )
        self.connection_seen = Gauge(
            "pulseline_ingest_connection_last_seen_timestamp_seconds",
            "When a verified delivery of the connection last came in.",
            ["connection"],
            registry=registry,
        )
        self.handles = Gauge(
            "pulseline_ingest_known_handles", "Handles known to belong to a customer.", registry=registry
        )
        self.keys = Gauge("pulseline_ingest_api_keys", "API keys known to this process.", registry=registry)

    def expect(self, connections: Iterable[str]) -> None:
        """Show the configured connections from the start: a rate needs a first value to grow from."""
        for connection in connections:
            for outcome in OUTCOMES:
                self.connection_events.labels(connection=connection, outcome=outcome)

    def ignored(self, connection: str, counts: Mapping[str, int]) -> None:
        """Count what was left out on purpose; beyond `MOST_REASONS` names a reason is `other`."""
        for reason, n in counts.items():
            if reason not in self._reasons:
                if len(self._reasons) < MOST_REASONS:
                    self._reasons.add(reason)
                else:
                    reason = "other"
            self._connection_ignored.labels(connection=connection, reason=reason).inc(n)

    def counting(self, door: str, handle: Handler, clock: Clock) -> Handler:
        """Return the handler with its answers timed, and counted by status."""
        seconds = self.request_seconds.labels(door=door)

        async def counted(request: Request) -> Response:
            started = clock.monotonic()
            response = await handle(request)
            seconds.observe(clock.monotonic() - started)
            self.requests.labels(door=door, status=str(response.status_code)).inc()
            return response

        return counted
