"""Twenty kills while customers are joined and parted, on real Kafka: every order stands once, with its customer."""

import asyncio
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.churn_alerts.customer.state import decode_state as decode_customer
from services.ingest.event.decide import stamp
from services.sentiment.engagement.state import decode_state as decode_engagement
from services.sentiment.engagement.tally import engagement
from services.sentiment.identity.decide import whole
from shared.contracts.codec import encode
from shared.contracts.event import Customer, CustomerIdentified, CustomerMerged, EventBase, OrderPlaced
from shared.contracts.identity import LinkDissolved
from shared.kafka.changelog import KafkaStateReader, load
from shared.kafka.publisher import Message, Publisher, partition_for
from shared.kafka.rows import state_of
from shared.kafka.topics_admin import ensure_topics
from shared.links import minted_id
from shared.topics import CHURN_STATE, ENGAGEMENT, ENRICHED, INTERACTIONS, Topic
from tests.chaos.identity.worker import BOUNDARIES
from tests.conftest import RunningKafka
from tests.factories.identity_world import NOON

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

PARTITIONS = 3
N_COMPANY_IDS = 30
ROOT = Path(__file__).parents[3]
STAGES = ("sentiment", "churn_alerts")


class Traffic:
    """What is sent, in an order of chance, and what must come of it whatever happens on the way."""

    def __init__(self) -> None:
        self.chance = random.Random(11)
        self.handles = [f"x:{n}" for n in range(2 * N_COMPANY_IDS)]
        self.parent: dict[str, str] = {minted_id(handle): f"c{n // 2}" for n, handle in enumerate(self.handles)}
        self.orders: dict[str, int] = defaultdict(int)
        self.n_sent = 0
        self.decisions: list[tuple[str, bytes]] = [self._identified(n) for n in range(N_COMPANY_IDS)]
        # Not of customers that are merged: who was first, the merge or the parting, would be chance.
        self.decisions += [self._parted(handle) for n, handle in enumerate(self.handles) if n // 2 % 5 in (2, 3)]
        self.decisions += [self._merged(n) for n in range(0, N_COMPANY_IDS, 5)]
        self.chance.shuffle(self.decisions)

    def root(self, one: str) -> str:
        while one in self.parent:
            one = self.parent[one]
        return one

    def wave(self, *, is_last: bool) -> list[tuple[str, bytes]]:
        """Return the next records by key: orders, some of them twice, and a decision about identity now and then."""
        records = [record for _ in range(40) for record in self._order()]
        n_decisions = len(self.decisions) if is_last else min(2, len(self.decisions))
        records += [self.decisions.pop() for _ in range(n_decisions)]
        self.chance.shuffle(records)
        return records

    def expected(self) -> dict[str, int]:
        totals: dict[str, int] = defaultdict(int)
        for origin, n_orders in self.orders.items():
            totals[self.root(origin)] += n_orders
        return totals

    def _order(self) -> list[tuple[str, bytes]]:
        self.n_sent += 1
        is_known = self.chance.random() < 0.3
        origin = f"c{self.chance.randrange(N_COMPANY_IDS)}"
        customer = Customer(origin)
        if not is_known:
            handle = self.chance.choice(self.handles)
            origin, customer = minted_id(handle), Customer(None, [handle])
        self.orders[origin] += 1
        name = f"o{self.n_sent}"
        order = OrderPlaced(
            id=name,
            source="shop",
            occurred_at=NOON,
            customer=customer,
            channel="web",
            direction="inbound",
            order_id=name,
            amount="1.00",
        )
        return [_stamped(order)] * self.chance.choice([1, 1, 1, 2])

    def _identified(self, n: int) -> tuple[str, bytes]:
        customer = Customer(f"c{n}", self.handles[2 * n : 2 * n + 2])
        return _stamped(CustomerIdentified(id=f"i{n}", source="crm", occurred_at=NOON, customer=customer))

    def _parted(self, handle: str) -> tuple[str, bytes]:
        linked_id = minted_id(handle)
        owner = self.parent.pop(linked_id)
        command = LinkDissolved(id=f"d/{handle}", at=NOON, linked_id=linked_id, from_id=owner, by="ann")
        return linked_id, encode(command)

    def _merged(self, n: int) -> tuple[str, bytes]:
        one, other = f"c{n}", f"c{n + 1}"
        self.parent[one] = other
        customer = Customer(one)
        return _stamped(
            CustomerMerged(id=f"m{n}", source="crm", occurred_at=NOON, customer=customer, from_id=one, into_id=other)
        )


def _stamped(event: EventBase) -> tuple[str, bytes]:
    # As an ingest process that has heard of no link yet: everything takes the long way.
    accepted = stamp(event, NOON, {})
    return accepted.customer_id, accepted.value


class Experiment:
    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self.bootstrap, self.prefix, self.folder = bootstrap, prefix, folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.n_kills = 0

    def start(self, stage: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.identity.worker", self.bootstrap, self.prefix, stage, *options]
        with (self.folder / f"{stage}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    async def kill_often(self, stage: str, n_kills: int) -> None:
        """Let the stage die again and again in the midst of its work, and live at last."""
        chance = random.Random(stage)
        for _ in range(n_kills):
            doomed = self.start(stage, "--die", chance.choice(BOUNDARIES), "--after", str(chance.randrange(4)))
            while doomed.poll() is None:
                await asyncio.sleep(0.05)
            assert doomed.returncode == -9, self.log_of(stage)
            self.n_kills += 1
        self.start(stage)

    def log_of(self, stage: str) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob(f"{stage}-*.log")))

    async def publish(self, publisher: Publisher, records: list[tuple[str, bytes]]) -> None:
        batches: dict[tuple[str, int], list[Message]] = {}
        for key, value in records:
            place = INTERACTIONS.full_name(self.prefix), partition_for(key, PARTITIONS)
            batches.setdefault(place, []).append((key.encode(), value, (), None))
        await publisher.publish_batches(batches)

    async def quiet(self) -> None:
        """Return when both stages have handled all there is, and nothing new has come of it."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await consumer.start()
        await admin.start()
        topics = zip(STAGES, (INTERACTIONS, ENRICHED), strict=True)
        places = {
            stage: [TopicPartition(topic.full_name(self.prefix), number) for number in range(PARTITIONS)]
            for stage, topic in topics
        }
        try:
            before: Any = None
            async with asyncio.timeout(240):
                while True:
                    ends = {stage: await consumer.end_offsets(own) for stage, own in places.items()}
                    is_handled = True
                    for stage in STAGES:
                        committed = await admin.list_consumer_group_offsets(self.prefix + stage)
                        is_handled &= all(
                            place in committed and committed[place].offset >= end for place, end in ends[stage].items()
                        )
                    if is_handled and ends == before:
                        return
                    before = ends if is_handled else None
                    await asyncio.sleep(1)
        finally:
            await consumer.stop()
            await admin.close()

    async def states(self, topic: Topic) -> dict[str, bytes]:
        """Return every customer's stored state, encoded."""
        reader = KafkaStateReader(self.bootstrap, client_id="verifier")
        await reader.start()
        try:
            rows: dict[str, bytes] = {}
            for number in range(PARTITIONS):
                rows |= (await load(reader, topic.full_name(self.prefix), number)).rows
        finally:
            await reader.stop()
        return {key: state_of(row) for key, row in rows.items()}

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


async def test_orders_stand_once_with_their_customer_after_twenty_kills(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1)
    experiment, traffic = Experiment(kafka.bootstrap, topic_prefix, tmp_path), Traffic()
    publisher = Publisher(kafka.bootstrap, delivery_timeout_s=60)
    await publisher.start()
    killing = asyncio.gather(*(experiment.kill_often(stage, 10) for stage in STAGES))
    try:
        while not killing.done():
            await experiment.publish(publisher, traffic.wave(is_last=False))
            await asyncio.sleep(0.5)
        await killing
        await experiment.publish(publisher, traffic.wave(is_last=True))
        await experiment.quiet()
        engagements, customers = await experiment.states(ENGAGEMENT), await experiment.states(CHURN_STATE)
    finally:
        killing.cancel()
        experiment.end()
        await publisher.stop()

    counted = {key: engagement(whole(decode_engagement(state))).inbound.d90 for key, state in engagements.items()}
    bought = {key: decode_customer(state).purchases for key, state in customers.items()}
    spent = {key: sum(day.cents or 0 for day in one.recent) // 100 for key, one in bought.items() if one is not None}
    assert experiment.n_kills == 20
    assert {key: n for key, n in counted.items() if n} == traffic.expected()
    assert {key: n for key, n in spent.items() if n} == traffic.expected()
