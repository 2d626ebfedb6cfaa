"""What people wrote about a customer, and did with him, goes with him when he is erased: from every table."""

import asyncio
from datetime import timedelta

import pytest

from services.api.alert.holdout import is_held_out
from shared.contracts.event import Customer, CustomerErased
from tests.factories.records import NOON, enriched, message, raised
from tests.integration.api.conftest import Api
from tests.stored import tables_that_hold

pytestmark = pytest.mark.integration

ALERT = next(f"a{number}" for number in range(1_000) if not is_held_out(f"a{number}", 0.2))
MARKS = ("gone", "Geheimnis")


def test_nothing_that_people_did_with_the_erased_names_him_or_tells_what_they_wrote(api: Api) -> None:
    api.publish("interactions.enriched", enriched(message("gone-1", "gone")), enriched(message("m2", "other")))
    api.publish("churn.alerts", raised(ALERT, "gone"))
    api.wait_projected()
    done = [
        api.post(f"/v1/alerts/{ALERT}/comment", {"text": "Geheimnis one"}, **{"Idempotency-Key": "k1"}),
        api.post("/v1/alerts/bulk", {"action": "comment", "alert_ids": [ALERT], "parameters": {"text": "Geheimnis"}}),
        api.post("/v1/identity/links", {"linked_id": "other", "into_id": "gone", "reason": "Geheimnis"}),
    ]
    with api.client() as client:
        source = api.value("SELECT source FROM interactions WHERE event_id = 'gone-1'")
        done.append(client.put(f"/v1/labels/{source}/gone-1", json={"label": "negative"}))
    assert all(answer.is_success for answer in done), [answer.text for answer in done]
    held = {mark: asyncio.run(tables_that_hold(api.database_url, mark)) for mark in MARKS}

    erasure = CustomerErased(id="x", source="crm", occurred_at=NOON + timedelta(days=1), customer=Customer("gone"))
    api.publish("interactions.enriched", enriched(erasure))
    api.wait_projected()

    assert all({"audit_log", "idempotency_keys"} & set(tables) for tables in held.values())
    assert {mark: asyncio.run(tables_that_hold(api.database_url, mark)) for mark in MARKS} == {
        "gone": [],
        "Geheimnis": [],
    }
