"""From produce to output at a low rate, through one worker, as a consumer beside it sees it."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.engine.broker import create_topics
from bench.peers.work import PARTITIONS, customer_of, decode, make_event

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 15
_WARM_UP_S = 6


@dataclass(frozen=True)
class Latency:
    """Milliseconds from `send` to the consumer of the output."""

    rate: int
    n: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


async def measure_latency(bootstrap: str, rate: int) -> Latency:
    """Return the latency at `rate` events a second, after the worker has warmed up."""
    source, sink, changelog = (f"latency-{rate}-{part}" for part in ("in", "out", "log"))
    await create_topics(bootstrap, source, sink, changelog)
    arguments = ["-m", "bench.engine.pulseline_worker", bootstrap, source, sink, changelog, f"latency-{rate}"]
    worker = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=_ROOT)
    consumer = AIOKafkaConsumer(sink, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=0)
    await consumer.start()
    await producer.start()
    try:
        receiving = asyncio.create_task(_receive(consumer, rate * (_SECONDS + _WARM_UP_S)))
        await _produce(producer, source, rate)
        async with asyncio.timeout(60):
            spans = sorted((await receiving)[rate * _WARM_UP_S :])
    finally:
        worker.kill()
        await worker.wait()
        await producer.stop()
        await consumer.stop()
    return Latency(rate, len(spans), spans[len(spans) // 2], spans[int(len(spans) * 0.99)], spans[-1])


async def _produce(producer: AIOKafkaProducer, topic: str, rate: int) -> None:
    started = time.perf_counter()
    for number in range(rate * (_SECONDS + _WARM_UP_S)):
        behind = number / rate - (time.perf_counter() - started)
        if behind > 0:
            await asyncio.sleep(behind)
        customer = customer_of(number)
        value = make_event(number, time.time_ns() // 1000)
        await producer.send(topic, value, customer.encode(), partition=number % PARTITIONS)


async def _receive(consumer: AIOKafkaConsumer, wanted: int) -> list[float]:
    """Return each output's latency in the order of arrival."""
    spans: list[float] = []
    while len(spans) < wanted:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            now_us = time.time_ns() // 1000
            spans += [(now_us - decode(record.value)["event"]["at_ms"]) / 1000 for record in records]
    return spans
