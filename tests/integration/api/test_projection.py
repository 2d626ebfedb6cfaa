"""The projection over real Kafka and PostgreSQL: rows, exactness, outages, erasure."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import structs

from services.api.alert.store import append_records
from services.api.interaction.search import text_terms
from services.api.projection.store import drop_months_before
from shared.contracts.alert import AlertRecord
from shared.contracts.enriched import EnrichedEvent
from shared.contracts.event import Actor, Customer, CustomerErased, CustomerIdentified, Interaction
from shared.contracts.identity import CustomerLinked, CustomerUnlinked, HistoryErased, LinkConflicted
from shared.postgres.advisory import AdvisoryLock
from shared.postgres.pool import open_connection
from tests.factories.records import NOON, cleared, customer_risk, enriched, message, order, raised
from tests.integration.api.conftest import Api
from tests.stored import tables_that_hold

pytestmark = pytest.mark.integration
LATER = NOON + timedelta(minutes=1)
ENRICHED, RISK, ALERTS = "interactions.enriched", "churn.risk", "churn.alerts"


def test_a_customer_is_made_up_once_an_event_says_so_and_alerts_tell_it(api: Api) -> None:
    marked = CustomerIdentified(
        id="i1", source="demo", occurred_at=NOON, customer=Customer("c1"), attributes={"demo": "true"}
    )
    api.publish(ENRICHED, enriched(marked), enriched(message("e2", "c1")), enriched(message("e3", "c2")))
    api.wait_projected()
    api.publish(ENRICHED, enriched(message("e4", "c1")))
    api.publish(ALERTS, raised("a1", customer_id="c1"), raised("a2", customer_id="c2"))
    api.wait_projected()

    customers = api.get("/v1/customers")["items"]
    alerts = api.get("/v1/alerts")["items"]

    assert {one["customer_id"]: one["is_demo"] for one in customers} == {"c1": True, "c2": False}
    assert {one["alert_id"]: one["is_demo"] for one in alerts} == {"a1": True, "a2": False}


def test_a_customer_shows_everything_its_events_said(api: Api) -> None:
    known = CustomerIdentified(id="i1", source="crm", occurred_at=NOON, customer=Customer("c1"), name="李小龙")
    api.publish(ENRICHED, enriched(known), enriched(message(text="太慢了，我要退款", handles=["tel:+8613800000000"])))
    api.publish(ENRICHED, enriched(order("o1", "c1", "12.34")))
    api.publish(RISK, customer_risk("c1"))
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()

    customer = api.get("/v1/customers/c1")

    assert customer["name"] == "李小龙"
    assert customer["handles"] == ["tel:+8613800000000"]
    assert customer["orders"][0] | {"n_returned": 0} == customer["orders"][0]
    assert customer["orders"][0]["amount_placed"] == "12.34"
    assert customer["risk"]["p_churn"] == 0.7
    assert [alert["alert_id"] for alert in customer["open_alerts"]] == ["a1"]
    assert len(customer["timeline"]["items"]) == 3
    assert customer["engagement"]["inbound"]["d90"] == 1


def test_who_was_never_named_goes_by_the_name_a_channel_tells(api: Api) -> None:
    def written(event_id: str, customer_id: str, name: str) -> Interaction:
        return structs.replace(message(event_id, customer_id), actor=Actor("customer", name=name))

    by_agent = structs.replace(message("e1", "c3"), actor=Actor("agent", name="Mia"), direction="outbound")
    linked = structs.replace(enriched(written("e2", "c4", "Ben")), linked_id="cus_1")
    named = CustomerIdentified(id="i1", source="crm", occurred_at=NOON, customer=Customer("c2"), name="Ana Garcia")
    api.publish(ENRICHED, *map(enriched, (written("e3", "c1", "安娜"), written("e4", "c2", "Ana"))))
    api.wait_projected()
    api.publish(ENRICHED, *map(enriched, (written("e5", "c1", "Anita"), named, by_agent)), linked)
    api.wait_projected()
    api.publish(ENRICHED, enriched(written("e6", "c2", "Ana")))
    api.wait_projected()

    names = {one["customer_id"]: one["name"] for one in api.get("/v1/customers")["items"]}
    found = [one["customer_id"] for one in api.get("/v1/customers", q="安娜")["items"]]

    assert names == {"c1": "安娜", "c2": "Ana Garcia", "c3": None, "c4": None}
    assert found == ["c1"]


def test_scores_are_told_as_they_were_published(api: Api) -> None:
    judged = [enriched(message(f"e{n}", "c1")) for n in range(3)]
    scores = [-0.9218, 0.1, 0.0003]
    told = [
        structs.replace(one, sentiment=structs.replace(one.sentiment, score=score))  # type: ignore[type-var]
        for one, score in zip(judged, scores, strict=True)
    ]
    api.publish(ENRICHED, *told)
    api.wait_projected()

    customer = api.get("/v1/customers/c1")
    page = api.get("/v1/customers/c1/timeline")

    assert sorted(item["sentiment_score"] for item in page["items"]) == sorted(scores)
    assert sorted(item["sentiment_score"] for item in customer["timeline"]["items"]) == sorted(scores)
    assert [week["mean_score"] for week in customer["sentiment_by_week"]] == [-0.2738]


@pytest.mark.parametrize("customer_id", ["at-risk", "export", "profile", "a/profile", "a b?c#d%2F"])
def test_every_customer_has_a_page_whatever_the_id(api: Api, customer_id: str) -> None:
    address = f"/v1/customers/{quote(customer_id, safe='')}"
    api.publish(ENRICHED, enriched(message("e1", customer_id)))
    api.wait_projected()

    assert [hit["customer_id"] for hit in api.get("/v1/customers", q=customer_id)["items"]] == [customer_id]
    assert api.get(f"{address}/profile")["customer_id"] == customer_id
    assert [item["id"] for item in api.get(f"{address}/timeline")["items"]] == ["e1"]
    assert api.get(f"{address}/risk-history")["customer_id"] == customer_id


def test_alert_events_follow_links_as_lists_of_alerts_do(api: Api) -> None:
    position = api.get("/v1/alerts")["last_event_id"]
    api.publish(ALERTS, raised("a-old", "old"), raised("a-new", "new"), raised("a-other", "other"))
    api.publish(ENRICHED, enriched(message("e1", "old")), enriched(message("n1", "new")), linked())
    api.wait_projected()
    api.publish(ALERTS, raised("a-late", "old"))
    api.wait_projected()

    for customer_id in ("old", "new"):
        events = api.get("/v1/alerts/events", after=position, customer_id=customer_id)["items"]
        listed = api.get("/v1/alerts", customer_id=customer_id)["items"]
        assert sorted(event["alert_id"] for event in events) == ["a-late", "a-new", "a-old"]
        assert {event["alert_id"] for event in events} == {alert["alert_id"] for alert in listed}


def test_a_frequent_words_newest_text_is_found_before_a_thousand_old_ones(api: Api) -> None:
    old = (message(f"e{n}", text="要退款", occurred_at=NOON - timedelta(days=100)) for n in range(1_001))
    api.publish(ENRICHED, *map(enriched, old), enriched(message("new", "c2", text="我也要退款")))
    api.wait_projected()

    hits = api.get("/v1/customers", q="退款")["items"]

    assert [(hit["customer_id"], hit["snippet"]) for hit in hits] == [("c2", "我也要退款"), ("c1", "要退款")]


def test_a_customer_is_found_while_the_name_is_being_typed(api: Api) -> None:
    names = {"c1": "Zoe Stone", "c2": "Otto Stoneham", "c3": "王石"}
    for customer_id, name in names.items():
        known = CustomerIdentified(
            id=f"i-{customer_id}", source="crm", occurred_at=NOON, customer=Customer(customer_id), name=name
        )
        api.publish(ENRICHED, enriched(known))
    api.wait_projected()

    found = {
        typed: {hit["customer_id"] for hit in api.get("/v1/customers", q=typed)["items"]}
        for typed in ("sto", "Zoe Sto", "stone", "st", "王石", "O'Sto:* | zoe")
    }

    assert found == {
        "sto": {"c1", "c2"}, "Zoe Sto": {"c1"}, "stone": {"c1", "c2"}, "st": set(), "王石": {"c3"},
        "O'Sto:* | zoe": set(),
    }  # fmt: skip


def test_redelivered_records_change_nothing(api: Api) -> None:
    orders = [enriched(order(f"o{n}", f"c{n % 7}", f"{n}.01")) for n in range(200)]
    alerts = [raised(f"a{n}", f"c{n % 7}") for n in range(20)]

    for _ in range(3):
        api.publish(ENRICHED, *orders)
        api.publish(ALERTS, *alerts)
    api.wait_projected()

    assert api.value("SELECT count(*) FROM interactions") == 200
    assert api.value("SELECT sum(amount) FROM orders") == sum(Decimal(f"{n}.01") for n in range(200))
    assert api.value("SELECT count(*) FROM alert_events") == 20


def test_a_record_that_cannot_be_stored_becomes_a_dead_letter_and_spares_its_neighbours(api: Api) -> None:
    good = [("c1", b) for b in _encoded(enriched(message("e1")), enriched(message("e2")))]
    api.publish_raw(ENRICHED, [good[0], ("c1", b"{not json"), ("c1", b"\xff\xfe"), good[1]])
    api.wait_projected()
    api.wait_projected()

    letters = api.rows("SELECT stage, topic, value FROM dead_letters ORDER BY value")

    assert api.value("SELECT count(*) FROM interactions") == 2
    assert [(row["stage"], bytes(row["value"])) for row in letters] == [("api", b"{not json"), ("api", b"\xff\xfe")]


def test_an_erased_customer_leaves_no_row_and_does_not_come_back(api: Api) -> None:
    gone = CustomerErased(id="x1", source="crm", occurred_at=NOON, customer=Customer("c1"))
    first = [enriched(message("e1", handles=["mailto:a@b.cn"])), enriched(order("o1", "c1", "5")), enriched(gone)]

    api.publish(ALERTS, raised("a1"))
    api.wait_projected()
    api.publish(ENRICHED, *first, *first[:2])
    api.wait_projected()

    for table in ("customers", "interactions", "orders", "handles", "alerts", "alert_events"):
        assert api.value(f"SELECT count(*) FROM {table}") == 0, table


def test_an_alert_whose_end_is_read_before_its_raise_is_told_once_and_ended(api: Api) -> None:
    # Who was joined to another leaves the raise in his own partition; the other's, which ends it, may be read first.
    api.publish(ALERTS, cleared("a1", "new", reason="merged"), cleared("a2", "new", reason="merged"))
    api.wait_projected()
    api.publish(ALERTS, raised("a1", "old"), cleared("a1", "new", reason="merged"), raised("a3", "old"))
    api.wait_projected()
    api.publish(ALERTS, raised("a2", "old"))
    api.wait_projected()

    alerts = {alert["alert_id"]: alert for alert in api.get("/v1/alerts")["items"]}
    events = api.rows("SELECT alert_id, type FROM alert_events ORDER BY seq")

    assert {name: alert["resolution"] for name, alert in alerts.items()} == {"a1": "merged", "a2": "merged", "a3": None}
    assert [(row["alert_id"], row["type"]) for row in events] == [
        ("a1", "alert.raised"), ("a1", "alert.cleared"), ("a3", "alert.raised"), ("a2", "alert.raised"),
        ("a2", "alert.cleared"),
    ]  # fmt: skip
    assert api.value("SELECT count(*) FROM early_clearances") == 0


def test_alerts_do_not_wait_for_a_batch_of_events_that_is_being_written(api: Api) -> None:
    async def write_meanwhile() -> None:
        connection = await open_connection(api.database_url)
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", AdvisoryLock.JOINS)
                await asyncio.to_thread(api.publish, ALERTS, raised("a1"))
                await asyncio.to_thread(api.wait_projected)
        finally:
            await connection.close()

    asyncio.run(write_meanwhile())

    assert [alert["alert_id"] for alert in api.get("/v1/alerts")["items"]] == ["a1"]


def test_an_alert_raised_anew_is_not_ended_by_an_older_end(api: Api) -> None:
    api.publish(ALERTS, cleared("a1", revision=2))
    api.wait_projected()
    api.publish(ALERTS, raised("a1", revision=3))
    api.wait_projected()

    [alert] = api.get("/v1/alerts")["items"]
    assert alert["resolved_at"] is None


def test_an_end_and_its_raise_that_are_written_at_once_meet(api: Api) -> None:
    alerts: list[tuple[AlertRecord, AlertRecord]] = [
        (raised(f"a{n}", "old"), cleared(f"a{n}", "new")) for n in range(20)
    ]

    asyncio.run(_write_side_by_side(api.database_url, alerts))

    assert api.value("SELECT count(*) FROM alerts WHERE status = 'resolved'") == len(alerts)


async def _write_side_by_side(database_url: str, alerts: list[tuple[AlertRecord, AlertRecord]]) -> None:
    one, other = [await open_connection(database_url) for _ in range(2)]

    async def write(connection: Any, record: AlertRecord) -> None:
        async with connection.transaction():
            await append_records(connection, [record])

    try:
        for begun, ended in alerts:
            await asyncio.gather(write(one, ended), write(other, begun))
    finally:
        await one.close()
        await other.close()


@pytest.mark.parametrize("is_alert_late", [False, True])
def test_an_alert_of_a_clock_that_is_ahead_goes_with_who_is_erased(api: Api, is_alert_late: bool) -> None:
    alert = [(ALERTS, raised("a1", "gone", at=LATER + timedelta(minutes=4)))]
    end = [(ENRICHED, erased("gone"))]
    for topic, record in (*end, *alert) if is_alert_late else (*alert, *end):
        api.publish(topic, record)
        api.wait_projected()

    assert asyncio.run(tables_that_hold(api.database_url, "gone")) == []


def test_an_end_that_waits_for_its_raise_goes_with_who_is_erased(api: Api) -> None:
    api.publish(ALERTS, cleared("a1", "gone"))
    api.wait_projected()
    api.publish(ENRICHED, erased("gone"))
    api.wait_projected()

    assert asyncio.run(tables_that_hold(api.database_url, "gone")) == []


def erased(customer_id: str) -> EnrichedEvent:
    return enriched(CustomerErased(id="x1", source="crm", occurred_at=LATER, customer=Customer(customer_id)))


def erased_along(linked_id: str, *ids: str) -> HistoryErased:
    return HistoryErased(id="era", at=LATER, linked_id=linked_id, ids=list(ids))


@pytest.mark.parametrize("is_link_late", [False, True])
def test_who_was_joined_to_an_erased_customer_goes_along_whichever_is_read_first(api: Api, is_link_late: bool) -> None:
    # Records of one key keep their order; those of two keys may be read in any.
    straggler = structs.replace(enriched(message("e3", "gone")), linked_id="gone-too")
    gone = [enriched(message("e1", "gone", handles=["x:gone"])), straggler, erased("gone")]
    joined = [
        enriched(message("e2", "gone-too")),
        enriched(order("o1", "gone-too", "9.00")),
        linked(linked_id="gone-too", into_id="gone"),
        erased_along("gone-too", "gone", "gone-too"),
    ]

    for records in (gone, joined) if is_link_late else (joined, gone):
        api.publish(ENRICHED, *records)
        api.wait_projected()

    assert asyncio.run(tables_that_hold(api.database_url, "gone")) == []


def test_a_handle_of_the_erased_is_not_stored_with_whom_he_was_joined_to(api: Api) -> None:
    straggler = structs.replace(enriched(message("e1", "other", handles=["x:gone"])), linked_id="gone-too")
    for record in (erased_along("gone-too", "gone", "gone-too"), straggler):
        api.publish(ENRICHED, record)
        api.wait_projected()

    assert asyncio.run(tables_that_hold(api.database_url, "gone")) == []


def test_who_was_parted_from_an_erased_customer_before_keeps_what_is_his(api: Api) -> None:
    joined = structs.replace(enriched(message("e2", "new")), linked_id="old")
    api.publish(ENRICHED, enriched(message("e1", "old")), linked(), joined)
    api.publish(ENRICHED, enriched(message("n1", "new")), erased("new"))
    api.wait_projected()

    api.publish(ENRICHED, unlinked())
    api.wait_projected()

    old = api.get("/v1/customers/old")
    assert {item["id"] for item in old["timeline"]["items"]} == {"e1", "e2"}
    assert api.rows("SELECT customer_id FROM interactions WHERE customer_id = 'new'") == []
    assert [row["customer_id"] for row in api.rows("SELECT customer_id FROM customers")] == ["old"]
    assert api.rows("SELECT * FROM link_events WHERE other_id = 'new'") == []


def linked(version: int = 1, into_id: str = "new", linked_id: str = "old") -> CustomerLinked:
    return CustomerLinked(at=NOON, linked_id=linked_id, into_id=into_id, version=version, by="crm", reason="the same")


def unlinked(version: int = 2) -> CustomerUnlinked:
    return CustomerUnlinked(at=NOON, linked_id="old", from_id="new", version=version, by="ann", reason="a mistake")


def test_a_linked_customer_takes_its_history_along_and_its_stragglers_too(api: Api) -> None:
    api.publish(ENRICHED, enriched(message("e1", "old")), linked(), enriched(message("e2", "old")))
    api.publish(ALERTS, raised("a1", "old"))
    api.wait_projected()

    customer = api.get("/v1/customers/old")

    assert customer["customer_id"] == "new"
    assert customer["merged_from"] == ["old"]
    assert {item["id"] for item in customer["timeline"]["items"]} == {"e1", "e2"}
    assert [link["by"] for link in customer["links"]] == ["crm"]
    assert [alert["customer_id"] for alert in customer["open_alerts"]] == ["new"]
    assert api.get("/v1/alerts", customer_id="old") == api.get("/v1/alerts", customer_id="new")


def test_an_ended_link_gives_each_its_own_rows_back(api: Api) -> None:
    own = [enriched(message("e1", "old")), enriched(message("n1", "new"))]
    api.publish(ENRICHED, *own, linked(), structs.replace(enriched(message("e2", "new")), linked_id="old"), unlinked())
    api.publish(ENRICHED, structs.replace(enriched(message("e3", "new")), linked_id="old"))
    api.wait_projected()

    old, new = api.get("/v1/customers/old"), api.get("/v1/customers/new")

    assert {item["id"] for item in old["timeline"]["items"]} == {"e1", "e2", "e3"}
    assert [item["id"] for item in new["timeline"]["items"]] == ["n1"]
    assert new["merged_from"] == [] == new["links"]
    told = api.get("/v1/identity/customers/old/history")["items"]
    assert [(one["kind"], one["by"]) for one in told] == [("unlinked", "ann"), ("linked", "crm")]


def test_chains_of_links_end_at_one_customer_whatever_order_they_came_in(api: Api) -> None:
    upper = CustomerLinked(at=NOON, linked_id="new", into_id="top", version=7, by="crm")
    api.publish(ENRICHED, enriched(message("e1", "old")), enriched(message("n1", "new")), upper, linked())
    api.wait_projected()

    customer = api.get("/v1/customers/old")

    assert customer["customer_id"] == "top"
    assert len(customer["timeline"]["items"]) == 2
    assert customer["merged_from"] == ["new", "old"]


def test_a_conflict_is_listed_and_decided_once(api: Api) -> None:
    told = LinkConflicted(
        at=NOON, linked_id="old", owner_id="c1", claimant_id="c2", handle="mailto:a@b.cn", by="crm", reason="order o1"
    )
    api.publish(ENRICHED, told, told)
    api.wait_projected()
    [conflict] = api.get("/v1/identity/conflicts", status="open")["items"]

    body = {"decision": "keep_apart", "note": "two people, one family address"}
    answers = [api.post(f"/v1/identity/conflicts/{conflict['id']}/decide", body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[0].json()["status"] == "kept_apart"
    assert api.get("/v1/identity/conflicts", status="open")["items"] == []


def test_a_killed_api_goes_on_where_its_rows_end(api: Api) -> None:
    api.publish(ENRICHED, *(enriched(order(f"a{n}", f"c{n % 50}", "1.5")) for n in range(2_000)))
    api.process.kill()
    api.publish(ENRICHED, *(enriched(order(f"b{n}", f"c{n % 50}", "2.5")) for n in range(2_000)))

    api.process.start()
    api.wait_projected()

    assert api.value("SELECT count(*) FROM orders") == 4_000
    assert api.value("SELECT sum(amount) FROM orders") == Decimal(8000)


REBUILT = "customers, handles, interactions, orders, customer_risk_daily, customer_links, link_events"


@pytest.mark.timeout(180)
def test_everything_projected_is_rebuilt_from_the_topics_and_peoples_work_stays(api: Api) -> None:
    # The topics hold what other tests sent, too.
    people = [f"rebuilt-{n}" for n in range(20)]
    said = (message(f"m-{one}", one, text="太慢了", handles=[f"mailto:{one}@example.com"]) for one in people)
    api.publish(ENRICHED, *map(enriched, said), *(enriched(order(f"o-{one}", one, "2.5")) for one in people))
    api.publish(RISK, *map(customer_risk, people))
    api.publish(ENRICHED, CustomerLinked(at=NOON, linked_id=people[1], into_id=people[0], version=9, by="crm"))
    api.publish(ALERTS, raised("rebuilt-alert", people[0]))
    api.wait_projected()
    assert api.post("/v1/alerts/rebuilt-alert/acknowledge", {}).status_code == 200
    before = [api.get(f"/v1/customers/{one}") for one in people]

    api.process.kill()
    api.rows(f"TRUNCATE {REBUILT}, projection_offsets")
    api.process.start()
    api.wait_projected(120)

    assert [api.get(f"/v1/customers/{one}") for one in people] == before
    assert before[0]["open_alerts"][0]["status"] == "acknowledged"
    assert api.value("SELECT count(*) FROM orders WHERE customer_id LIKE 'rebuilt-%'") == len(people)


def test_old_months_go_and_later_ones_stay(api: Api) -> None:
    years = [NOON.replace(year=year) for year in (2024, 2025, 2026)]
    api.publish(ENRICHED, *(enriched(message(f"e{at.year}", occurred_at=at)) for at in years))
    api.wait_projected()

    dropped = asyncio.run(_drop_months_before(api.database_url, (2025, 3)))

    assert dropped == ["interactions_2024_03"]
    assert [row[0] for row in api.rows("SELECT event_id FROM interactions ORDER BY 1")] == ["e2025", "e2026"]


async def _drop_months_before(database_url: str, oldest_kept: tuple[int, int]) -> list[str]:
    connection = await open_connection(database_url)
    try:
        return await drop_months_before(connection, oldest_kept)
    finally:
        await connection.close()


def _encoded(*messages: object) -> list[bytes]:
    from shared.contracts.codec import encode

    return [encode(message) for message in messages]


def test_the_text_index_holds_what_postgresql_itself_would_make_of_the_terms(api: Api) -> None:
    texts = ["太慢了，我要退款 refund NOW!", "ＶＩＰ 客服 don't", "ok"]
    api.publish(ENRICHED, *(enriched(message(f"e{n}", text=text)) for n, text in enumerate(texts)))
    api.wait_projected()

    for text in texts:
        found = api.rows(
            "SELECT search = array_to_tsvector($2::text[]) AS is_same FROM interactions WHERE body = $1",
            text,
            sorted(text_terms(text)),
        )
        assert [row["is_same"] for row in found] == [True]


def test_a_batch_of_known_and_new_events_adds_the_new_ones_alone(api: Api) -> None:
    api.publish(ENRICHED, *(enriched(message(f"e{n}", "c1", text=f"t{n}")) for n in range(20)))
    api.wait_projected()
    api.publish(ENRICHED, *(enriched(message(f"e{n % 30}", "c1", text=f"t{n % 30}")) for n in range(10, 60)))
    api.wait_projected()

    assert api.value("SELECT count(*) FROM interactions") == 30
    assert api.value("SELECT count(DISTINCT event_id) FROM interactions") == 30
