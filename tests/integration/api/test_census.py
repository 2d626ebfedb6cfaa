"""The census of a running API, over what the projection wrote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.api.census.model import Census
from services.api.census.store import take
from shared.contracts.alert import AlertBody, AlertRaised, CustomerRisk, Risk
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin
from shared.contracts.event import Customer, OrderPlaced
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK
from tests.waiting import eventually

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)
ASKED = NOW - timedelta(days=100)


def gauge(api: Api, name: str, **labels: str) -> float | None:
    text = httpx2.get(f"{api.process.url}/metrics", **LOOPBACK).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples if one.name == name]
    return next((one.value for one in samples if one.labels == labels), None)


def risk(p: float) -> Risk:
    return Risk(
        p_churn=p, horizon_days=30, as_of=ASKED, generation=1, is_prior=True, expected_loss=50.0, currency="CNY"
    )


def order(customer_id: str, at: datetime) -> EnrichedEvent:
    placed = OrderPlaced(
        id=f"{customer_id}-{at:%j}",
        source="shop",
        occurred_at=at,
        customer=Customer(id=customer_id),
        order_id="1",
        amount="10.00",
        currency="CNY",
    )
    return EnrichedEvent(event=placed, engagement=Engagement(as_of=at), origin=Origin(0, 0))


def alert(customer_id: str, p: float) -> AlertRaised:
    body = AlertBody(
        severity="high", cause="unknown", p_cause=0.5, signals=[], summary_en="", summary_zh="", risk=risk(p)
    )
    return AlertRaised(
        alert_id=f"al_{customer_id}", customer_id=customer_id, at=ASKED, revision=1, rules_version=1, body=body
    )


@pytest.fixture
def counted(api: Api) -> Api:
    customers = ("stays", "leaves")
    before = [order(customer_id, ASKED - timedelta(days=5)) for customer_id in customers]
    api.publish(
        "interactions.enriched", *before, order("stays", ASKED + timedelta(days=5)), key=lambda m: m.event.customer.id
    )
    api.publish("churn.alerts", alert("stays", 0.4), alert("leaves", 0.7))
    for customer_id, p in (("stays", 0.4), ("leaves", 0.7)):
        api.publish("churn.risk", CustomerRisk(customer_id=customer_id, as_of=ASKED, state="at_risk", risk=risk(p)))
    api.wait_projected()
    # The gauges may be those of the test before until the next census, and that one may have begun too early.
    eventually(lambda: gauge(api, "pulseline_api_expected_loss_currency", currency="CNY") == 100, 60.0)
    return api


def told(api: Api, *gauges: tuple[str, dict[str, str]]) -> list[float | None]:
    return [gauge(api, f"pulseline_api_{name}", **labels) for name, labels in gauges]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("of", ["customers", "alerts"])
def test_the_census_tells_what_was_predicted_and_what_happened(counted: Api, of: str) -> None:
    names = ("calibration_customers", "calibration_predicted_customers", "calibration_left_customers")
    gauges = [(name, {"of": of}) for name in names]

    eventually(lambda: told(counted, *gauges) == pytest.approx([2, 1.1, 1]))


@pytest.mark.timeout(120)
def test_the_census_tells_who_is_at_risk_and_what_waits(counted: Api) -> None:
    gauges = [("customers", {"risk_state": "at_risk"}), ("alerts", {"status": "open", "severity": "high"})]

    eventually(lambda: told(counted, *gauges) == [2, 2])
    eventually(lambda: (gauge(counted, "pulseline_api_alert_untouched_seconds") or 0) > 99 * 86_400)


async def queue_of(database_url: str, endpoint: str, *jobs: tuple[int, str, datetime]) -> Census:
    """Return the census of one endpoint's notifications: (seq, customer, when to be tried)."""
    connection: Any = await asyncpg.connect(database_url)
    try:
        columns = "id, name, kind, url, created_by, digest_minutes"
        await connection.execute(f"INSERT INTO notification_endpoints ({columns}) VALUES {endpoint}")
        await connection.executemany(
            "INSERT INTO notification_jobs (endpoint_id, seq, customer_id, run_at) VALUES ('ep', $1, $2, $3)", jobs
        )
        return await take(connection, NOW)
    finally:
        await connection.close()


PLAIN = "('ep', 'team', 'webhook', 'https://example.test', 'test', NULL)"
HOURLY = "('ep', 'team', 'webhook', 'https://example.test', 'test', 60)"
HOUR = timedelta(hours=1)


async def test_a_notification_that_nobody_tries_is_late(database_url: str) -> None:
    census = await queue_of(database_url, PLAIN, (1, "c-1", NOW - HOUR), (2, "c-2", NOW + HOUR))

    assert (census.n_pending, census.n_due, census.oldest_due_at) == (2, 1, NOW - HOUR)


async def test_what_waits_behind_a_customers_earlier_notification_is_not_late(database_url: str) -> None:
    # The first failed and is tried again in an hour; the second must not overtake it.
    census = await queue_of(database_url, PLAIN, (1, "c-1", NOW + HOUR), (2, "c-1", NOW - HOUR))

    assert (census.n_pending, census.n_due, census.oldest_due_at) == (2, 0, None)


async def test_what_a_digest_gathers_is_not_late(database_url: str) -> None:
    census = await queue_of(database_url, HOURLY, (1, "c-1", NOW - HOUR / 2), (2, "c-2", NOW - HOUR / 2))

    assert (census.n_pending, census.n_due, census.oldest_due_at) == (2, 0, None)
