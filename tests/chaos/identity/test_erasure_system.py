"""All four services killed while customers are erased: no table and no screen knows them, the others are whole."""

import asyncio
import random
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.links import minted_id
from tests.conftest import RunningKafka
from tests.e2e.system import NAMES, System, eventually
from tests.e2e.test_chain import PARTITIONS, prepare
from tests.stored import tables_that_hold

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

N_KILLS = 12
PEOPLE = [f"gone-{n}" for n in range(6)] + [f"kept-{n}" for n in range(6)]
GOING = PEOPLE[:6]


def event(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": name, "source": "story", "occurred_at": datetime.now(UTC).isoformat(), **fields}


def said(person: str, name: str, *, is_known: bool) -> dict[str, Any]:
    """Return a complaint of a person, who is known by his id, or by his handle alone."""
    customer = {"id": person} if is_known else {"handles": [f"x:{person}"]}
    text = "Still no parcel after three weeks. The worst service I ever had, I want a refund!"
    return event("interaction", name, customer=customer, channel="chat", direction="inbound", text=text)


def lives(chance: random.Random) -> list[list[dict[str, Any]]]:
    """Return what each person's systems send, in order: complaints, who he is, that he was two, and that he is gone."""
    told = []
    for person in PEOPLE:
        handles = {"id": person, "handles": [f"x:{person}"]}
        life = [said(person, f"{person}/{n}", is_known=chance.random() < 0.5) for n in range(8)]
        life.insert(chance.randrange(3, 8), event("customer.identified", f"{person}/who", customer=handles))
        merged = {"from_id": f"{person}-too", "into_id": person, "customer": {"id": f"{person}-too"}}
        life.insert(0, said(f"{person}-too", f"{person}/too", is_known=True))
        life.insert(chance.randrange(3, 9), event("customer.merged", f"{person}/merged", **merged))
        told.append(life)
    return told


def killing(system: System, is_done: threading.Event) -> None:
    chance = random.Random(7)
    for number in range(N_KILLS):
        service = system.services[NAMES[number % len(NAMES)]]
        # No synchronisation: at no particular point of the work.
        time.sleep(chance.uniform(0.2, 1.5))
        service.kill()
        service.start(until_ready=False)
    for service in system.services.values():
        service.wait_ready(90)
    is_done.set()


def contacts(system: System, person: str) -> int:
    answer = system.get(f"/v1/customers/{person}")
    engagement = answer.json()["engagement"] if answer.status_code == 200 else None
    return int(engagement["inbound"].get("d90", 0)) if engagement else 0


def is_whole(system: System, person: str) -> bool:
    """Return whether all nine complaints are counted, and shown with the word that says who he is."""
    answer = system.get(f"/v1/customers/{person}/timeline?limit=200")
    return answer.is_success and len(answer.json()["items"]) == 10 and contacts(system, person) == 9


def is_known(system: System, customer_id: str) -> bool:
    return system.get(f"/v1/customers/{customer_id}").is_success


def warned(system: System, *, is_open: bool = False) -> list[str]:
    """Return whom each alert is of, or each that is open."""
    alerts = system.get("/v1/alerts?limit=200").json()["items"]
    return sorted(alert["customer_id"] for alert in alerts if not is_open or alert["resolved_at"] is None)


def traces(database_url: str, ids: list[str]) -> dict[str, list[str]]:
    """Return the tables in which each id stands, for those that stand anywhere."""
    held = {one: asyncio.run(tables_that_hold(database_url, one)) for one in ids}
    return {one: tables for one, tables in held.items() if tables}


async def test_no_trace_is_left_of_who_was_erased_while_everything_died(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path
) -> None:
    chance, is_done = random.Random(8), threading.Event()
    key = await prepare(kafka.bootstrap, topic_prefix, database_url)
    told = lives(chance)
    before = [one for life in told for one in life if "gone" in one["id"]]
    with System(kafka.bootstrap, topic_prefix, database_url, key, tmp_path, PARTITIONS) as system:
        killer = threading.Thread(target=killing, args=(system, is_done))
        killer.start()
        for step in range(max(map(len, told))):
            await asyncio.to_thread(system.send, *[life[step] for life in told if step < len(life)])
        # Nothing of them is sent for the first time from here on.
        erasures = [event("customer.erased", f"erase/{person}", customer={"id": person}) for person in GOING]
        await asyncio.to_thread(system.send, *erasures)
        while not is_done.is_set():
            again = [*before, *erasures]
            chance.shuffle(again)
            await asyncio.to_thread(system.send, *again)
            await asyncio.sleep(0.2)
        killer.join()
        await asyncio.to_thread(system.send, *erasures)

        for person in PEOPLE[6:]:
            await asyncio.to_thread(eventually, partial(is_whole, system, person), 90)
        ids = [one for person in GOING for one in (person, minted_id(f"x:{person}"))]
        await asyncio.to_thread(eventually, lambda: not any(is_known(system, one) for one in ids), 90)
        # A partition that is behind the others brings what went before its erasure.
        await asyncio.to_thread(eventually, lambda: traces(database_url, ids) == {}, 90)
        # An alert of either id that found another open when they were joined ends as merged.
        await asyncio.to_thread(eventually, lambda: warned(system, is_open=True) == sorted(PEOPLE[6:]), 90)
        assert set(warned(system)) == set(PEOPLE[6:])
