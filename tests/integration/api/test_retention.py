"""How many customers were kept, counted by PostgreSQL: fixtures that a person can count by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.api.kpi.store import counting
from shared.contracts.event import Customer, CustomerErased, OrderReturned
from shared.contracts.identity import CustomerLinked
from shared.postgres.pool import make_pool
from shared.problem import ProblemError
from tests.factories.records import enriched, order
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration
ENRICHED = "interactions.enriched"
# The worked example of docs/kpis.md.
AS_OF = "2026-03-20T12:00:00Z"
TABLE = {
    "ann": ("2025-11-10", "2026-01-20"),
    "ben": ("2025-12-05", "2026-01-07"),
    "cho": ("2026-01-10", "2026-02-03", "2026-03-15"),
    "dai": ("2026-01-12", "2026-03-02"),
    "eve": ("2026-01-31", "2026-01-31"),
    "fei": ("2026-02-14",),
}


def bought(customer_id: str, *days: str) -> list[Any]:
    return [
        enriched(order(f"o-{customer_id}-{n}", customer_id, "10", datetime.fromisoformat(f"{day}T12:00:00+00:00")))
        for n, day in enumerate(days)
    ]


def retention(api: Api, **asked: Any) -> Any:
    return api.get("/v1/kpis/retention", **({"periods": 2, "as_of": AS_OF} | asked))


def publish_table(api: Api) -> None:
    api.publish(ENRICHED, *(one for customer_id, days in TABLE.items() for one in bought(customer_id, *days)))
    api.wait_projected()


def test_the_worked_example_is_counted(api: Api) -> None:
    publish_table(api)

    found = retention(api)

    names = ("period", "n_active", "n_new", "n_kept", "n_back", "n_before", "is_complete")
    assert [tuple(period[name] for name in names) for period in found["periods"]] == [
        ("2026-01-01", 5, 3, 1, 1, 1, True),
        ("2026-02-01", 2, 1, 1, 0, 5, True),
        ("2026-03-01", 2, 0, 1, 1, 2, False),
    ]
    assert [
        (cohort["period"], cohort["n"], [age["n_active"] for age in cohort["ages"]]) for cohort in found["cohorts"]
    ] == [
        ("2026-01-01", 3, [1, 2]),
        ("2026-02-01", 1, [0]),
    ]
    assert found["history_since"] == "2025-11-10"
    assert (found["second_purchase"]["n"], found["second_purchase"]["n_bought"]) == (4, 2)
    assert found["repeat"] == {"n": 0, "n_bought": 0, "n_waiting": 4, "share": None}
    assert retention(api, horizon_days=30)["repeat"] == {"n": 4, "n_bought": 1, "n_waiting": 0, "share": None}


def test_enough_customers_have_shares_and_a_curve(api: Api) -> None:
    people = [bought(f"c{n}", "2026-01-05", *(["2026-02-04"] if n < 16 else [])) for n in range(40)]
    api.publish(ENRICHED, *(one for orders in people for one in orders))
    api.wait_projected()

    found = retention(api)

    assert found["periods"][1]["kept"]["value"] == pytest.approx(0.4)
    assert found["cohorts"][0]["ages"][0]["active"]["value"] == pytest.approx(0.4)
    assert found["cohorts"][0]["ages"][1]["active"] is None
    thirty = next(within for within in found["second_purchase"]["within"] if within["days"] == 30)
    assert thirty["bought"]["value"] == pytest.approx(0.4)


def test_a_joined_customer_is_one_and_an_erased_one_is_none(api: Api) -> None:
    publish_table(api)
    at = datetime(2026, 3, 19, tzinfo=UTC)
    gone = CustomerErased(id="gone", source="shop", occurred_at=at, customer=Customer("dai"))
    api.publish(
        ENRICHED, CustomerLinked(at=at, linked_id="fei", into_id="cho", version=1, by="ann"), enriched(gone)
    )  # fmt: skip
    api.wait_projected()

    found = retention(api)

    assert [(cohort["period"], cohort["n"]) for cohort in found["cohorts"]] == [("2026-01-01", 2)]
    assert [period["n_active"] for period in found["periods"]] == [4, 1, 1]


def test_a_return_is_no_purchase_and_what_came_later_is_not_seen(api: Api) -> None:
    sent_back = OrderReturned(
        id="r1", source="shop", occurred_at=datetime(2026, 2, 5, tzinfo=UTC), customer=Customer("ann"), order_id="o",
        amount="10",
    )  # fmt: skip
    api.publish(ENRICHED, *bought("ann", "2026-01-05", "2026-03-21"), enriched(sent_back))
    api.wait_projected()

    found = retention(api)

    assert [period["n_active"] for period in found["periods"]] == [1, 0, 0]
    assert found["second_purchase"]["n_bought"] == 0


def test_days_and_months_begin_where_the_company_is(api: Api) -> None:
    # 00:30 on the first of February in Shanghai; 23:00 of the same local day.
    at = datetime(2026, 1, 31, 16, 30, tzinfo=UTC)
    late = at + timedelta(hours=22, minutes=30)
    api.publish(ENRICHED, enriched(order("o1", "c1", "10", at)), enriched(order("o2", "c1", "10", late)))
    api.wait_projected()

    here, there = retention(api), retention(api, time_zone="Asia/Shanghai")

    assert ([one["period"] for one in here["cohorts"]], here["second_purchase"]["n_bought"]) == (["2026-01-01"], 1)
    assert ([one["period"] for one in there["cohorts"]], there["second_purchase"]["n_bought"]) == (["2026-02-01"], 0)


def test_today_is_seen_in_the_present_month_alone(api: Api) -> None:
    api.publish(ENRICHED, *bought("c1", "2026-03-01", "2026-03-20"), *bought("c2", "2026-03-20"))
    api.wait_projected()

    found = retention(api)

    assert found["periods"][2]["n_active"] == 2
    assert (found["second_purchase"]["n"], found["second_purchase"]["n_bought"]) == (1, 0)


def test_an_empty_shop_is_told_as_such_and_nonsense_is_refused(api: Api) -> None:
    with api.client() as client:
        refused = [
            client.get("/v1/kpis/retention", params={"time_zone": zone}).status_code for zone in ("Mars/Base", "../etc")
        ]
    found = api.get("/v1/kpis/retention")

    with api.client() as client:
        refused += [
            client.get("/v1/kpis/retention", params={"as_of": at}).status_code
            for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
        ]

    assert refused == [422, 422, 422, 422]
    assert (found["cohorts"], found["history_since"], found["second_purchase"]["n"]) == ([], None, 0)
    assert len(found["periods"]) == 13
    assert found["time_zone"] == "UTC"


async def test_a_count_that_takes_too_long_is_ended_and_said(database_url: str) -> None:
    async with make_pool(database_url) as pool:
        with pytest.raises(ProblemError) as refused:
            async with counting(pool, asyncio.Semaphore(1)) as connection:
                await connection.execute("SET LOCAL statement_timeout = '50ms'")
                await connection.execute("SELECT pg_sleep(60)")

    assert refused.value.status == 503
