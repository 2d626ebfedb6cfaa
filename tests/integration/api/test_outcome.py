"""Whether acting helped, counted by PostgreSQL: fixtures that a person can count by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import pytest

from services.api.alert.holdout import is_held_out
from services.api.kpi.decide import ENOUGH
from shared.clock import SystemClock
from shared.contracts.identity import CustomerLinked
from tests.factories.records import NOON, alert_body, enriched, order, raised
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK

pytestmark = pytest.mark.integration
ENRICHED, ALERTS = "interactions.enriched", "churn.alerts"
DAY = timedelta(days=1)
TIME = {"from": "2026-02-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}


def ids(*, held_out: bool) -> Iterator[str]:
    return (f"a{number}" for number in count() if is_held_out(f"a{number}", 0.2) is held_out)


def bought(customer_id: str, days: float) -> Any:
    return enriched(order(f"o-{customer_id}-{days}", customer_id, "10", NOON + days * DAY))


def outcome(api: Api, **asked: Any) -> Any:
    return api.get("/v1/kpis/outcome", **(TIME | asked))


def test_purchases_within_the_horizon_count_on_each_side(api: Api) -> None:
    acted, held_out = ids(held_out=False), ids(held_out=True)
    alerts = [raised(next(acted), f"act{n}") for n in range(40)] + [
        raised(next(held_out), f"out{n}") for n in range(30)
    ]
    # 20 of 40 and 3 of 30 within 90 days; a purchase before the alert or after the horizon is none.
    orders = [bought(f"act{n}", 5) for n in range(20)] + [bought(f"out{n}", 90) for n in range(3)]
    orders += [bought("act30", -1), bought("act31", 90.5), bought("out20", 91), bought("out21", 0)]
    api.publish(ENRICHED, *orders)
    api.publish(ALERTS, *alerts)
    api.wait_projected()

    found = outcome(api)
    whole = found["whole"]

    assert (whole["acted"]["n"], whole["acted"]["n_bought"]) == (40, 20)
    assert (whole["held_out"]["n"], whole["held_out"]["n_bought"]) == (30, 3)
    assert whole["verdict"] == "helped"
    assert whole["difference"]["value"] == pytest.approx(0.4)
    assert outcome(api, horizon_days=120)["whole"]["acted"]["n_bought"] == 21


def test_who_waits_for_the_horizon_is_in_no_share(api: Api) -> None:
    acted = ids(held_out=False)
    now = SystemClock().now()
    api.publish(ALERTS, raised(next(acted), "c1", at=now - 10 * DAY), raised(next(acted), "c2", at=now - 20 * DAY))
    api.publish(ENRICHED, enriched(order("o1", "c1", "10", now - 9 * DAY)))
    api.wait_projected()

    waiting = api.get("/v1/kpis/outcome")["whole"]["acted"]
    half = api.get("/v1/kpis/outcome", horizon_days=15)["whole"]["acted"]

    assert (waiting["n"], waiting["n_waiting"]) == (0, 2)
    assert (half["n"], half["n_bought"], half["n_waiting"]) == (1, 0, 1)


def test_a_customer_counts_once_on_the_side_of_the_first_alert(api: Api) -> None:
    held_out, acted = next(ids(held_out=True)), next(ids(held_out=False))
    api.publish(ALERTS, raised(held_out, "c1", at=NOON), raised(acted, "c1", at=NOON + 5 * DAY))
    api.wait_projected()

    found = outcome(api)

    assert (found["whole"]["held_out"]["n"], found["whole"]["acted"]["n"], found["n_later_alerts"]) == (1, 0, 1)


def test_imported_history_and_other_times_are_left_out(api: Api) -> None:
    acted = ids(held_out=False)
    api.publish(ALERTS, raised(next(acted), "c1", is_historical=True), raised(next(acted), "c2", at=NOON - 60 * DAY))
    api.wait_projected()

    assert outcome(api)["whole"]["acted"]["n"] == 0


def test_the_cause_is_the_one_the_alert_was_raised_with(api: Api) -> None:
    acted = ids(held_out=False)
    first = next(acted)
    api.publish(ALERTS, raised(first, "c1", body=alert_body(cause="price")), raised(next(acted), "c2"))
    api.publish(ALERTS, raised(first, "c1", revision=2, body=alert_body(cause="attitude")))
    api.wait_projected()

    found = outcome(api)

    assert [(one["name"], one["comparison"]["acted"]["n"]) for one in found["by_cause"]] == [
        ("price", 1),
        ("quality", 1),
    ]
    assert [one["name"] for one in found["by_tier"]] == ["gold"]
    assert [one["name"] for one in found["by_month"]] == ["2026-03-01"]


@pytest.mark.parametrize(
    ("time_zone", "months"),
    [
        ("UTC", ["2026-03-01"]),
        ("Asia/Shanghai", ["2026-03-01", "2026-04-01"]),
        # With its clocks changed on 29 March Berlin's April begins at 22:00 UTC; in winter a month begins at 23:00.
        ("Europe/Berlin", ["2026-03-01", "2026-04-01"]),
    ],
)
def test_months_begin_in_the_time_zone_asked_for(api: Api, time_zone: str, months: list[str]) -> None:
    acted = ids(held_out=False)
    times = [datetime(2026, 3, 1, 0, 0, tzinfo=UTC), datetime(2026, 3, 31, 22, 0, tzinfo=UTC)]
    api.publish(ALERTS, *(raised(next(acted), f"c{number}", at=at) for number, at in enumerate(times)))
    api.wait_projected()

    found = outcome(api, time_zone=time_zone)

    assert [one["name"] for one in found["by_month"]] == months
    assert found["time_zone"] == time_zone


def test_months_begin_in_the_time_zone_of_the_setting(api: Api) -> None:
    api.publish(ALERTS, raised(next(ids(held_out=False)), "c1", at=datetime(2026, 3, 31, 20, 0, tzinfo=UTC)))
    api.wait_projected()

    headers = {"Authorization": f"Bearer {api.key}"}
    with (
        api.make_process("eastern", PULSELINE_API_TIME_ZONE="Asia/Shanghai").start() as eastern,
        httpx2.Client(base_url=eastern.url, headers=headers, timeout=20, **LOOPBACK) as client,
    ):
        months = client.get("/v1/kpis/outcome", params=TIME).json()["by_month"]
        weeks = client.get("/v1/alerts/causes", params=TIME).json()

    assert [one["name"] for one in months] == ["2026-04-01"]
    assert (weeks["time_zone"], weeks["items"][0]["period_start"]) == ("Asia/Shanghai", "2026-03-30")


def test_a_time_zone_that_is_none_is_refused(api: Api) -> None:
    with api.client() as client:
        refused = [
            client.get(path, params={"time_zone": "Mars/Olympus"}) for path in ("/v1/kpis/outcome", "/v1/alerts/causes")
        ]

    assert [(answer.status_code, answer.json()["detail"]) for answer in refused] == [(422, "no such time zone")] * 2


def test_what_a_joined_customer_bought_is_found(api: Api) -> None:
    api.publish(ENRICHED, bought("b", -3), bought("a", 7))
    api.publish(ALERTS, raised(next(ids(held_out=False)), "b"))
    api.wait_projected()
    api.publish(ENRICHED, CustomerLinked(at=NOON, linked_id="b", into_id="a", version=1, by="ann"))
    api.wait_projected()

    assert outcome(api)["whole"]["acted"]["n_bought"] == 1


def test_worked_alerts_are_those_a_person_touched(api: Api) -> None:
    acted = ids(held_out=False)
    touched, left = next(acted), next(acted)
    api.publish(ALERTS, raised(touched, "c1"), raised(left, "c2"))
    api.wait_projected()

    assert api.post(f"/v1/alerts/{touched}/acknowledge", {}).status_code == 200

    assert outcome(api)["whole"]["acted"]["n_worked"] == 1


def test_too_few_give_no_figure(api: Api) -> None:
    acted, held_out = ids(held_out=False), ids(held_out=True)
    alerts = [raised(next(acted), f"a{n}") for n in range(ENOUGH)]
    api.publish(ALERTS, *alerts, *(raised(next(held_out), f"h{n}") for n in range(ENOUGH - 1)))
    api.wait_projected()

    found = outcome(api)["whole"]

    assert (found["verdict"], found["difference"], found["held_out"]["share"]) == ("not_enough", None, None)


def test_only_who_sees_the_holdout_may_ask_and_only_for_a_bounded_time(api: Api) -> None:
    with api.client(api.key_for("agent")) as agent, api.client(api.key_for("supervisor")) as supervisor:
        answers = [
            agent.get("/v1/kpis/outcome").status_code,
            supervisor.get("/v1/kpis/outcome").status_code,
            supervisor.get("/v1/kpis/outcome?from=2020-01-01T00:00:00Z").status_code,
            supervisor.get("/v1/kpis/outcome?from=2026-05-01T00:00:00Z&to=2026-04-01T00:00:00Z").status_code,
        ]

    assert answers == [403, 200, 422, 422]
