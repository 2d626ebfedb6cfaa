"""Spans as a collector would get them, kept in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from shared.tracing import MOST_TRACES, TracedRequests, Tracing, make_tracing, sampled_traces

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


def headers(traceparent: str) -> list[tuple[str, bytes]]:
    return [("ce_id", b"1"), ("traceparent", traceparent.encode())]


def batch(collector: Collector, *traceparents: str) -> None:
    records = [headers(one) for one in traceparents]
    collector.tracing.batch("sentiment", records, NOON, NOON + timedelta(milliseconds=20), len(records))


def trace_ids(collector: Collector) -> list[str]:
    return [f"{span.context.trace_id:032x}" for span in collector.spans if span.context is not None]


def test_one_trace_goes_from_a_request_through_two_stages() -> None:
    collector = Collector()

    with collector.tracing.request("POST /v1/channels", None) as traceparent:
        pass
    batch(collector, traceparent)
    batch(collector, traceparent)

    assert len(collector.spans) == 3
    assert len(set(trace_ids(collector))) == 1


def test_a_callers_trace_is_gone_on_with() -> None:
    collector = Collector()

    with collector.tracing.request("POST /v1/events", CALLER) as traceparent:
        pass

    assert trace_ids(collector) == [CALLER[3:35]]
    assert traceparent[3:35] == CALLER[3:35]
    assert traceparent != CALLER


def test_a_batch_gives_each_of_its_traces_one_span() -> None:
    collector = Collector()
    others = [f"00-{number:032x}-00f067aa0ba902b7-01" for number in (1, 2)]

    batch(collector, CALLER, *others, CALLER, others[0])

    assert sorted(trace_ids(collector)) == sorted([CALLER[3:35], *(one[3:35] for one in others)])


def test_a_batch_of_many_traces_gives_a_bounded_number_of_spans() -> None:
    collector = Collector()

    batch(collector, *(f"00-{number:032x}-00f067aa0ba902b7-01" for number in range(1, 1_000)))

    assert len(collector.spans) == MOST_TRACES


@pytest.mark.parametrize("traceparent", ["", "garbage", CALLER[:-2] + "00", CALLER[:-2] + "zz", "é" * 60])
def test_a_record_that_is_not_sampled_gives_none(traceparent: str) -> None:
    assert sampled_traces([headers(traceparent)]) == []


def test_flags_beyond_the_first_bit_are_taken() -> None:
    assert sampled_traces([headers(CALLER[:-2] + "03")]) == [CALLER[:-2] + "03"]


def test_what_is_inside_sees_the_spans_own_context() -> None:
    collector = Collector()

    async def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers["traceparent"])

    app: Any = TracedRequests(Starlette(routes=[Route("/v1/channels/{id}", tell)]), collector.tracing)
    seen = TestClient(app).get("/v1/channels/shop", headers={"traceparent": CALLER}).text

    [span] = collector.spans
    assert span.name == "GET /v1/channels"
    assert span.context is not None
    assert seen == f"00-{CALLER[3:35]}-{span.context.span_id:016x}-01"


def test_without_an_endpoint_there_is_no_tracing() -> None:
    assert make_tracing("ingest", "", 1.0) is None
