"""Spans for an OpenTelemetry collector, on by one setting and costing nothing otherwise.

A trace begins where ingest takes a request (or where the caller's own trace came from) and follows the `traceparent`
header through Kafka. Processors work in batches: a batch gives one span to each sampled trace it holds a record of, up
to `MOST_TRACES`, never one to a record. The stages of an event are therefore siblings under ingest's span.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from shared.errors import Stop
from shared.trace_headers import TRACEPARENT, Headers

MOST_TRACES: Final = 16
_LENGTH: Final = 55
# The last hexadecimal digit of the flags is odd when the trace is sampled; other flags may be set beside.
_ODD_DIGITS: Final = frozenset(b"13579bdf")


class Tracing:
    """Makes spans with an OpenTelemetry tracer provider; `close` delivers what is left."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("pulseline")
        self._api = import_module("opentelemetry.trace")
        self._propagator = import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()

    @contextmanager
    def request(self, name: str, traceparent: str | None) -> Iterator[str]:
        """Yield the trace context to hand on; the span lasts as long as the block."""
        parent = self._propagator.extract({TRACEPARENT: traceparent} if traceparent else {})
        carrier: dict[str, str] = {}
        with self._tracer.start_as_current_span(name, parent, self._api.SpanKind.SERVER) as span:
            self._propagator.inject(carrier, self._api.set_span_in_context(span))
            yield carrier[TRACEPARENT]

    def batch(self, name: str, records: Iterable[Headers], began: datetime, ended: datetime, n_records: int) -> None:
        """Add the batch's span to each sampled trace among the records."""
        for traceparent in sampled_traces(records):
            parent = self._propagator.extract({TRACEPARENT: traceparent})
            span = self._tracer.start_span(
                name,
                parent,
                self._api.SpanKind.CONSUMER,
                {"messaging.batch.message_count": n_records},
                start_time=_nanoseconds(began),
            )
            span.end(_nanoseconds(ended))

    def close(self) -> None:
        self._provider.shutdown()


def sampled_traces(records: Iterable[Headers]) -> list[str]:
    """Return the first trace context of each sampled trace, at most `MOST_TRACES`."""
    found: dict[bytes, bytes] = {}
    for headers in records:
        for name, value in headers:
            if name == TRACEPARENT:
                if len(value) == _LENGTH and value[-1] in _ODD_DIGITS:
                    found.setdefault(value[3:35], value)
                break
        if len(found) == MOST_TRACES:
            break
    return [value.decode("ascii", "replace") for value in found.values()]


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1_000


def make_tracing(service: str, endpoint: str, ratio: float) -> Tracing | None:
    """Return what sends spans to an OTLP/HTTP endpoint; None without one. Raises Stop without the `traces` extra."""
    if not endpoint:
        return None
    try:
        sdk = import_module("opentelemetry.sdk.trace")
        export = import_module("opentelemetry.sdk.trace.export")
        sampling = import_module("opentelemetry.sdk.trace.sampling")
        resources = import_module("opentelemetry.sdk.resources")
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise Stop(f"traces need the optional packages: pip install 'pulseline[traces]' ({error})") from error
    provider = sdk.TracerProvider(
        resource=resources.Resource.create({"service.name": f"pulseline-{service}"}),
        sampler=sampling.ParentBased(sampling.TraceIdRatioBased(ratio)),
    )
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


class TracedRequests:
    """ASGI: a span for each request below /v1/, whose context replaces the caller's header for what is inside."""

    def __init__(self, app: Any, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        name = TRACEPARENT.encode()
        given = next((value.decode("latin-1") for key, value in headers if key == name), None)
        # The path may hold a connection's id; the first two parts tell enough and are few.
        what = "/".join(scope["path"].split("/")[:3])
        with self._tracing.request(f"{scope['method']} {what}", given) as traceparent:
            others = [header for header in headers if header[0] != name]
            await self._app({**scope, "headers": [*others, (name, traceparent.encode())]}, receive, send)
