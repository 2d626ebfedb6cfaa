"""Kills while customers are erased, on real Kafka: nothing of them is left, everybody else is as he was."""

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from services.churn_alerts.customer.state import decode_state as decode_customer
from services.sentiment.engagement.state import decode_state as decode_engagement
from services.sentiment.engagement.tally import engagement
from services.sentiment.identity.decide import whole
from shared.contracts.alert import AlertCleared, AlertRaised, AlertRecord
from shared.contracts.event import (
    Actor,
    Customer,
    CustomerErased,
    CustomerIdentified,
    CustomerMerged,
    EventBase,
    Interaction,
)
from shared.kafka.publisher import Publisher
from shared.kafka.topics_admin import ensure_topics
from shared.links import minted_id
from shared.topics import CHURN_ALERTS, CHURN_RISK, CHURN_STATE, ENGAGEMENT, IDENTITIES
from tests.chaos.identity.experiment import PARTITIONS, STAGES, Experiment, stamped
from tests.conftest import RunningKafka
from tests.factories.identity_world import NOON

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

N_PEOPLE = 24
COMPLAINT = "Still no parcel after three weeks, and nobody answers. The worst service I have ever had, I want a refund!"
_alerts = msgspec.json.Decoder(AlertRecord)


class Person:
    """One who is known by an id, by two handles, and by another id that is merged into the first; half of them go."""

    def __init__(self, number: int) -> None:
        self.is_going = number % 2 == 0
        self.id = f"{'gone' if self.is_going else 'kept'}-{number}"
        self.other_id = f"{self.id}-too"
        self.handles = [f"x:{self.id}-{one}" for one in "ab"]

    @property
    def ids(self) -> set[str]:
        """Every id that anything of the person may stand under."""
        return {self.id, self.other_id, *map(minted_id, self.handles)}


class Traffic:
    """What is sent: lives in an order of chance, everything of a person before his erasure and nothing after it."""

    def __init__(self, people: list[Person]) -> None:
        self.chance = random.Random(12)
        self.people = people
        self.now = NOON
        self.n_sent = 0
        self.n_complaints: dict[str, int] = defaultdict(int)
        self.before_erasure: list[tuple[str, bytes]] = []
        self.erasures: list[tuple[str, bytes]] = []

    def lives(self) -> list[list[tuple[str, bytes]]]:
        """Return what is sent, by key, in waves; between two waves anything may die."""
        lives = [self._life(person) for person in self.people]
        waves: list[list[tuple[str, bytes]]] = []
        while any(lives):
            wave: list[tuple[str, bytes]] = []
            for life in self.chance.sample([life for life in lives if life], k=min(8, sum(map(bool, lives)))):
                wave += [life.pop(0) for _ in range(min(len(life), self.chance.randrange(1, 6)))]
            waves.append(wave)
        return waves

    def again(self) -> list[tuple[str, bytes]]:
        """Return old complaints and erasures, as senders repeat them, in another order."""
        records = [*self.before_erasure, *self.erasures]
        self.chance.shuffle(records)
        return records

    def comes_back(self, person: Person) -> list[tuple[str, bytes]]:
        """Return what somebody writes who was erased: he is a new customer."""
        self.n_complaints[person.id] = 2
        return [self._complaint(Customer(person.id)) for _ in range(2)]

    def _life(self, person: Person) -> list[tuple[str, bytes]]:
        who = [
            Customer(person.id), Customer(person.other_id),
            *(Customer(None, [handle]) for handle in person.handles),
        ]  # fmt: skip
        life = [self._complaint(self.chance.choice(who)) for _ in range(12)]
        if person.is_going:
            self.before_erasure += life
        else:
            self.n_complaints[person.id] = len(life)
        decisions = [self._identified(person), self._merged(person)]
        for decision in decisions:
            # The later, the likelier that it is on its way when the erasure comes.
            life.insert(self.chance.randrange(6, len(life) + 1), decision)
        if person.is_going:
            # By his id alone: by any other he might be a stranger still.
            erasures = [self._erased(person) for _ in range(self.chance.randrange(1, 4))]
            self.erasures += erasures
            life += self.chance.sample(erasures, len(erasures))
        return life

    def _complaint(self, customer: Customer) -> tuple[str, bytes]:
        return self._stamped(
            Interaction(
                id=self._name(),
                source="chat",
                occurred_at=self.now,
                customer=customer,
                channel="chat",
                direction="inbound",
                actor=Actor(kind="customer"),
                text=COMPLAINT,
            )
        )

    def _identified(self, person: Person) -> tuple[str, bytes]:
        customer = Customer(person.id, person.handles)
        return self._stamped(CustomerIdentified(id=self._name(), source="crm", occurred_at=self.now, customer=customer))

    def _merged(self, person: Person) -> tuple[str, bytes]:
        return self._stamped(
            CustomerMerged(
                id=self._name(),
                source="crm",
                occurred_at=self.now,
                customer=Customer(person.other_id),
                from_id=person.other_id,
                into_id=person.id,
            )
        )

    def _erased(self, person: Person) -> tuple[str, bytes]:
        return self._stamped(
            CustomerErased(id=self._name(), source="crm", occurred_at=self.now, customer=Customer(person.id))
        )

    def _stamped(self, event: EventBase) -> tuple[str, bytes]:
        self.now += timedelta(milliseconds=1)
        return stamped(event, self.now)

    def _name(self) -> str:
        self.n_sent += 1
        return f"e{self.n_sent}"


async def test_nothing_is_left_of_who_is_erased_and_all_of_the_others(
    kafka: RunningKafka, topic_prefix: str, tmp_path: Path
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, PARTITIONS, 1)
    people = [Person(number) for number in range(N_PEOPLE)]
    going = [person for person in people if person.is_going]
    traffic = Traffic(people)
    experiment = Experiment(kafka.bootstrap, topic_prefix, tmp_path)
    publisher = Publisher(kafka.bootstrap, delivery_timeout_s=60)
    await publisher.start()
    killing = asyncio.gather(*(experiment.kill_often(stage, 9) for stage in STAGES))
    try:
        for wave in traffic.lives():
            await experiment.publish(publisher, wave)
            await asyncio.sleep(0.5)
        while not killing.done():
            await experiment.publish(publisher, traffic.again())
            await asyncio.sleep(1)
        await killing
        await experiment.quiet()
        await experiment.publish(publisher, traffic.comes_back(going[0]))
        await experiment.publish(publisher, traffic.again())
        await experiment.quiet()
        engagements, customers = await experiment.states(ENGAGEMENT), await experiment.states(CHURN_STATE)
        risks, owners = (
            await experiment.everything(CHURN_RISK, publisher),
            await experiment.everything(IDENTITIES, publisher),
        )
        alerts = [_alerts.decode(value) for _, value in await experiment.everything(CHURN_ALERTS, publisher) if value]
    finally:
        killing.cancel()
        experiment.end()
        await publisher.stop()

    assert experiment.n_kills == 18
    gone = {one for person in going for one in (*person.ids, *person.handles)} - {going[0].id}
    kept: dict[str, dict[str, bytes] | dict[str, bytes | None]] = {
        "engagement": engagements,
        "state": customers,
        "risk": dict(risks),
        "owner": dict(owners),
    }
    for name, rows in kept.items():
        left = {key for key, value in rows.items() if value is not None}
        assert not left & gone, name
        assert not [one for value in rows.values() for one in gone if value and f'"{one}"'.encode() in value], name
    counted = {key: engagement(whole(decode_engagement(state))).complaints.d90 for key, state in engagements.items()}
    assert {key: n for key, n in counted.items() if n} == traffic.n_complaints
    complaints = {key: decode_customer(state).signals.complaints for key, state in customers.items()}
    assert {key: one.total for key, one in complaints.items() if one is not None} == traffic.n_complaints
    told = {(one.alert_id, one.revision): one for one in alerts}
    assert all(told[one.alert_id, one.revision] == one for one in alerts), "a repetition says something else"
    last = {alert_id: told[alert_id, revision] for alert_id, revision in sorted(told)}
    open_ones = {alert_id for alert_id, one in last.items() if not isinstance(one, AlertCleared)}
    holders = {key: state.alert for key, value in customers.items() if (state := decode_customer(value)).alert}
    assert sorted(holders) == sorted(person.id for person in people if not person.is_going)
    assert open_ones == {alert.alert_id for alert in holders.values() if alert is not None}
    assert {one.customer_id for one in alerts if isinstance(one, AlertRaised)} & gone
