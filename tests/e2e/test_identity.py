"""One person on WeChat, on the phone and by e-mail: three strangers, one customer, three again; all parts real."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.links import minted_id
from tests.conftest import RunningKafka
from tests.e2e.system import System, eventually
from tests.e2e.test_chain import PARTITIONS, prepare
from tests.loopback import LOOPBACK

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

WECHAT, PHONE, MAIL = "wechat:gh_shop/oLi", "tel:+8613800000001", "mailto:li@example.cn"
NOW = datetime.now(UTC)


@pytest.fixture
async def system(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> Any:
    key = await prepare(kafka.bootstrap, topic_prefix, database_url)
    with System(kafka.bootstrap, topic_prefix, database_url, key, tmp_path, PARTITIONS) as running:
        yield running


def event(event_id: str, handle: str | None = None, customer: str | None = None, **fields: Any) -> dict[str, Any]:
    who: dict[str, Any] = {"handles": [handle]} if handle else {}
    return {
        "type": "interaction",
        "id": event_id,
        "source": "story",
        "occurred_at": (NOW - timedelta(minutes=5)).isoformat(),
        "customer": who | ({"id": customer} if customer else {}),
        "direction": "inbound",
        "actor": {"kind": "customer"},
        **fields,
    }


def chat(event_id: str, **who: Any) -> dict[str, Any]:
    return event(event_id, channel="chat", text="等了三天还没发货，太差了！", **who)


def call(event_id: str, **who: Any) -> dict[str, Any]:
    return event(event_id, channel="phone", call={"duration_s": 60}, text="Where is my parcel?", **who)


def order(event_id: str, **who: Any) -> dict[str, Any]:
    return event(event_id, type="order.placed", channel="email", order_id=event_id, amount="49.90", **who)


def identified(event_id: str, customer: str, *handles: str) -> dict[str, Any]:
    return event(event_id, type="customer.identified") | {"customer": {"id": customer, "handles": list(handles)}}


def customer(system: System, customer_id: str) -> dict[str, Any]:
    answer = system.get(f"/v1/customers/{customer_id}")
    return dict(answer.json()) if answer.status_code == 200 else {}


def timeline(system: System, customer_id: str) -> list[str]:
    found = customer(system, customer_id)
    return sorted(item["id"] for item in found["timeline"]["items"]) if found else []


def shows(system: System, customer_id: str, *event_ids: str) -> bool:
    return timeline(system, customer_id) == sorted(event_ids)


def contacts(system: System, customer_id: str) -> int:
    found = customer(system, customer_id)
    return int(found["engagement"]["inbound"].get("d90", 0)) if found and found["engagement"] else 0


def post(system: System, path: str, body: dict[str, Any]) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {system.key}"}
    return httpx2.post(system.services["api"].url + path, json=body, headers=headers, timeout=20, **LOOPBACK)


def test_three_strangers_become_one_customer_and_part_again(system: System) -> None:
    wechat, phone, mail = map(minted_id, (WECHAT, PHONE, MAIL))
    system.send(
        chat("w1", handle=WECHAT), call("p1", handle=PHONE), order("o1", handle=MAIL), chat("w2", handle=WECHAT)
    )
    eventually(lambda: shows(system, wechat, "w1", "w2") and shows(system, phone, "p1") and shows(system, mail, "o1"))

    system.send(identified("i1", "c-1", WECHAT, PHONE, MAIL))

    eventually(partial(shows, system, "c-1", "i1", "o1", "p1", "w1", "w2"))
    eventually(lambda: contacts(system, "c-1") == 4)
    joined = customer(system, "c-1")
    assert joined["handles"] == sorted([WECHAT, PHONE, MAIL])
    assert {link["handle"]: link["by"] for link in joined["links"]} == dict.fromkeys((WECHAT, PHONE, MAIL), "story")
    assert joined["engagement"]["complaints"]["d7"] == 2
    assert joined["orders"][0]["amount_placed"] == "49.9"
    assert customer(system, wechat)["customer_id"] == "c-1"

    system.send(chat("w3", handle=WECHAT))
    eventually(partial(shows, system, "c-1", "i1", "o1", "p1", "w1", "w2", "w3"))
    eventually(lambda: contacts(system, "c-1") == 5)

    answer = post(system, "/v1/identity/links/end", {"linked_id": wechat, "reason": "her brother's account"})

    assert answer.status_code == 202, answer.text
    eventually(partial(shows, system, wechat, "w1", "w2", "w3"))
    eventually(partial(shows, system, "c-1", "i1", "o1", "p1"))
    eventually(lambda: (contacts(system, "c-1"), contacts(system, wechat)) == (2, 3))
    system.send(chat("w4", handle=WECHAT), call("p2", handle=PHONE))
    eventually(partial(shows, system, wechat, "w1", "w2", "w3", "w4"))
    eventually(partial(shows, system, "c-1", "i1", "o1", "p1", "p2"))
    eventually(lambda: (contacts(system, "c-1"), contacts(system, wechat)) == (3, 4))


def test_a_handle_of_two_known_customers_is_a_conflict_for_a_person(system: System) -> None:
    system.send(order("o1", handle=MAIL, customer="c-1"))
    eventually(lambda: customer(system, minted_id(MAIL)).get("customer_id") == "c-1")

    system.send(order("o2", handle=MAIL, customer="c-2"))

    [conflict] = eventually(lambda: system.get("/v1/identity/conflicts?status=open").json()["items"])
    assert (conflict["owner_id"], conflict["claimant_id"], conflict["handle"]) == ("c-1", "c-2", MAIL)
    # Orders and conflicts are of different keys: neither is read first for certain.
    eventually(lambda: shows(system, "c-1", "o1") and shows(system, "c-2", "o2"))
    body = {"decision": "merge", "note": "he has two accounts"}
    assert post(system, f"/v1/identity/conflicts/{conflict['id']}/decide", body).status_code == 200
    eventually(partial(shows, system, "c-1", "o1", "o2"))
    assert customer(system, "c-2")["customer_id"] == "c-1"
