"""The census as the gauges show it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from services.api.census.agent import show
from services.api.census.model import Calibration, Census
from services.api.metrics import ApiMetrics

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def census(**changes: Any) -> Census:
    nothing: dict[str, Any] = {
        "customers": {},
        "expected_loss": {},
        "alerts": {},
        "oldest_untouched_at": None,
        "closed": {},
        "calibration": {},
        "n_pending": 0,
        "n_due": 0,
        "oldest_due_at": None,
        "endpoints": {},
        "failing_since": None,
        "dead_letters": {},
        "database_bytes": 1,
        "server_connections": {},
        "server_max_connections": 100,
        "oldest_transaction_s": 0.0,
        "cache_hit_ratio": 1.0,
    }
    return Census(**nothing | changes)


def shown(*found: Census) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = ApiMetrics(registry)
    for one in found:
        show(one, metrics, NOW)
    return registry


def test_a_state_that_emptied_goes_to_0() -> None:
    registry = shown(census(customers={"at_risk": 3}), census(customers={"active": 3}))

    assert registry.get_sample_value("pulseline_api_customers", {"risk_state": "at_risk"}) == 0


def test_an_endpoint_that_fails_delivers_no_more() -> None:
    registry = shown(census(endpoints={("webhook", "delivering"): 1}), census(endpoints={("webhook", "failing"): 1}))

    labels = {"kind": "webhook", "state": "delivering"}
    assert registry.get_sample_value("pulseline_api_notification_endpoints", labels) == 0


def test_ages_are_counted_from_now() -> None:
    registry = shown(census(oldest_due_at=NOW - timedelta(seconds=90), n_pending=5, n_due=2))

    assert registry.get_sample_value("pulseline_api_notification_queue_seconds") == 90
    assert registry.get_sample_value("pulseline_api_notification_queue_jobs", {"state": "waiting"}) == 3


def test_predicted_and_happened_stand_side_by_side() -> None:
    registry = shown(census(calibration={"customers": Calibration(10, 6.5, 7)}))

    of = {"of": "customers"}
    assert registry.get_sample_value("pulseline_api_calibration_predicted_customers", of) == 6.5
    assert registry.get_sample_value("pulseline_api_calibration_left_customers", of) == 7
    assert registry.get_sample_value("pulseline_api_calibration_customers", {"of": "alerts"}) == 0
