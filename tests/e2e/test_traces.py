"""One trace from a provider's webhook to the alert in the database, as an OpenTelemetry collector receives it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.prometheus.timing import DRILL
from tests.conftest import RunningKafka
from tests.e2e.system import eventually
from tests.watching.watched import Watched

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]


class Collector:
    """Keeps (service, span name) by trace id."""

    def __init__(self) -> None:
        self.traces: dict[bytes, set[tuple[str, str]]] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.add(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def add(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            names = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces.setdefault(span.trace_id, set()).add((names[0], span.name))

    def longest(self) -> set[tuple[str, str]]:
        return max(self.traces.copy().values(), key=len, default=set())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def test_one_trace_goes_from_a_webhook_to_the_alert(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path, collector: Collector
) -> None:
    settings = {"PULSELINE_TRACES_ENDPOINT": collector.url, "PULSELINE_TRACES_RATIO": "1"}
    with Watched(kafka.bootstrap, topic_prefix, database_url, tmp_path, DRILL, settings) as watched:
        for number in range(1, 13):
            watched.deliver(number, text="Still no delivery. Terrible service, I want my money back!")

        wanted = {
            ("pulseline-ingest", "POST /v1/channels"),
            ("pulseline-sentiment", "sentiment"),
            ("pulseline-churn_alerts", "churn_alerts"),
            ("pulseline-api", "project interactions"),
            ("pulseline-api", "project alerts"),
        }
        eventually(lambda: wanted <= collector.longest(), 120.0)
