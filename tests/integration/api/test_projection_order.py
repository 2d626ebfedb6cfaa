"""Whatever order partitions are read in: the same rows in the end."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from services.api.projection.decide import collect, decode
from services.api.projection.store import prepare, write
from shared.contracts.event import Customer, Interaction
from shared.contracts.identity import LinkClaimed, LinkDissolved
from shared.kafka.processor import Output
from shared.links import minted_id
from shared.postgres.pool import open_connection
from shared.topics import CHURN_ALERTS, CHURN_RISK, ENRICHED, Topic
from tests.factories.identity_world import World
from tests.fakes.kafka import FakeRecord

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IDS = ("ann", "bob", "cat")
HANDLES = ("x:lili", "mailto:li@example.cn", "tel:+8613800000001")
COMPARED = {
    "interactions": "SELECT event_key, customer_id, nullif(origin_id, customer_id) FROM interactions",
    "orders": "SELECT event_key, customer_id, nullif(origin_id, customer_id) FROM orders",
    "alerts": """
        SELECT alert_id, customer_id, nullif(origin_id, customer_id), status, state ->> 'resolution' FROM alerts
    """,
    "links": "SELECT linked_id, into_id, version FROM customer_links",
    "erasures": "SELECT customer_id, erased_at FROM erasures",
    "handles": "SELECT handle, customer_id, nullif(origin_id, customer_id) FROM handles",
    "sightings": "SELECT handle, origin_id FROM handle_sightings",
}
# Of who comes back after his erasure these say, for a while, what was read last.
COMPARED_WITHOUT_ERASURES = {
    "customers": """
        SELECT customer_id, engagement::text, risk_state FROM customers
        WHERE merged_into IS NULL AND engagement IS NOT NULL
    """,
    "early": "SELECT alert_id FROM early_clearances",
}
Published = tuple[Topic, int, bytes]


class Recorded(World):
    """The world, and what its processors published for the projection, in the order they did."""

    def __init__(self, n_partitions: int) -> None:
        super().__init__(n_partitions)
        self.published: list[Published] = []

    def _route(self, output: Output, own: int) -> None:
        super()._route(output, own)
        if output.topic in (ENRICHED, CHURN_ALERTS, CHURN_RISK) and output.value is not None:
            number = self.place(output.key) if output.is_rerouted else own
            self.published.append((output.topic, number, output.value))

    def complain(self, event_id: str, customer_id: str | None, *handles: str, at: datetime | None = None) -> None:
        self.send(
            Interaction(
                id=event_id,
                source="desk",
                occurred_at=at or self.tick(),
                customer=Customer(customer_id, list(handles)),
                channel="chat",
                direction="inbound",
                text="Still no parcel after three weeks. The worst service I ever had, I want a refund!",
            )
        )


def story(chance: random.Random, *, has_erasures: bool) -> list[Published]:
    """Return what is published while three customers of two names each complain, are joined, parted and erased."""
    world = Recorded(chance.randint(2, 3))
    for number in range(chance.randint(12, 40)):
        name, customer_id, handle = f"n{number}", chance.choice(IDS), chance.choice(HANDLES)
        match chance.choices(
            ("said", "ordered", "merged", "joined", "parted", "erased"),
            (12, 2, 1, 1, 1, 0.7 * has_erasures),
        )[0]:
            case "said":
                handles = () if (told_as := chance.choice("ihb")) == "i" else (handle,)
                world.complain(name, None if told_as == "h" else customer_id, *handles)
            case "ordered":
                world.order(name, customer_id)
            case "merged":
                one, other = sorted(chance.sample(IDS, 2))
                world.merge(name, one, other)
            case "joined":
                claim = LinkClaimed(
                    id=name, at=world.tick(), linked_id=minted_id(handle), into_id=customer_id, handle=handle,
                    is_decided=True, by="ann",
                )  # fmt: skip
                world.command(claim)
            case "parted":
                linked_id = chance.choice([minted_id(handle), *IDS])
                root = world.root(linked_id)
                if root != linked_id:
                    world.command(LinkDissolved(id=name, at=world.tick(), linked_id=linked_id, from_id=root, by="ann"))
            case "erased":
                # What is on its way when he is erased, is the processors' to sort out; and an alert's id is its
                # customer's and its day's: on the next day it is another alert.
                world.settle()
                world.erase(name, customer_id, world.tick())
                world.settle()
                world.now += timedelta(days=1)
        for _ in range(chance.randint(0, 4)):
            waiting = [stage for stage in (*world.sentiment, *world.churn) if stage.n_waiting]
            if waiting:
                world.step(chance.choice(waiting), chance.randint(1, 4), is_repeated=chance.random() < 0.1)
        if chance.random() < 0.3:
            world.settle()
    world.settle()
    return world.published


def interleaved(published: Sequence[Published], chance: random.Random) -> list[Published]:
    """Return the records in another order, those of one partition in theirs."""
    logs: dict[tuple[Topic, int], list[Published]] = defaultdict(list)
    for one in published:
        logs[one[:2]].append(one)
    rest = [list(reversed(log)) for log in logs.values()]
    mixed: list[Published] = []
    while rest:
        log = chance.choice(rest)
        for _ in range(chance.choice((1, 3, 50))):
            if log:
                mixed.append(log.pop())
        rest = [one for one in rest if one]
    return mixed


async def rows_of(connection: Any, published: Sequence[Published], chance: random.Random) -> dict[str, Any]:
    """Project the records in batches of any size into an empty database and return its rows."""
    await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
    # Alerts have a lane, and so batches, of their own.
    for _, lane in groupby(published, key=lambda one: one[0] is CHURN_ALERTS):
        records = [FakeRecord(0, b"", value, ()) for _, _, value in lane]
        while records:
            n_records = chance.choice((1, 5, 100))
            batch, records = records[:n_records], records[n_records:]
            messages = [message for record in batch if (message := decode(record)) is not None]
            await write(connection, collect(messages, is_searchable=False), {})
    return {
        name: sorted((tuple(row) for row in await connection.fetch(query)), key=repr)
        for name, query in (COMPARED | COMPARED_WITHOUT_ERASURES).items()
    }


TABLES = (
    "customers", "handles", "interactions", "orders", "customer_links", "link_events", "link_conflicts", "erasures",
    "early_clearances", "customer_risk_daily", "alerts", "alert_events",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("has_erasures", [False, True])
async def test_the_order_in_which_partitions_are_read_does_not_matter(
    database_url: str, seed: int, has_erasures: bool
) -> None:
    chance = random.Random(seed)
    connection = await open_connection(database_url)
    await prepare(connection, is_durable=False)
    try:
        published = story(chance, has_erasures=has_erasures)
        expected = await rows_of(connection, published, chance)
        for _ in range(3):
            found = await rows_of(connection, interleaved(published, chance), chance)
            for name in COMPARED if has_erasures else COMPARED | COMPARED_WITHOUT_ERASURES:
                assert found[name] == expected[name], name
    finally:
        await connection.close()
