"""Risk by day, threshold previews, causes over time, and the holdout, over HTTP on real parts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.api.alert.holdout import is_held_out
from services.api.projection.retention import Retention
from services.api.risk.schemas import ThresholdPreview
from shared.contracts.alert import CustomerRisk
from shared.contracts.event import Customer, CustomerErased, CustomerIdentified
from shared.contracts.identity import CustomerLinked, CustomerUnlinked
from shared.postgres.pool import make_pool, reading
from tests.factories.records import NOON, alert_body, customer_risk, enriched, message, raised, risk
from tests.fakes.clock import FakeClock
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration
RISK, ALERTS = "churn.risk", "churn.alerts"
DAY = timedelta(days=1)
LAST_DAY = NOON.date().isoformat()


def risk_on(customer_id: str, days_ago: int, p_churn: float) -> CustomerRisk:
    at = NOON - days_ago * DAY
    return replace(customer_risk(customer_id, at=at), risk=replace(risk(p_churn), as_of=at))


def preview(api: Api, threshold: float, days: int) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/v1/alerts/threshold-preview", threshold=threshold, days=days, until=LAST_DAY)
    return found


def held_out_id() -> str:
    return next(f"a{number}" for number in range(1_000) if is_held_out(f"a{number}", 0.2))


def test_a_customers_history_holds_the_greatest_risk_of_each_day(api: Api) -> None:
    api.publish(RISK, risk_on("c1", 2, 0.3), risk_on("c1", 1, 0.8), risk_on("c1", 1, 0.5), risk_on("c1", 0, 0.6))
    api.wait_projected()

    history = api.get("/v1/customers/c1/risk-history")

    assert [day["p_leave"] for day in history["items"]] == [0.3, 0.8, 0.6]
    assert [day["day"] for day in history["items"]][-1] == LAST_DAY
    assert api.get("/v1/customers/c1")["currency"] == "USD"


def test_the_days_of_a_joined_customer_are_shown_with_the_survivors_until_they_part(api: Api) -> None:
    api.publish("interactions.enriched", enriched(message("e1", "a")), enriched(message("e2", "b")))
    api.publish(RISK, risk_on("a", 2, 0.3), risk_on("a", 1, 0.4), risk_on("b", 1, 0.8), risk_on("b", 0, 0.6))
    # What is told of b's risk and read after the link is a's affair alone.
    api.wait_projected()
    link = CustomerLinked(at=NOON, linked_id="b", into_id="a", version=1, by="ann")
    api.publish("interactions.enriched", link)
    api.wait_projected()
    joined = [api.get(f"/v1/customers/{one}/risk-history")["items"] for one in ("a", "b")]
    api.publish("interactions.enriched", CustomerUnlinked(at=NOON, linked_id="b", from_id="a", version=2, by="ann"))
    api.wait_projected()
    parted = [api.get(f"/v1/customers/{one}/risk-history")["items"] for one in ("a", "b")]

    assert [[day["p_leave"] for day in days] for days in joined] == [[0.3, 0.8, 0.6]] * 2
    assert [[day["p_leave"] for day in days] for days in parted] == [[0.3, 0.4], [0.8, 0.6]]


def test_redelivered_risk_changes_no_day(api: Api) -> None:
    records = [risk_on("c1", 1, 0.8), risk_on("c1", 0, 0.6)]
    for _ in range(2):
        api.publish(RISK, *records)
        api.wait_projected()

    assert [day["p_leave"] for day in api.get("/v1/customers/c1/risk-history")["items"]] == [0.8, 0.6]


def test_a_preview_counts_who_rises_to_the_threshold(api: Api) -> None:
    twice = [risk_on("twice", 9, 0.2), risk_on("twice", 8, 0.7), risk_on("twice", 5, 0.3), risk_on("twice", 2, 0.9)]
    since_long = [risk_on("since-long", 40, 0.8), risk_on("since-long", 3, 0.9)]
    api.publish(RISK, *twice, *since_long, risk_on("never", 2, 0.55))
    api.publish(ALERTS, raised("a1", "twice"), raised("h1", "never", is_historical=True))
    api.wait_projected()

    found = ThresholdPreview(**preview(api, 0.6, 30))

    assert (found.n_customers_above, found.n_alerts_estimated, found.n_alerts_raised) == (2, 2, 1)
    assert preview(api, 0.95, 30)["n_customers_above"] == 0
    assert preview(api, 0.5, 30)["n_alerts_estimated"] == 3


async def test_days_of_risk_older_than_400_days_are_forgotten_by_the_clock_that_is_given(database_url: str) -> None:
    async with make_pool(database_url) as pool:
        async with reading(pool) as connection:
            await connection.execute(
                """
                INSERT INTO customer_risk_daily (customer_id, day, p_leave, generation)
                VALUES ('c1', '2026-03-10', 0.5, 1), ('c1', '2026-03-11', 0.5, 1)
                """
            )

        await Retention(pool, FakeClock(datetime(2027, 4, 15, tzinfo=UTC)), n_months=0).tick()

        async with reading(pool) as connection:
            kept = await connection.fetch("SELECT day FROM customer_risk_daily")
    assert [row["day"] for row in kept] == [date(2026, 3, 11)]


def test_an_erased_customers_days_are_gone(api: Api) -> None:
    api.publish(RISK, risk_on("c1", 1, 0.8))
    api.wait_projected()
    erased = CustomerErased(id="x1", source="test", occurred_at=NOON, customer=Customer("c1"))
    api.publish("interactions.enriched", enriched(erased))
    api.wait_projected()

    assert api.value("SELECT count(*) FROM customer_risk_daily") == 0


def test_causes_are_counted_by_period(api: Api) -> None:
    api.publish(
        ALERTS,
        raised("a1", body=alert_body(cause="price"), at=NOON),
        raised("a2", body=alert_body(cause="quality"), at=NOON),
        raised("a3", body=alert_body(cause="quality"), at=NOON),
        raised("a4", body=alert_body(cause="quality"), at=NOON - 10 * DAY),
    )
    api.wait_projected()

    found = api.get("/v1/alerts/causes", **{"from": "2026-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"})

    counts = [[(cause["cause"], cause["n_alerts"]) for cause in period["causes"]] for period in found["items"]]
    assert counts == [[("quality", 1)], [("quality", 2), ("price", 1)]]
    assert [period["period_start"] for period in found["items"]] == ["2026-02-16", "2026-03-02"]


@pytest.mark.parametrize(
    ("time_zone", "by", "starts"),
    [
        ("UTC", "week", ["2026-03-23"]),
        # Monday of Shanghai begins on Sunday, 16:00 UTC.
        ("Asia/Shanghai", "week", ["2026-03-23", "2026-03-30"]),
        # On Sunday, 29 March 2026 Berlin turns its clocks from 02:00 to 03:00: its Monday begins at 22:00 UTC.
        ("Europe/Berlin", "week", ["2026-03-23", "2026-03-30"]),
        ("America/New_York", "week", ["2026-03-23"]),
        ("Asia/Shanghai", "month", ["2026-03-01"]),
    ],
)
def test_periods_of_causes_begin_in_the_time_zone_asked_for(
    api: Api, time_zone: str, by: str, starts: list[str]
) -> None:
    times = [datetime(2026, 3, 29, 15, 59, tzinfo=UTC), datetime(2026, 3, 29, 22, 0, tzinfo=UTC)]
    api.publish(ALERTS, *(raised(f"a{number}", f"c{number}", at=at) for number, at in enumerate(times)))
    api.wait_projected()

    found = api.get("/v1/alerts/causes", **{"from": "2026-03-01T00:00:00Z", "time_zone": time_zone, "by": by})

    assert [period["period_start"] for period in found["items"]] == starts
    assert sum(period["n_alerts"] for period in found["items"]) == 2
    assert found["time_zone"] == time_zone


def test_days_of_berlin_are_an_hour_shorter_when_its_clocks_change(api: Api) -> None:
    # The week of Monday, 30 March begins at 22:00 UTC, an hour earlier than the one before did.
    times = [datetime(2026, 3, 22, 22, 30, tzinfo=UTC), datetime(2026, 3, 29, 21, 59, tzinfo=UTC)]
    api.publish(ALERTS, *(raised(f"a{number}", f"c{number}", at=at) for number, at in enumerate(times)))
    api.wait_projected()

    found = api.get("/v1/alerts/causes", **{"from": "2026-03-01T00:00:00Z", "time_zone": "Europe/Berlin"})

    assert [period["period_start"] for period in found["items"]] == ["2026-03-16", "2026-03-23"]


def test_an_alert_names_its_customer(api: Api) -> None:
    known = CustomerIdentified(id="i1", source="crm", occurred_at=NOON, customer=Customer("c1"), name="王芳")
    api.publish("interactions.enriched", enriched(message("e1")), enriched(known))
    api.wait_projected()
    position = api.get("/v1/alerts")["last_event_id"]
    api.publish(ALERTS, raised("a1", "c1"))
    api.wait_projected()

    assert api.get("/v1/alerts")["items"][0]["customer_name"] == "王芳"
    assert api.get("/v1/alerts/a1")["customer_name"] == "王芳"
    assert api.get("/v1/alerts/events", after=position, wait_s=5)["items"][0]["alert"]["customer_name"] == "王芳"


def test_only_supervisors_see_what_is_held_out(api: Api) -> None:
    held_out = held_out_id()
    position = api.get("/v1/alerts")["last_event_id"]
    api.publish(ALERTS, raised(held_out), raised("b1", "c2"))
    api.wait_projected()

    with api.client(api.key_for("agent")) as agent, api.client(api.key_for("supervisor")) as supervisor:
        agents = {alert["alert_id"] for alert in agent.get("/v1/alerts").json()["items"]}
        told = {
            event["alert_id"] for event in agent.get(f"/v1/alerts/events?after={position}&wait_s=5").json()["items"]
        }
        refused = [
            agent.get(f"/v1/alerts/{held_out}").status_code,
            agent.get(f"/v1/alerts/{held_out}/events").status_code,
            agent.post(f"/v1/alerts/{held_out}/acknowledge").status_code,
        ]
        seen = supervisor.get(f"/v1/alerts/{held_out}").json()

    assert held_out not in agents | told
    assert refused == [404, 404, 404]
    assert seen["is_held_out"] is True
