"""Ingest against a bare idempotent producer fed the same bytes: `python -m bench.ingest`.

Batches of 500 events through POST /v1/events of one ingest process, and the same payloads through
`AIOKafkaProducer.send()`; alternated, medians. The events name their customer by id, by two handles in their usual
form, and by the same handles as people write them. Then single events at 500 requests/s for the latency.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.kafka.publisher import partition_for
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import insert_key, new_key
from shared.postgres.migrate import upgrade
from tests.service_process import ServiceProcess

PARTITIONS = 4
BATCH = 500


CUSTOMERS: dict[str, Callable[[int], dict[str, object]]] = {
    "by id": lambda who: {"id": f"customer-{who}"},
    "by handles": lambda who: {"handles": [f"tel:+8613800{who:06}", f"mailto:ana.{who}@example.com"]},
    "by handles as written": lambda who: {"handles": [f"tel:+86 138-00{who:06}", f"mailto:Ana.{who}@Example.com"]},
}


def payloads(n: int, customer: Callable[[int], dict[str, object]]) -> list[bytes]:
    """Return `n` chat messages of about 330 bytes from 5,000 customers."""
    at = datetime.now(UTC).isoformat()
    return [
        json.dumps(
            {
                "type": "interaction",
                "id": f"m-{i}",
                "source": "bench",
                "occurred_at": at,
                "customer": customer(i * 7919 % 5000),
                "channel": "chat",
                "direction": "inbound",
                "conversation_id": f"conversation-{i % 9000}",
                "actor": {"kind": "customer"},
                "text": "Where is my order? It was promised for yesterday and nobody answers the phone.",
            }
        ).encode()
        for i in range(n)
    ]


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> int:
    """Send one HTTP request on an open connection and return the status."""
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    header = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in header.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(header[9:12])


async def batches_through_ingest(port: int, key: str, events: list[bytes], connections: int) -> float:
    """Return events a second through the endpoint."""
    bodies = [b"[" + b",".join(events[i : i + BATCH]) + b"]" for i in range(0, len(events), BATCH)]
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    ).encode()

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while bodies:
            status = await request(reader, writer, head, bodies.pop())
            if status != 202:
                raise RuntimeError(f"answered {status}")
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return len(events) / (time.perf_counter() - started)


async def bare_producer(bootstrap: str, topic: str, events: list[bytes]) -> float:
    """Return events a second of `send()` for each payload, acks awaited."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=5)
    await producer.start()
    try:
        started = time.perf_counter()
        pending = []
        for i, event in enumerate(events):
            key = f"customer-{i * 7919 % 5000}"
            pending.append(
                await producer.send(topic, event, key=key.encode(), partition=partition_for(key, PARTITIONS))
            )
        await asyncio.gather(*pending)
        return len(events) / (time.perf_counter() - started)
    finally:
        await producer.stop()


async def singles(port: int, key: str, events: list[bytes], per_s: int) -> list[float]:
    """Return the latency in ms of single events sent at a steady rate, open loop, over a pool of connections."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    ).encode()
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(32):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    latencies: list[float] = []

    async def one(event: bytes, due: float) -> None:
        connection = await idle.get()
        status = await request(*connection, head, event)
        idle.put_nowait(connection)
        if status != 202:
            raise RuntimeError(f"answered {status}")
        latencies.append((time.perf_counter() - due) * 1000)

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for i, event in enumerate(events):
            due = begin + i / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(event, due))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return sorted(latencies)


async def run(n: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kafka, postgres = EmbeddedKafka(Path(folder) / "kafka"), EmbeddedPostgres(Path(folder) / "postgres")
        kafka.start()
        postgres.start()
        try:
            await asyncio.to_thread(upgrade, postgres.url())
            await ensure_topics(kafka.bootstrap, "", PARTITIONS, 1)
            key = new_key()
            connection = await asyncpg.connect(postgres.url())
            await insert_key(connection, key, name="bench", role="integrator")
            await connection.close()
            environment = {
                "PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
                "PULSELINE_DATABASE_URL": postgres.url(),
                "PULSELINE_INGEST_EVENTS_PER_S": "1e9",
                "PULSELINE_INGEST_EVENTS_BURST": "1000000000",
            }
            with ServiceProcess("ingest", environment, Path(folder)) as service:
                service.start()
                await measure(kafka.bootstrap, service.port, key, n, rounds)
        finally:
            kafka.kill()
            postgres.kill()


async def measure(bootstrap: str, port: int, key: str, n: int, rounds: int) -> None:
    events = {name: payloads(n, customer) for name, customer in CUSTOMERS.items()}
    ours: dict[str, list[float]] = {name: [] for name in events}
    bare: dict[str, list[float]] = {name: [] for name in events}
    for name in events:
        await batches_through_ingest(port, key, events[name][: 10 * BATCH], 4)
    for _ in range(rounds):
        for name in events:
            ours[name].append(await batches_through_ingest(port, key, events[name], 4))
            bare[name].append(await bare_producer(bootstrap, "interactions", events[name]))
    latencies = await singles(port, key, events["by handles as written"][:5000], 500)
    for name in events:
        a, b = statistics.median(ours[name]), statistics.median(bare[name])
        print(f"| batches of {BATCH}, {name} | {a:,.0f} events/s | bare producer {b:,.0f} | ratio {a / b:.2f} |")
    p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    print(f"| single events at 500/s | p50 {p50:.1f} ms | p99 {p99:.1f} ms | n {len(latencies)} |")
    print(f"machine: {os.cpu_count()} cores shared with broker and load; Python {sys.version.split()[0]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.events, arguments.rounds))
