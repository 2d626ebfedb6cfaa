"""Twenty kills while customers are joined and parted, on real Kafka: every order stands once, with its customer."""

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import pytest

from services.churn_alerts.customer.state import decode_state as decode_customer
from services.sentiment.engagement.state import decode_state as decode_engagement
from services.sentiment.engagement.tally import engagement
from services.sentiment.identity.decide import whole
from shared.contracts.codec import encode
from shared.contracts.event import Customer, CustomerIdentified, CustomerMerged, OrderPlaced
from shared.contracts.identity import LinkDissolved
from shared.kafka.publisher import Publisher
from shared.kafka.topics_admin import ensure_topics
from shared.links import minted_id
from shared.topics import CHURN_STATE, ENGAGEMENT
from tests.chaos.identity.experiment import PARTITIONS, STAGES, Experiment, stamped
from tests.conftest import RunningKafka
from tests.factories.identity_world import NOON

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

N_COMPANY_IDS = 30
# Of one day, a customer's state tells 256 events from their repetitions; who is merged gets a fifteenth of the orders.
# The slower the machine, the more are sent until all have died.
MOST_ORDERS_TOGETHER = 2_400


class Traffic:
    """What is sent, in an order of chance, and what must come of it whatever happens on the way."""

    def __init__(self) -> None:
        self.chance = random.Random(11)
        self.handles = [f"x:{n}" for n in range(2 * N_COMPANY_IDS)]
        self.parent: dict[str, str] = {minted_id(handle): f"c{n // 2}" for n, handle in enumerate(self.handles)}
        self.orders: dict[str, int] = defaultdict(int)
        self.sent: list[tuple[str, bytes]] = []
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
        """Return the next records by key: orders, some of them sent before, and now and then a decision on identity.

        A sender delivers again whatever he likes, so some arrive while their customer's history is on its way.
        """
        records = [self._order() for _ in range(40)]
        records += self.chance.choices(self.sent, k=20)
        n_decisions = len(self.decisions) if is_last else min(2, len(self.decisions))
        records += [self.decisions.pop() for _ in range(n_decisions)]
        self.chance.shuffle(records)
        return records

    def expected(self) -> dict[str, int]:
        totals: dict[str, int] = defaultdict(int)
        for origin, n_orders in self.orders.items():
            totals[self.root(origin)] += n_orders
        return totals

    def _order(self) -> tuple[str, bytes]:
        name = f"o{len(self.sent)}"
        is_known = self.chance.random() < 0.3
        origin = f"c{self.chance.randrange(N_COMPANY_IDS)}"
        if len(self.sent) >= MOST_ORDERS_TOGETHER:
            is_known, origin = True, f"passer-by-{name}"
        customer = Customer(origin)
        if not is_known:
            handle = self.chance.choice(self.handles)
            origin, customer = minted_id(handle), Customer(None, [handle])
        self.orders[origin] += 1
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
        self.sent.append(stamped(order, NOON))
        return self.sent[-1]

    def _identified(self, n: int) -> tuple[str, bytes]:
        customer = Customer(f"c{n}", self.handles[2 * n : 2 * n + 2])
        return stamped(CustomerIdentified(id=f"i{n}", source="crm", occurred_at=NOON, customer=customer), NOON)

    def _parted(self, handle: str) -> tuple[str, bytes]:
        linked_id = minted_id(handle)
        owner = self.parent.pop(linked_id)
        command = LinkDissolved(id=f"d/{handle}", at=NOON, linked_id=linked_id, from_id=owner, by="ann")
        return linked_id, encode(command)

    def _merged(self, n: int) -> tuple[str, bytes]:
        one, other = f"c{n}", f"c{n + 1}"
        self.parent[one] = other
        customer = Customer(one)
        return stamped(
            CustomerMerged(id=f"m{n}", source="crm", occurred_at=NOON, customer=customer, from_id=one, into_id=other),
            NOON,
        )


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
