"""Customers whose alert is held out: on no list to work from, counted where left out, marked for who may know."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from services.api.alert.holdout import HELD_OUT_FOR, is_held_out
from shared.clock import SystemClock
from tests.factories.records import customer_risk, enriched, order, raised
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)
HELD_OUT = (f"a{number}" for number in count() if is_held_out(f"a{number}", 0.2))
ACTED_ON = (f"a{number}" for number in count() if not is_held_out(f"a{number}", 0.2))


@pytest.fixture
def shop(api: Api) -> Api:
    """The API over five customers at risk: one left alone, one to be acted on, and three who are left alone no more."""
    now = SystemClock().now()
    names = ("left alone", "acted on", "long ago", "bought since", "alerted since")
    api.publish(
        "interactions.enriched",
        *(enriched(order(f"o-{name}", name, "10", now - 200 * DAY)) for name in names),
        enriched(order("o-since", "bought since", "10", now - 2 * DAY)),
    )
    api.publish("churn.risk", *(customer_risk(name, 100.0 - place, now) for place, name in enumerate(names)))
    api.publish(
        "churn.alerts",
        raised(next(HELD_OUT), "left alone", at=now - 3 * DAY),
        raised(next(ACTED_ON), "acted on", at=now - 3 * DAY),
        raised(next(HELD_OUT), "long ago", at=now - HELD_OUT_FOR - DAY),
        raised(next(HELD_OUT), "bought since", at=now - 3 * DAY),
        raised(next(HELD_OUT), "alerted since", at=now - 30 * DAY),
        raised(next(ACTED_ON), "alerted since", at=now - 3 * DAY),
    )
    api.wait_projected()
    return api


def names(page: Any) -> list[str]:
    return [customer["customer_id"] for customer in page["items"]]


@pytest.mark.parametrize("role", ["viewer", "agent", "supervisor", "admin"])
def test_who_is_held_out_is_not_on_the_list_of_risks_and_is_counted(shop: Api, role: Any) -> None:
    with shop.client(shop.key_for(role)) as client:
        page = client.get("/v1/customers/at-risk").json()

    assert names(page) == ["acted on", "long ago", "bought since", "alerted since"]
    assert page["n_held_out"] == 1


def test_what_a_filter_and_a_segment_leave_out_is_counted_for_them(shop: Api) -> None:
    segment = shop.post("/v1/segments", {"name": "dear", "filter": {"min_expected_loss": 99.5}}).json()["id"]

    assert shop.get("/v1/customers/at-risk", min_expected_loss=200)["n_held_out"] == 0
    assert shop.get("/v1/customers/at-risk", risk_state="lost")["n_held_out"] == 0
    of_segment = shop.get("/v1/customers/at-risk", segment=segment)
    assert (names(of_segment), of_segment["n_held_out"]) == ([], 1)


def test_pages_of_the_list_go_on_without_who_is_held_out(shop: Api) -> None:
    first = shop.get("/v1/customers/at-risk", limit=3)
    second = shop.get("/v1/customers/at-risk", limit=3, cursor=first["next_cursor"])

    assert names(first) + names(second) == ["acted on", "long ago", "bought since", "alerted since"]
    assert (first["n_held_out"], second["n_held_out"]) == (1, None)


def test_supervisors_may_ask_for_the_held_out_and_see_them_marked(shop: Api) -> None:
    with shop.client(shop.key_for("supervisor")) as client:
        page = client.get("/v1/customers/at-risk?held_out=include").json()

    assert {one["customer_id"]: one["is_held_out"] for one in page["items"]} == {
        "left alone": True, "acted on": False, "long ago": False, "bought since": False, "alerted since": False,
    }  # fmt: skip
    assert page["n_held_out"] is None


def test_who_may_not_know_of_the_holdout_is_told_nothing_of_single_customers(shop: Api) -> None:
    with shop.client(shop.key_for("agent")) as client:
        refused = client.get("/v1/customers/at-risk?held_out=include")
        told = [
            *client.get("/v1/customers/at-risk").json()["items"],
            *client.get("/v1/customers").json()["items"],
            *client.get("/v1/customers?q=left alone").json()["items"],
            client.get("/v1/customers/left alone").json(),
        ]

    assert refused.status_code == 403
    assert {customer["is_held_out"] for customer in told} == {None}


def test_segments_and_exports_have_everybody_and_mark_the_held_out(shop: Api) -> None:
    segment = shop.post("/v1/segments", {"name": "all", "filter": {"min_purchases": 1}, "is_shared": True}).json()["id"]
    with shop.client(shop.key_for("supervisor")) as client:
        of_segment = client.get(f"/v1/customers?segment={segment}").json()["items"]
        found = client.get("/v1/customers?q=left alone").json()["items"]
        one = client.get("/v1/customers/left alone").json()
        exported = client.get("/v1/customers/export").text.splitlines()

    marked = {one["customer_id"]: one["is_held_out"] for one in of_segment}
    assert marked == {"left alone": True} | dict.fromkeys(
        ("acted on", "long ago", "bought since", "alerted since"), False
    )
    assert (found[0]["is_held_out"], one["is_held_out"]) == (True, True)
    assert exported[0].endswith(",is_held_out")
    assert {line.split(",")[0]: line.rsplit(",", 1)[1] for line in exported[1:]} == {
        name: "true" if is_marked else "false" for name, is_marked in marked.items()
    }
