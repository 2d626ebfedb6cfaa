"""The same orders, models and rules three ways: backtest, offline replay, and the live worker on a real Kafka."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any, get_args

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from services.churn_alerts.alert.decide import silence_alert_id
from services.churn_alerts.alert.rules import Rules, SignalWeight
from services.churn_alerts.backtest.options import Options
from services.churn_alerts.backtest.records import control_records
from services.churn_alerts.backtest.replay import Replay, replay
from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.customer.due import in_force_at
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.churn_alerts.customer.model import end_of_day_ms
from services.cli.replay_chain import Chain, Replayed
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from shared.clock import SystemClock, to_ms
from shared.contracts.alert import AlertCleared, AlertRaised, AlertUpdated, SignalName
from shared.contracts.codec import encode
from shared.contracts.control import ClockTicked, ModelPublished, RulesPublished
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin
from shared.contracts.event import Customer, OrderPlaced
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.kafka.ticker import publish_control
from shared.kafka.topics_admin import ensure_topics
from shared.kafka.worker import Worker, WorkerSettings
from shared.topics import CHURN_ALERTS, ENRICHED

SILENCE_ALONE = Rules(signals={name: SignalWeight(weight=0, threshold=10_000) for name in get_args(SignalName)})

Raised = tuple[str, str, int]
"""Alert id, customer id, event time in milliseconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_record = msgspec.json.Decoder(AlertRaised | AlertUpdated | AlertCleared)


@dataclass(frozen=True)
class Company:
    """Orders with the schedule of models and rules that a backtest of them published."""

    customers: list[CustomerDays]
    history: History
    result: Replay
    controls: list[ModelPublished | RulesPublished]

    @property
    def end(self) -> datetime:
        """An instant by which every check of the last day has been made."""
        return _EPOCH + timedelta(days=self.result.last_day + 1, hours=12)

    def is_judged(self, raised: Raised) -> bool:
        """Return whether the backtest judged the alert's day."""
        options = self.result.options
        return end_of_day_ms(options.start_day) <= raised[2] <= end_of_day_ms(self.result.last_day)


def company_of(customers: list[CustomerDays], options: Options) -> Company:
    history = history_of(customers, float(options.horizon_days))
    result = replay(history, options, int(history.day.max()))
    return Company(customers, history, result, control_records(result, SILENCE_ALONE))


def orders(company: Company) -> list[OrderPlaced]:
    """Return one order for each purchase day, at its noon, in order of time."""
    found = []
    for owner, purchases, _ in company.customers:
        for day, cents in purchases:
            at = _EPOCH + timedelta(days=day, hours=12)
            found.append(
                OrderPlaced(
                    id=f"{owner}-{day}",
                    source="orders",
                    occurred_at=at,
                    received_at=at,
                    customer=Customer(id=owner),
                    order_id=f"{owner}-{day}",
                    amount=f"{(cents or 0) / 100:.2f}",
                )
            )
    return sorted(found, key=lambda order: (order.occurred_at, order.id))


def of_backtest(company: Company) -> list[Raised]:
    """Return what the backtest raised, under the ids that the live processor gives."""
    history, result = company.history, company.result
    versions = [record.version for record in company.controls if isinstance(record, RulesPublished)]
    found = []
    for row, day in zip(result.alerts.row.tolist(), result.alerts.day.tolist(), strict=True):
        owner = history.customer_ids[int(history.customer[row])]
        version = versions[result.schedule.index(in_force_at(result.schedule, day))]
        spell_day = int(history.columns.last_day[row])
        found.append((silence_alert_id(owner, spell_day, version), owner, end_of_day_ms(day)))
    return sorted(found)


def of_replay(company: Company, partitions: int) -> list[Raised]:
    """Return what the offline chain raises."""
    chain = Chain(Scorer.load(SHIPPED_ARTEFACT), partitions)
    lines = [encode(record) for record in company.controls] + [encode(order) for order in orders(company)]
    found = chain.run(lines, to_ms(company.end))
    return _raised(company, [one.value for one in found if isinstance(one, Replayed)])


async def of_kafka(
    company: Company, bootstrap: str, prefix: str, partitions: int, disorder: Random | None = None
) -> list[Raised]:
    """Return what a live worker raises; `disorder` delivers every order three times, shuffled within its day."""
    await ensure_topics(bootstrap, prefix, partitions, 1)
    publisher, topic = Publisher(bootstrap, delivery_timeout_s=60), ENRICHED.full_name(prefix)
    await publisher.start()
    for control in company.controls:
        await publish_control(publisher, topic, control)
    delivered = orders(company) if disorder is None else _disordered(orders(company), disorder)
    records = [_enriched(order, partitions) for order in delivered]
    for start in range(0, len(records), 20_000):
        await publisher.publish(topic, records[start : start + 20_000])
    await publish_control(publisher, topic, ClockTicked(at=company.end))
    await publisher.stop()
    await _work(bootstrap, prefix, partitions)
    raised = _raised(company, await _values(bootstrap, CHURN_ALERTS.full_name(prefix), partitions))
    # Where a broker answered too late, the same outputs stand in the log once more: readers go by their ids.
    return sorted(set(raised))


def _disordered(found: list[OrderPlaced], chance: Random) -> list[OrderPlaced]:
    delivered = []
    for _, day in groupby(found, key=lambda order: order.occurred_at.date()):
        repeated = list(day) * 3
        chance.shuffle(repeated)
        delivered += repeated
    return delivered


def _enriched(order: OrderPlaced, partitions: int) -> OutRecord:
    owner = str(order.customer.id)
    enriched = EnrichedEvent(event=order, engagement=Engagement(as_of=order.occurred_at), origin=Origin(0, 0))
    return OutRecord(partition_for(owner, partitions), owner.encode(), encode(enriched))


async def _work(bootstrap: str, prefix: str, partitions: int) -> None:
    """Run a worker until it has handled all there is."""
    worker: Worker[Any, Any] = Worker(
        ChurnAlerts(), WorkerSettings(bootstrap, prefix), CollectorRegistry(), SystemClock()
    )
    topic = ENRICHED.full_name(prefix)
    ends = await _ends(bootstrap, topic, partitions)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(240):
        while any(worker.handled(place) < end for place, end in ends.items()) and not running.done():
            await asyncio.sleep(0.05)
        worker.stop()
        await running


async def _ends(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    found = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
    await consumer.stop()
    return {place.partition: end for place, end in found.items()}


async def _values(bootstrap: str, topic: str, partitions: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(places)
    ends = await consumer.end_offsets(places)
    await consumer.seek_to_beginning(*places)
    values: list[bytes] = []
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            values += [record.value for record in records]
    await consumer.stop()
    return values


def _raised(company: Company, values: Sequence[bytes]) -> list[Raised]:
    records = [_record.decode(value) for value in values]
    found = [
        (record.alert_id, record.customer_id, to_ms(record.at)) for record in records if isinstance(record, AlertRaised)
    ]
    return sorted(raised for raised in found if company.is_judged(raised))
