"""Segments on real parts: kept, used by lists and exports, seen and changed by whoever may."""

from datetime import timedelta
from typing import Any

import pytest

from shared.clock import SystemClock
from tests.factories.records import customer_risk, enriched, message
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration


def segment(name: str = "s", *, is_shared: bool = False, **asked: Any) -> dict[str, Any]:
    return {"name": name, "filter": asked, "is_shared": is_shared}


def ids(page: Any) -> list[str]:
    return [customer["customer_id"] for customer in page["items"]]


@pytest.fixture
def crowd(api: Api) -> Api:
    """`old` fell silent 100 days ago and is dear, `new` wrote today and is scored, `unscored` wrote today."""
    now = SystemClock().now()
    api.publish(
        "interactions.enriched",
        enriched(message("e1", "old", occurred_at=now - timedelta(days=100))),
        enriched(message("e2", "new", occurred_at=now - timedelta(minutes=2))),
        enriched(message("e3", "unscored", occurred_at=now - timedelta(minutes=1))),
    )
    api.publish("churn.risk", customer_risk("old"), customer_risk("new"))
    api.wait_projected()
    api.rows("UPDATE customers SET expected_loss = 900, p_churn = 0.9, tier = 'gold' WHERE customer_id = 'old'")
    api.rows("UPDATE customers SET expected_loss = 10, p_churn = 0.1, tier = 'new' WHERE customer_id = 'new'")
    api.rows("UPDATE customers SET last_purchase_at = now() - interval '9 days' WHERE customer_id = 'new'")
    api.rows("UPDATE customers SET last_purchase_at = NULL WHERE customer_id <> 'new'")
    return api


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["unscored", "new", "old"]),
        ({"silent_for_days": 99}, ["old"]),
        ({"silent_for_days": 101}, []),
        ({"no_purchase_for_days": 8}, ["new"]),
        ({"no_purchase_for_days": 10}, []),
        ({"min_p_churn": 0.5}, ["old"]),
        ({"min_expected_loss": 10}, ["new", "old"]),
        ({"min_purchases": 1_000}, []),
        ({"tiers": ["gold", "silver"]}, ["old"]),
        ({"risk_states": ["unscored"]}, ["unscored"]),
        ({"min_expected_loss": 1, "tiers": ["new"]}, ["new"]),
    ],
)
def test_a_segment_is_who_satisfies_all_it_asks(crowd: Api, asked: dict[str, Any], found: list[str]) -> None:
    kept = crowd.post("/v1/segments", segment(**asked)).json()
    in_query = {{"tiers": "tier", "risk_states": "risk_state"}.get(name, name): value for name, value in asked.items()}

    assert ids(crowd.get("/v1/customers", segment=kept["id"])) == found
    assert ids(crowd.get("/v1/customers", **in_query)) == found


def test_a_segment_narrows_the_at_risk_list_and_exports_beside_other_filters(crowd: Api) -> None:
    dear = crowd.post("/v1/segments", segment(min_expected_loss=5)).json()["id"]

    at_risk = crowd.get("/v1/customers/at-risk", segment=dear)
    both = crowd.get("/v1/customers/at-risk", segment=dear, tier="new")
    lost = crowd.get("/v1/customers/at-risk", risk_state="lost")
    risky = crowd.get("/v1/customers/at-risk", risk_state=["lost", "at_risk"])
    with crowd.client() as client:
        exported = client.get("/v1/customers/export", params={"segment": dear, "tier": "gold"}).text.splitlines()

    assert (ids(at_risk), ids(both)) == (["old", "new"], ["new"])
    assert (ids(lost), ids(risky)) == ([], ["old", "new"])
    assert [line.partition(",")[0] for line in exported[1:]] == ["old"]


def test_pages_of_a_segment_join_up(crowd: Api) -> None:
    dear = crowd.post("/v1/segments", segment(min_expected_loss=5)).json()["id"]

    first = crowd.get("/v1/customers", segment=dear, limit=1)
    second = crowd.get("/v1/customers", segment=dear, limit=1, cursor=first["next_cursor"])

    assert (ids(first), ids(second), second["next_cursor"]) == (["new"], ["old"], None)


def test_only_its_owner_sees_a_segment_until_it_is_shared(api: Api) -> None:
    kept = api.post("/v1/segments", segment("mine")).json()
    path = f"/v1/segments/{kept['id']}"
    with api.client(api.key_for("agent")) as agent, api.client() as owner:
        hidden = [agent.get(path), agent.put(path, json=segment("x")), agent.delete(path)]
        unused = agent.get("/v1/customers", params={"segment": kept["id"]})
        listed = agent.get("/v1/segments").json()["items"]
        owner.put(path, json=segment("ours", is_shared=True))
        shared = [agent.get(path), agent.put(path, json=segment("x")), agent.delete(path)]
        used = agent.get("/v1/customers", params={"segment": kept["id"]})

    assert ([answer.status_code for answer in hidden], unused.status_code, listed) == ([404] * 3, 422, [])
    assert ([answer.status_code for answer in shared], used.status_code) == ([200, 403, 403], 200)


def test_sharing_takes_a_right_that_agents_have_not(api: Api) -> None:
    with api.client(api.key_for("agent")) as agent, api.client(api.key_for("supervisor")) as supervisor:
        refused = agent.post("/v1/segments", json=segment("a", is_shared=True))
        private = agent.post("/v1/segments", json=segment("a"))
        widened = agent.put(f"/v1/segments/{private.json()['id']}", json=segment("a", is_shared=True))
        shared = supervisor.post("/v1/segments", json=segment("s", is_shared=True))

    assert [a.status_code for a in (refused, private, widened, shared)] == [403, 201, 403, 201]


def test_a_supervisor_changes_and_removes_what_others_shared(api: Api) -> None:
    path = f"/v1/segments/{api.post('/v1/segments', segment('ours', is_shared=True)).json()['id']}"
    with api.client(api.key_for("supervisor")) as supervisor:
        changed = supervisor.put(path, json=segment("renamed", is_shared=True))
        removed = supervisor.delete(path)

    assert (changed.json()["name"], changed.json()["owner"]) == ("renamed", "first admin")
    assert (removed.status_code, api.get("/v1/segments")["items"]) == (204, [])


def test_a_name_is_taken_once_by_each_owner(api: Api) -> None:
    kept = api.post("/v1/segments", segment("silent")).json()
    twin = api.post("/v1/segments", segment("silent"))
    other = api.post("/v1/segments", segment("other")).json()
    with api.client() as client, api.client(api.key_for("agent")) as agent:
        renamed = client.put(f"/v1/segments/{other['id']}", json=segment("silent"))
        same = client.put(f"/v1/segments/{kept['id']}", json=segment("silent", tiers=["gold"]))
        somebody_elses = agent.post("/v1/segments", json=segment("silent"))

    assert [a.status_code for a in (twin, renamed, same, somebody_elses)] == [409, 409, 200, 201]
    assert twin.json()["present"] == {"id": kept["id"]}


def test_a_segment_sent_twice_is_kept_once_and_written_down(api: Api) -> None:
    sent = [api.post("/v1/segments", segment("s"), **{"Idempotency-Key": "k1"}) for _ in range(2)]

    assert [answer.json()["id"] for answer in sent] == [sent[0].json()["id"]] * 2
    audited = api.get("/v1/audit", target_type="segment", target_id=sent[0].json()["id"])["items"]
    assert [entry["action"] for entry in audited] == ["segment.create"]


def test_a_filter_that_nobody_knows_is_refused(api: Api) -> None:
    refused = [
        api.post("/v1/segments", segment(colour="red")),
        api.post("/v1/segments", segment(tiers=["tin"])),
        api.post("/v1/segments", segment(min_p_churn=2)),
        api.post("/v1/segments", segment("")),
    ]

    assert [answer.status_code for answer in refused] == [422] * 4
