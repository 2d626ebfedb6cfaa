"""Names, units and labels of every metric, against Prometheus's conventions and our bound on cardinality."""

import re

import pytest
from prometheus_client import CollectorRegistry

from services.cli.reference import SERVICES, DeclaredMetric, process_metrics, service_metrics
from services.ingest.metrics import MOST_REASONS, IngestMetrics

# Each label with what bounds it; a label that is not here needs a reason to be.
BOUNDED_LABELS = {
    "cause": "enum of the contract",
    "connection": "the connections file",
    "currency": "the five most frequent, and other",
    "dependency": "kafka, postgresql",
    "document": "rules and the two models",
    "door": "ingest's doors",
    "fit": "new, kept",
    "kind": "enum",
    "lane": "the projection's two",
    "method": "HTTP's, and other",
    "model": "the two models",
    "name": "rules and the two models",
    "of": "customers, alerts",
    "outcome": "enum",
    "partition": "the topic's partitions",
    "processor": "two",
    "reason": "enum, or the first 64 names",
    "resolution": "enum of the alert's life",
    "risk_state": "enum of the contract",
    "route": "the application's routes, and other",
    "severity": "enum of the contract",
    "signal": "enum of the contract",
    "stage": "enum",
    "state": "enum",
    "status": "HTTP's, or the alert's life",
    "topic": "the projected topics",
    "type": "the event union's tags",
}
UNITS = ("_seconds", "_bytes", "_ratio", "_currency", "_info")
METRICS = [metric for service in SERVICES for metric in service_metrics(service)] + process_metrics()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_label_is_bounded(metric: DeclaredMetric) -> None:
    assert set(metric.labels) <= set(BOUNDED_LABELS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: DeclaredMetric) -> None:
    assert re.fullmatch(r"pulseline_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith(UNITS)
    assert metric.meaning.endswith(".")


def test_no_two_services_declare_one_name() -> None:
    by_service = {
        service: {metric.name for metric in service_metrics(service) if "_worker_" not in metric.name}
        for service in SERVICES
    }

    assert sum(map(len, by_service.values())) == len(set().union(*by_service.values()))


def test_reasons_beyond_the_bound_are_counted_as_other() -> None:
    registry = CollectorRegistry()
    metrics = IngestMetrics(registry)

    for number in range(3 * MOST_REASONS):
        metrics.ignored("shop", {f"reason_{number}": 1})

    counted = "pulseline_ingest_connection_ignored_total"
    samples = [one for family in registry.collect() for one in family.samples if one.name == counted]
    assert len(samples) == MOST_REASONS + 1
    assert registry.get_sample_value(counted, {"connection": "shop", "reason": "other"}) == 2 * MOST_REASONS


def test_a_configured_connection_is_shown_before_it_sends() -> None:
    registry = CollectorRegistry()

    IngestMetrics(registry).expect(["shop"])

    labels = {"connection": "shop", "outcome": "accepted"}
    assert registry.get_sample_value("pulseline_ingest_connection_events_total", labels) == 0
