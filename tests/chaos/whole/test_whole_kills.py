"""Everything killed in turn under mixed traffic, broker and database too; judged by a ledger and by a clean replay."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from pulseline.client import Client, RetryPolicy
from services.cli.replay_chain import Chain, Replayed
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.links import minted_id
from tests.e2e.system import NAMES, System, eventually
from tests.e2e.test_chain import PARTITIONS, prepare
from tests.loopback import LOOPBACK

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

TARGETS = (*NAMES, "kafka", *NAMES, "postgres", *NAMES)
N_EVENTS = 500 * len(TARGETS)
N_CUSTOMERS = 400
BATCH = 20
PATIENCE_S = 150
ANGRY = (
    "Still no parcel after three weeks. The worst service I ever had, I want a refund!",
    "等了三天还没发货，客服态度太差了，非常失望！",
    "It broke again after two days, terrible quality.",
)
CALM = ("Thank you, that was quick and friendly.", "什么时候发货？", "包装很好，物流很快，很满意")


def told_events(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield mixed events of the last hours in order, by known ids; one customer in ten is always angry."""
    start = datetime.now(UTC) - timedelta(hours=20)
    for number in range(N_EVENTS):
        customer = chance.randrange(N_CUSTOMERS)
        event: dict[str, Any] = {
            "id": f"e-{number}",
            "source": "whole",
            "occurred_at": (start + timedelta(hours=19) * number / N_EVENTS).isoformat(),
            "customer": {"id": f"c-{customer}"} if customer % 3 else {"handles": [f"x:{customer}"]},
        }
        kind = chance.random()
        if kind < 0.12:
            amount = f"{chance.randrange(1, 50_000) / 100:.2f}"
            yield event | {"type": "order.placed", "order_id": f"o-{number}", "amount": amount, "currency": "EUR"}
        elif kind < 0.16:
            score = {"kind": "csat", "score": chance.randrange(1, 6), "scale_min": 1, "scale_max": 5}
            yield event | {"type": "survey.answered"} | score
        else:
            text = chance.choice(ANGRY if customer % 10 == 0 else ANGRY + CALM)
            yield event | {"type": "interaction", "channel": "chat", "direction": "inbound", "text": text}


class Sender(threading.Thread):
    """Sends the events allowed so far in batches, each again until it is acknowledged."""

    def __init__(self, system: System) -> None:
        super().__init__(daemon=True)
        self.told = list(told_events(random.Random(5)))
        self.n_allowed = 0
        self.n_acknowledged = 0
        self._system = system

    def run(self) -> None:
        patient = RetryPolicy(attempts=2_000, base_s=0.05, longest_s=0.5)
        with Client(self._system.services["ingest"].url, self._system.key, retry=patient) as client:
            for first in range(0, N_EVENTS, BATCH):
                while first >= self.n_allowed:
                    time.sleep(0.01)
                receipt = client.send(self.told[first : first + BATCH])
                assert receipt.rejected == []
                self.n_acknowledged += receipt.accepted


class Watcher(threading.Thread):
    """Follows the stream of alerts as a browser does: after a break, from the id it has seen last."""

    def __init__(self, system: System) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self._system = system

    def run(self) -> None:
        url = self._system.services["api"].url + "/v1/alerts/stream"
        while True:
            last = self.seen[-1] if self.seen else 0
            headers = {"Authorization": f"Bearer {self._system.key}", "Last-Event-ID": str(last)}
            try:
                with httpx2.stream("GET", url, headers=headers, timeout=20, **LOOPBACK) as answer:
                    for line in answer.iter_lines() if answer.status_code == 200 else ():
                        if line.startswith("id:"):
                            self.seen.append(int(line[3:]))
            except httpx2.TransportError:
                pass
            time.sleep(0.2)


def kill_in_turn(system: System, broker: EmbeddedKafka, database: EmbeddedPostgres, sender: Sender) -> None:
    """Kill one after the other, each in the midst of its share of the events."""
    chance = random.Random(6)
    for number, target in enumerate(TARGETS):
        sender.n_allowed = (number + 1) * N_EVENTS // len(TARGETS)
        midst = sender.n_allowed - chance.randrange(BATCH, N_EVENTS // len(TARGETS))
        eventually(partial(has_come, system, sender, midst), PATIENCE_S)
        if target in NAMES:
            system.services[target].kill()
            system.services[target].start(until_ready=False)
        else:
            server = broker if target == "kafka" else database
            server.kill()
            server.start()
    eventually(partial(has_come, system, sender, N_EVENTS), PATIENCE_S)
    for service in system.services.values():
        service.wait_ready(PATIENCE_S)


def has_come(system: System, sender: Sender, n_events: int) -> bool:
    """Return whether so many events are acknowledged; start what ended by itself, as an operator does."""
    for service in system.services.values():
        if not service.is_running:
            service.start(until_ready=False)
    return sender.n_acknowledged >= n_events


class Log:
    """What stands in the topics, and how far the processors are."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._prefix = prefix
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    def places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(self._prefix + topic, number) for number in range(PARTITIONS)]

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        return dict(await self._consumer.end_offsets(self.places(topic)))

    async def handled(self, stage: str, topic: str) -> dict[TopicPartition, int]:
        committed = await self._admin.list_consumer_group_offsets(self._prefix + stage)
        return {place: committed[place].offset if place in committed else 0 for place in self.places(topic)}

    async def wait_handled(self, stage: str, topic: str) -> None:
        """Return when a stage has handled every record that is there now."""
        ends = await self.ends(topic)
        async with asyncio.timeout(PATIENCE_S):
            while not _has_reached(await self.handled(stage, topic), ends):
                await asyncio.sleep(0.5)

    async def read(self, ends: dict[TopicPartition, int]) -> list[list[bytes]]:
        """Return every partition's values before its end."""
        found = []
        for place, end in ends.items():
            self._consumer.assign([place])
            await self._consumer.seek_to_beginning(place)
            records: list[Any] = []
            while await self._consumer.position(place) < end:
                for some in (await self._consumer.getmany(place, timeout_ms=500)).values():
                    records += some
            found.append([record.value for record in records if record.offset < end])
        return found


def _has_reached(handled: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> bool:
    return all(handled[place] >= end for place, end in ends.items())


def replayed(log: list[bytes]) -> list[bytes]:
    """Return the alerts that one partition's log leads to when nothing is killed."""
    found = list(Chain(Scorer.load(SHIPPED_ARTEFACT), 1).run(log))
    return [untraced(one.value) for one in found if isinstance(one, Replayed)]


def without_repeats(log: list[bytes]) -> list[bytes]:
    """Return a partition's log as it were if no client had ever sent anything twice."""
    kept: list[bytes] = []
    seen: set[str] = set()
    for value in log:
        event_id = json.loads(value).get("id", "")
        if not event_id or event_id not in seen:
            kept.append(value)
        seen.add(event_id)
    return kept


def untraced(value: bytes) -> bytes:
    """Return an alert record without the trace of the request that led to it, which is no part of an event."""
    record = json.loads(value)
    record.pop("correlation_id", None)
    return json.dumps(record).encode()


def wrongly_counted(system: System, told: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
    """Return the customers whose page counts other contacts than were told."""
    customers = [one["customer"] for one in told if one["type"] == "interaction"]
    n_told = Counter(one.get("id") or minted_id(one["handles"][0]) for one in customers)
    pages = {one: system.get(f"/v1/customers/{one}").json() for one in n_told}
    n_shown = {one: page["engagement"]["inbound"]["d90"] for one, page in pages.items()}
    return [(one, n, n_shown[one]) for one, n in n_told.items() if n_shown[one] != n]


async def wait_projected(database: Any, ends: dict[TopicPartition, int]) -> None:
    """Return when the tables have what is in the topics; alerts do not wait there for what led to them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            rows = await database.fetch("SELECT topic, partition, next_offset FROM projection_offsets")
            stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            if all(stored.get(place, 0) >= end for place, end in ends.items()):
                return
            await asyncio.sleep(0.5)


async def judge(
    system: System, bootstrap: str, prefix: str, database_url: str, sender: Sender, watcher: Watcher
) -> None:
    """Hold what is left of it all to the ledger, and the alerts to a clean replay of what came in."""
    async with Log(bootstrap, prefix) as log:
        await log.wait_handled("sentiment", "interactions")
        # It lets time go on in the log: without it, what is handled is all that there will be.
        await asyncio.to_thread(system.services["sentiment"].stop)
        await log.wait_handled("churn_alerts", "interactions.enriched")
        inputs = await log.read(await log.handled("sentiment", "interactions"))
        ends = await log.ends("churn.alerts")
        alerts = [untraced(one) for part in await log.read(ends) for one in part]
        ends |= await log.ends("interactions.enriched")

    arrived = Counter(json.loads(value).get("id") for part in inputs for value in part)
    assert set(arrived) - {None} == {event["id"] for event in sender.told}
    assert set(alerts) == {one for part in inputs for one in replayed(part)}
    assert set(alerts) == {one for part in inputs for one in replayed(without_repeats(part))}

    database = await asyncpg.connect(database_url)
    await wait_projected(database, ends)
    rows = await database.fetch("SELECT seq, is_historical FROM alert_events ORDER BY seq")
    orders = await database.fetchrow("SELECT count(*) AS n, sum(amount) AS total FROM orders")
    n_interactions = await database.fetchval("SELECT count(*) FROM interactions")
    await database.close()
    amounts = [Decimal(event["amount"]) for event in sender.told if event["type"] == "order.placed"]
    assert len(rows) == len(set(alerts)) > 100
    assert n_interactions == N_EVENTS
    assert (orders["n"], orders["total"]) == (len(amounts), sum(amounts))
    assert await asyncio.to_thread(wrongly_counted, system, sender.told) == []
    shown = [row["seq"] for row in rows if not row["is_historical"]]
    await asyncio.to_thread(eventually, lambda: len(watcher.seen) >= len(shown), PATIENCE_S)
    assert watcher.seen == shown


async def test_nothing_is_lost_or_doubled_whatever_is_killed(
    fresh_kafka: EmbeddedKafka, fresh_postgres: EmbeddedPostgres, topic_prefix: str, tmp_path: Path
) -> None:
    key = await prepare(fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url())
    with System(fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url(), key, tmp_path, PARTITIONS) as system:
        sender, watcher = Sender(system), Watcher(system)
        sender.start()
        watcher.start()
        await asyncio.to_thread(kill_in_turn, system, fresh_kafka, fresh_postgres, sender)
        await judge(system, fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url(), sender, watcher)
