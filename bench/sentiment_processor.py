"""The whole sentiment processor on real Kafka: decode, sentiment, aspects, engagement, encode, all durable.

    python -m bench.sentiment_processor [--events 120000] [--customers 20000] [--texts FOLDER]

One `python -m services.sentiment` reads a full topic; the rate is the broker's append times of the enriched events, of
all and of their second half; processor time is that of the worker after a quarter, so without its start.
First the stages one by one in this process, in processor time, after a quarter as well: young customers cost less.
FOLDER holds labelled corpora (`<name>.heldout.tsv.gz`); without it texts of about 60 characters are put together from
common words.
"""

import argparse
import asyncio
import gc
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.engine.__main__ import usage_of
from bench.engine.broker import broker, count_outputs, create_topics, output_stretch
from bench.sentiment import WORDS_EN, WORDS_ZH, made_up
from services.sentiment.engagement.counters import observe
from services.sentiment.engagement.tally import Tally
from services.sentiment.interaction.backend import load_backend
from services.sentiment.interaction.decide import judged_text
from services.sentiment.training.corpus import read_corpora
from shared.contracts.codec import decode_event, encode
from shared.contracts.event import Actor, Customer, Interaction
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.kafka.topics_admin import ensure_topics
from shared.topics import ENRICHED, INTERACTIONS

_PARTITIONS = 4
_START = datetime(2026, 1, 5, tzinfo=UTC)
_STAGE_BATCH = 3_000
# As many and as long as those ingest writes.
_HEADERS = [
    ("ce_id", b"e000000"),
    ("ce_type", b"interaction"),
    ("ce_source", b"bench"),
    ("ce_time", b"2026-01-05T00:00:00+00:00"),
    ("schema", INTERACTIONS.schema.encode()),
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    ("ingested_at", b"1767571200000"),
]


def texts_of(folder: Path | None) -> list[str]:
    """Return texts to draw from, Chinese and English."""
    if folder is not None:
        return [row.text for row in read_corpora(folder, "heldout") if 40 <= len(row.text) <= 80]
    return made_up(WORDS_ZH, "") + made_up(WORDS_EN, " ")


def events(n_events: int, n_customers: int, texts: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return (customer, event) in order of time."""
    chance = random.Random(7)
    made = []
    for number in range(n_events):
        customer_id = f"customer-{chance.randrange(n_customers):07}"
        at = _START + timedelta(seconds=number * 20 % 5_000_000)
        event = Interaction(
            id=f"e{number}",
            source="bench",
            occurred_at=at,
            received_at=at,
            customer=Customer(customer_id),
            channel="chat",
            direction="inbound",
            actor=Actor("customer"),
            text=chance.choice(texts),
        )
        made.append((customer_id, encode(event)))
    return made


async def fill(bootstrap: str, made: Sequence[tuple[str, bytes]]) -> None:
    publisher = Publisher(bootstrap, delivery_timeout_s=60)
    await publisher.start()
    for first in range(0, len(made), 20_000):
        records = [
            OutRecord(partition_for(customer, _PARTITIONS), customer.encode(), value, _HEADERS)
            for customer, value in made[first : first + 20_000]
        ]
        await publisher.publish(INTERACTIONS.full_name(""), records)
    await publisher.stop()


def start(bootstrap: str) -> subprocess.Popen[bytes]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"PULSELINE_KAFKA_BOOTSTRAP": bootstrap, "PULSELINE_SENTIMENT_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "services.sentiment"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
    )


async def measure(made: Sequence[tuple[str, bytes]]) -> None:
    with broker() as bootstrap:
        await create_topics(bootstrap, ENRICHED.full_name(""))
        await ensure_topics(bootstrap, "", _PARTITIONS, 1)
        await fill(bootstrap, made)
        process = start(bootstrap)
        try:
            name = ENRICHED.full_name("")
            begun = await count_outputs(bootstrap, name, len(made) // 4, within_s=180)
            start_cpu_s, _ = usage_of(process.pid)
            total = await count_outputs(bootstrap, name, len(made), within_s=180)
            cpu_s, rss_mb = usage_of(process.pid)
        finally:
            process.kill()
            process.wait()
        stretch = await output_stretch(bootstrap, name)
    later_us = (cpu_s - start_cpu_s) / max(total - begun, 1) * 1e6
    print(
        f"sentiment processor {stretch.per_second:10,.0f} events/s, second half {stretch.later_per_second:,.0f};"
        f"  cpu {cpu_s:.1f} s for {total:,}, {later_us:.1f} us an event after the first {begun:,};  {rss_mb:.0f} MB"
    )


def stages(made: Sequence[tuple[str, bytes]]) -> None:
    """Print the processor time of each stage, microseconds an event."""
    backend = load_backend()
    # As in the worker.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    spent: dict[str, float] = {}
    tallies: dict[str, Tally] = {}
    n_seen = n_events = 0
    for some in _batches(made):
        if n_seen <= len(made) // 4:
            spent.clear()
            n_events = 0
        n_seen += len(some)
        n_events += len(some)
        clock = time.process_time()

        def lap(stage: str) -> None:
            nonlocal clock
            now = time.process_time()
            spent[stage] = spent.get(stage, 0.0) + now - clock
            clock = now

        decoded = [decode_event(value) for _, value in some]
        lap("decode")
        judged = backend.analyse([judged_text(event) for event in decoded])
        lap("sentiment, aspects")
        seen = [observe(event, sentiment) for event, sentiment in zip(decoded, judged, strict=True)]
        lap("engagement: observe")
        counted = []
        for (customer, _), one in zip(some, seen, strict=True):
            tallies[customer] = tally = tallies[customer].copy() if customer in tallies else Tally()
            tally.add(one)
            counted.append(tally)
        lap("engagement: add")
        derived = [tally.engagement() for tally in counted]
        lap("engagement: derive")
        for sentiment, snapshot in zip(judged, derived, strict=True):
            encode([sentiment, snapshot])
        lap("encode enriched")
        for customer in {customer for customer, _ in some}:
            tallies[customer].encode()
        lap("encode state")
    for stage, seconds in spent.items():
        print(f"{stage:20} {seconds / n_events * 1e6:6.2f} us an event")
    print(f"{'all stages':20} {sum(spent.values()) / n_events * 1e6:6.2f} us an event")


def _batches(made: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    return [made[first : first + _STAGE_BATCH] for first in range(0, len(made), _STAGE_BATCH)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--skip-kafka", action="store_true")
    options = parser.parse_args()
    made = events(options.events, options.customers, texts_of(options.texts))
    stages(made)
    if not options.skip_kafka:
        asyncio.run(measure(made))


if __name__ == "__main__":
    main()
