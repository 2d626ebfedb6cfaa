"""How fast the projection writes PostgreSQL: the same rows through a bare COPY and INSERT, and through the projection.

    python -m bench.projection [--events 120000] [--customers 20000] [--database URL]

Without --database it starts an embedded PostgreSQL with default durability (fsync on). Kafka is left out on purpose:
this measures decode, decide and write of fetched batches. Peers alternate in one run, medians of three are reported.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.api.__main__ import calm_collector
from services.api.projection import store
from services.api.projection.agent import prepare
from services.api.projection.decide import collect, decode
from services.api.projection.model import InteractionRow
from shared.contracts.codec import encode
from shared.contracts.enriched import Engagement, EnrichedEvent, Origin, Sentiment, WindowCounts
from shared.contracts.event import Customer, Interaction
from shared.embedded.postgres import EmbeddedPostgres
from shared.kafka.consumer import Record
from shared.postgres.migrate import upgrade
from shared.postgres.pool import open_connection

_START = datetime(2026, 1, 5, tzinfo=UTC)
_WORDS_ZH = ("客服", "态度", "物流", "太慢", "退款", "质量", "很好", "价格", "发货", "什么", "时候", "电话", "没有")
_WORDS_EN = ("the", "order", "arrived", "late", "nobody", "answers", "calls", "please", "refund", "quality", "price")


def records(n_events: int, n_customers: int, seed: int = 7) -> list[Record]:
    """Return enriched events as they come from Kafka; texts of about 60 characters, Chinese and English mixed."""
    chance = random.Random(seed)
    made = []
    for number in range(n_events):
        customer_id = f"customer-{chance.randrange(n_customers):07}"
        at = _START + timedelta(seconds=number * 20 % 5_000_000)
        is_chinese = chance.random() < 0.5
        words = chance.choices(_WORDS_ZH if is_chinese else _WORDS_EN, k=24 if is_chinese else 12)
        event = Interaction(
            id=f"e{number}",
            source="bench",
            occurred_at=at,
            received_at=at,
            customer=Customer(customer_id),
            channel="chat",
            direction="inbound",
            text=("" if is_chinese else " ").join(words),
        )
        enriched = EnrichedEvent(
            event=event,
            engagement=Engagement(as_of=at, inbound=WindowCounts(d7=1, d30=3, d90=7), last_contact_at=at),
            origin=Origin(0, number),
            sentiment=Sentiment(
                label="negative",
                score=-0.5,
                p_negative=0.7,
                p_neutral=0.1,
                p_positive=0.2,
                language="zh" if is_chinese else "en",
            ),
        )
        made.append(Record("enriched", 0, number, customer_id.encode(), encode(enriched), (), 0))
    return made


async def fresh(connection: Any) -> None:
    await connection.execute("TRUNCATE interactions, customers, handles, orders, projection_offsets")
    await connection.execute("CHECKPOINT")


async def project(connection: Any, batch: Sequence[Record], size: int, *, is_searchable: bool) -> float:
    """Return events a second through the projection's code, in batches of `size`, the next one decoded meanwhile."""
    place = ("enriched", 0)
    expected = (await store.stored_offsets(connection, [place]))[place]
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    started = time.perf_counter()
    preparing = asyncio.create_task(asyncio.to_thread(prepare, {place: parts[0]}, is_searchable=is_searchable))
    for number, part in enumerate(parts):
        prepared = await preparing
        if number + 1 < len(parts):
            ahead = {place: parts[number + 1]}
            preparing = asyncio.create_task(asyncio.to_thread(prepare, ahead, is_searchable=is_searchable))
        await store.write(connection, prepared.groups, {place: (expected, part[-1].offset + 1)})
        expected = part[-1].offset + 1
    return len(batch) / (time.perf_counter() - started)


async def bare(connection: Any, rows: Sequence[InteractionRow], size: int) -> float:
    """Return rows a second of COPY into a staging table and INSERT, with nothing else done."""
    columns = ", ".join(InteractionRow._fields)
    started = time.perf_counter()
    for start in range(0, len(rows), size):
        async with connection.transaction():
            await connection.copy_records_to_table("incoming_interactions", records=rows[start : start + size])
            await connection.execute(
                f"INSERT INTO interactions ({columns}) SELECT {columns} FROM incoming_interactions "
                "ON CONFLICT DO NOTHING"
            )
    return len(rows) / (time.perf_counter() - started)


async def measure(database_url: str, n_events: int, n_customers: int, size: int) -> None:
    connection = await open_connection(database_url)
    await store.prepare(connection, is_durable=False)
    batch = records(n_events, n_customers)
    groups = collect([m for r in batch if (m := decode(r)) is not None], is_searchable=False)
    await store.create_months(
        connection, {(row.occurred_at.year, row.occurred_at.month) for row in groups[0].interactions}
    )
    calm_collector()
    rates: dict[str, list[float]] = {}
    for _ in range(3):
        for name in ("bare COPY + INSERT", "projection", "projection with text search"):
            await fresh(connection)
            if name.startswith("bare"):
                rate = await bare(connection, groups[0].interactions, size)
            else:
                rate = await project(connection, batch, size, is_searchable=name.endswith("search"))
            rates.setdefault(name, []).append(rate)
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    for name, rate in medians.items():
        print(f"{name:30} {rate:9,.0f} events/s   {rate / medians['bare COPY + INSERT']:.2f} of bare")
    await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=8_000)
    parser.add_argument("--database")
    options = parser.parse_args()
    if options.database:
        asyncio.run(measure(options.database, options.events, options.customers, options.batch))
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "data")
        server.start()
        try:
            upgrade(server.url())
            asyncio.run(measure(server.url(), options.events, options.customers, options.batch))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
