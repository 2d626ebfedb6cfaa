"""The census of a running API, over what the projection wrote."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.alert import AlertBody, AlertRaised, CustomerRisk, Risk
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin
from shared.contracts.event import Customer, OrderPlaced
from tests.integration.api.conftest import Api
from tests.waiting import eventually

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)
ASKED = NOW - timedelta(days=100)


def gauge(api: Api, name: str, **labels: str) -> float | None:
    text = httpx2.get(f"{api.process.url}/metrics", trust_env=False).text
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
    eventually(lambda: gauge(api, "pulseline_api_expected_loss_currency", currency="CNY") == 100, 60.0)
    return api


@pytest.mark.timeout(120)
@pytest.mark.parametrize("of", ["customers", "alerts"])
def test_the_census_tells_what_was_predicted_and_what_happened(counted: Api, of: str) -> None:
    assert gauge(counted, "pulseline_api_calibration_customers", of=of) == 2
    assert gauge(counted, "pulseline_api_calibration_predicted_customers", of=of) == pytest.approx(1.1)
    assert gauge(counted, "pulseline_api_calibration_left_customers", of=of) == 1


@pytest.mark.timeout(120)
def test_the_census_tells_who_is_at_risk_and_what_waits(counted: Api) -> None:
    assert gauge(counted, "pulseline_api_customers", risk_state="at_risk") == 2
    assert gauge(counted, "pulseline_api_alerts", status="open", severity="high") == 2
    assert (gauge(counted, "pulseline_api_alert_untouched_seconds") or 0) > 99 * 86_400
