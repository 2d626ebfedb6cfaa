"""What the churn processor costs, and whether it raises what a backtest raises: `python -m bench.churn [PART]`.

    python -m bench.churn                   the first three below
    python -m bench.churn decide            decision and whole processor, in memory
    python -m bench.churn kafka             a worker on a real Kafka, durable state
    python -m bench.churn timers            a million customers' timers
    python -m bench.churn orders ORDERS.csv.gz  decision and whole processor over a real purchase log, in memory
    python -m bench.churn equal ORDERS.csv.gz   backtest, replay and live worker on a whole log: same alerts?

The log: orders and contacts of invented customers, two contacts an order, in order of time, with ticks. `--days` is the
event time it spans: one day is a busy company's load or a backlog; two months of as many events are a quiet company's,
whose batches are cut at every wake-up. Its customers have hardly bought before, so few are scored; `orders` scores
nearly every event: real purchases within one hour of each day, a contact an hour after every other one.
"""

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.orders import read_orders
from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.customer.model import DAY_MS
from services.churn_alerts.customer.state import decode_state, encode_state
from shared.clock import SystemClock, from_ms
from shared.contracts.codec import encode
from shared.contracts.control import ClockTicked
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin, Sentiment, WindowCounts
from shared.contracts.event import Customer, Event, Interaction, OrderPlaced
from shared.embedded.kafka import EmbeddedKafka
from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Partition
from shared.kafka.publisher import OutRecord, Publisher
from shared.kafka.rows import state_of
from shared.kafka.timers import Timers
from shared.kafka.topics_admin import ensure_topics
from shared.kafka.worker import Worker, WorkerSettings
from shared.topics import ENRICHED
from tests.factories.three_ways import company_of, of_backtest, of_kafka, of_replay

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 3_000
TICK = timedelta(minutes=15)


class Recorded(NamedTuple):
    """A record of a partition's log in memory."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 0


def log_of(n_events: int, n_customers: int, n_days: int) -> list[Recorded]:
    """Return a partition's log of orders and contacts, one order to two contacts, with ticks."""
    chance = random.Random(11)
    step = timedelta(days=n_days) / n_events
    records: list[Recorded] = []
    ticked = START
    for number in range(n_events):
        at = START + number * step
        while at - ticked >= TICK:
            ticked += TICK
            records.append(Recorded(len(records), None, encode(ClockTicked(at=ticked))))
        owner = f"customer-{chance.randrange(n_customers):07}"
        records.append(Recorded(len(records), owner.encode(), _enriched(number, owner, at, chance)))
    return records


def log_of_orders(path: Path, n_events: int) -> list[Recorded]:
    """Return the first events of a purchase log, with contacts between them, as a partition's log."""
    happened: list[tuple[datetime, str, str | None]] = []
    for owner, days, _ in read_orders(path).customers():
        chance = random.Random(owner)
        for day, cents in days:
            at = from_ms(day * DAY_MS) + timedelta(hours=8, seconds=chance.randrange(3_600))
            happened.append((at, owner, f"{(cents or 0) / 100:.2f}"))
            if chance.random() < 0.5:
                happened.append((at + timedelta(hours=1), owner, None))
    happened.sort(key=lambda one: (one[0], one[1]))
    chance = random.Random(11)
    return [
        Recorded(number, owner.encode(), _recorded(number, owner, at, amount, chance))
        for number, (at, owner, amount) in enumerate(happened[:n_events])
    ]


def _enriched(number: int, owner: str, at: datetime, chance: random.Random) -> bytes:
    amount = f"{chance.lognormvariate(3.5, 0.6):.2f}" if number % 3 == 0 else None
    return _recorded(number, owner, at, amount, chance)


def _recorded(number: int, owner: str, at: datetime, amount: str | None, chance: random.Random) -> bytes:
    """Return an enriched event: an order of that amount, or without one a contact."""
    event: Event
    sentiment = None
    base: dict[str, Any] = {"id": f"e{number}", "source": "bench", "occurred_at": at, "received_at": at}
    if amount is not None:
        event = OrderPlaced(**base, customer=Customer(id=owner), order_id=f"o{number}", amount=amount, currency="EUR")
    else:
        p = chance.random() * 0.6
        text = "Where is my parcel? It was said to arrive on Monday."
        event = Interaction(
            **base, customer=Customer(id=owner), channel="chat", direction="inbound", conversation_id="c1", text=text
        )
        sentiment = Sentiment(
            label="negative" if p > 0.5 else "neutral",
            score=-p,
            p_negative=p,
            p_neutral=0.9 - p,
            p_positive=0.1,
            language="en",
            model="shipped",
        )
    counts = WindowCounts(d7=1, d30=2, d90=5)
    engagement = Engagement(as_of=at, inbound=counts, last_contact_at=at, first_contact_at=START)
    return encode(EnrichedEvent(event=event, engagement=engagement, origin=Origin(0, number), sentiment=sentiment))


class Timed(ChurnAlerts):
    """The processor with a clock around its decisions, in which it decodes and encodes states itself."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.n_calls = 0

    def decide(self, states: Any, inputs: Any, controls: Any) -> Any:
        started = time.process_time()
        decisions = super().decide(states, inputs, controls)
        self.seconds += time.process_time() - started
        self.n_calls += 1
        return decisions

    def wake(self, states: Any, keys: Any, due_ms: int, controls: Any) -> Any:
        started = time.process_time()
        decisions = super().wake(states, keys, due_ms, controls)
        self.seconds += time.process_time() - started
        return decisions


def decide(n_events: int, n_customers: int, n_days: int) -> None:
    """Decide the log in memory; processor time, so that a busy machine does not change it."""
    log = log_of(n_events, n_customers, n_days)
    print(f"{n_customers:,} invented customers over {n_days} days")
    _decide(log)


def _decide(log: list[Recorded]) -> None:
    processor = Timed()
    nothing = LoadedState(rows={}, fence=-1, watermark_ms=0, controls=[], next_offset=0, heal=[], n_records=0)
    partition = Partition(processor, 0, nothing)
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    half = len(log) // 2
    for start in range(0, half, BATCH):
        list(partition.advance(log[start : min(start + BATCH, half)]))
    processor.seconds, n_measured, n_outputs = 0.0, 0, 0
    started = time.process_time()
    for start in range(half, len(log), BATCH):
        batch = log[start : start + BATCH]
        n_measured += sum(record.key is not None for record in batch)
        for work in partition.works(batch):
            n_outputs += len(work.outputs)
    whole = time.process_time() - started
    states = [state_of(row) for row in partition.states._rows.values()]
    started = time.process_time()
    for state in states:
        encode_state(decode_state(state))
    codec = (time.process_time() - started) / len(states)
    sizes = [len(row) for row in partition.states._rows.values()]
    print(f"{n_measured:,} events, the second half of the log: {n_outputs:,} outputs")
    print(f"decisions          {processor.seconds / n_measured * 1e6:6.2f} µs an event (bar 15)")
    print(f"  one state's codec{codec * 1e6:6.2f} µs, measured apart; decisions hold one for each customer of a run")
    print(f"decode to rows     {whole / n_measured * 1e6:6.2f} µs an event, {n_measured / whole:,.0f} events/s")
    print(f"a state's row      {sum(sizes) / len(sizes):6.0f} bytes on average")


async def kafka(n_events: int, n_customers: int, n_days: int) -> None:
    """Run a worker over the log on a Kafka of its own."""
    log = log_of(n_events, n_customers, n_days)
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedKafka(Path(folder))
        broker.start()
        try:
            await ensure_topics(broker.bootstrap, "b-", 1, 1)
            topic = ENRICHED.full_name("b-")
            publisher = Publisher(broker.bootstrap, delivery_timeout_s=60)
            await publisher.start()
            for start in range(0, len(log), 20_000):
                records = [OutRecord(0, one.key, one.value) for one in log[start : start + 20_000]]
                await publisher.publish(topic, records)
            await publisher.stop()
            await _measure(broker.bootstrap, n_events, len(log))
        finally:
            broker.kill()


async def _measure(bootstrap: str, n_events: int, end: int) -> None:
    settings = WorkerSettings(bootstrap, "b-")
    worker: Worker[Any, Any] = Worker(ChurnAlerts(), settings, CollectorRegistry(), SystemClock())
    gc.set_threshold(100_000, 50, 50)
    running = asyncio.create_task(worker.run())
    await _until(lambda: worker.handled(0) > 0 or running.done())
    first, started, spent = worker.handled(0), time.perf_counter(), time.process_time()
    await _until(lambda: worker.handled(0) >= end or running.done())
    took, spent = time.perf_counter() - started, time.process_time() - spent
    worker.stop()
    await running
    n_handled = (end - first) * n_events / end
    print(f"a worker on Kafka  {n_handled / took:,.0f} events/s (bar 40,000)")
    print(f"                   {n_handled / spent:,.0f} events a second of its own processor time")


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  the worker tells nobody
        await asyncio.sleep(0.01)


def timers(n_customers: int = 1_000_000) -> None:
    """Print what the timers of a million customers weigh, and a tick when none is due."""
    keys = [f"customer-{number:07}" for number in range(n_customers)]
    chance = random.Random(3)
    times = [1_760_000_000_000 + chance.randrange(90) * 86_400_000 + 900_000 for _ in keys]
    tracemalloc.start()
    wheel = Timers()
    for key, at_ms in zip(keys, times, strict=True):
        wheel.set(key, at_ms)
    weight = tracemalloc.get_traced_memory()[0] / (1 << 20)
    tracemalloc.stop()
    worst = 0.0
    for tick in range(100):
        started = time.perf_counter()
        wheel.is_due(1_759_990_000_000 + tick * 5_000)
        worst = max(worst, time.perf_counter() - started)
    print(f"timers of {n_customers:,} customers: {weight:.0f} MB (bar 250)")
    print(f"a tick without due checks: {worst * 1e3:.3f} ms (bar 5)")


async def equal(orders: Path, partitions: Sequence[int]) -> bool:
    """Compare the alerts of a whole log, three ways."""
    customers = read_orders(orders).customers()
    company = company_of(customers, choose(customers, Wishes()))
    expected = of_backtest(company)
    n_days = sum(len(days) for _, days, _ in customers)
    print(f"backtest: {len(expected):,} alerts of {len(customers):,} customers, {n_days:,} purchase days")
    is_equal = True
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedKafka(Path(folder))
        broker.start()
        try:
            for count in partitions:
                started = time.perf_counter()
                live = await of_kafka(company, broker.bootstrap, f"p{count}-", count)
                is_equal &= live == expected
                seconds = time.perf_counter() - started
                print(f"live, {count:2} partitions: {len(live):,} alerts, equal: {live == expected} ({seconds:.0f} s)")
        finally:
            broker.kill()
    replayed = of_replay(company, 4)
    print(f"replay: {len(replayed):,} alerts, equal: {replayed == expected}")
    return is_equal and replayed == expected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", choices=("all", "decide", "kafka", "timers", "orders", "equal"), nargs="?", default="all"
    )
    parser.add_argument("orders", type=Path, nargs="?")
    parser.add_argument("--events", type=int, default=240_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--partitions", default="1,3,12")
    options = parser.parse_args()
    if options.part in ("orders", "equal") and options.orders is None:
        parser.error(f"{options.part} needs a purchase log")
    if options.part == "equal":
        return 0 if asyncio.run(equal(options.orders, [int(n) for n in options.partitions.split(",")])) else 1
    if options.part == "orders":
        _decide(log_of_orders(options.orders, options.events))
    if options.part in ("all", "decide"):
        decide(options.events, options.customers, options.days)
    if options.part in ("all", "kafka"):
        asyncio.run(kafka(options.events, options.customers, options.days))
    if options.part in ("all", "timers"):
        timers()
    return 0


if __name__ == "__main__":
    sys.exit(main())
