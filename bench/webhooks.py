"""Signed webhooks through one ingest process: `python -m bench.webhooks`.

Distinct deliveries of several providers, each signed by the provider's rule, over 32 kept-alive connections; the answer
200 means verified, read, and acknowledged by the broker. "A second of CPU" is what the process itself spent (its own
/metrics), which says what one core can do whoever else uses the machine. A second table says where a delivery's time
goes: the adapter alone (verify, read, decide), the application around it in this process with a publisher that
acknowledges at once, and what the HTTP server and an acknowledged Kafka batch add to that.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import yaml
from prometheus_client import CollectorRegistry

from bench.ingest import PARTITIONS, request
from services.api.connection.sample import Moment, Sample, sample
from services.ingest.app import build_app
from services.ingest.channel import CHANNELS, ChannelRequest
from services.ingest.connection.amazon import AmazonSns
from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.decide import decide
from services.ingest.connection.figures import Figures
from services.ingest.connection.routes import ChannelDoor, PublicAddress, channel_routes
from services.ingest.event.body import OpenBodies
from services.ingest.event.send import EventSender
from services.ingest.identity.table import HandleTable
from services.ingest.metrics import IngestMetrics
from shared.clock import SystemClock
from shared.connection.document import Connection, Secret
from shared.embedded.kafka import EmbeddedKafka
from shared.ids import new_request_id
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.connections import ConnectionRow
from shared.proxies import TrustedProxies
from tests.service_process import ServiceProcess

CREDENTIALS: dict[str, dict[str, Secret]] = {
    "slack": {"signing_secret": "a-secret-of-the-bench"},
    "meta": {"app_secret": "a-secret-of-the-bench", "verify_token": "v"},
    "twilio": {"auth_token": "a-secret-of-the-bench"},
    "wecom": {"token": "t", "encoding_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "corp_id": "ww1"},
}
CONNECTIONS = 32


def samples(provider: str, base: str, n: int) -> list[Sample]:
    """Return `n` distinct signed deliveries."""
    at, url = datetime.now(UTC), f"{base}/v1/channels/{provider}"
    return [sample(provider, CREDENTIALS[provider], url, Moment(id=new_request_id(), at=at)) for _ in range(n)]


def deliveries(provider: str, base: str, n: int) -> list[tuple[bytes, bytes]]:
    """Return `n` distinct signed requests as (head without its length, body)."""
    made = []
    for one in samples(provider, base, n):
        parts = urlsplit(one.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in one.headers.items())]
        made.append(("\r\n".join(lines).encode() + b"\r\n", one.body))
    return made


async def deliver(port: int, requests: list[tuple[bytes, bytes]]) -> float:
    """Send all; return the seconds it took."""
    waiting = list(requests)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            head, body = waiting.pop()
            status = await request(reader, writer, head, body)
            if status != 200:
                raise RuntimeError(f"answered {status}")
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return time.perf_counter() - started


def cpu_s(url: str) -> float:
    text = httpx2.get(f"{url}/metrics", trust_env=False).text
    [value] = [line.split()[1] for line in text.splitlines() if line.startswith("process_cpu_seconds_total ")]
    return float(value)


class _AckedAtOnce:
    """A publisher without a broker."""

    async def partition_count(self, _: str) -> int:
        return PARTITIONS

    async def publish(self, _: str, __: Sequence[object]) -> None:
        pass


def application(folder: Path) -> Callable[..., Awaitable[None]]:
    """Return ingest's application with the bench's connections and no broker behind it."""
    clock, metrics = SystemClock(), IngestMetrics(CollectorRegistry())
    known = {one: Connection(one, one, dict(CREDENTIALS[one])) for one in CREDENTIALS}

    async def no_rows() -> Sequence[ConnectionRow]:
        return []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield

    book = ConnectionBook(known, None, no_rows, folder / "connections.json", clock, 600)
    figures = Figures(metrics, book.is_gone)
    sender = EventSender(_AckedAtOnce(), "", metrics, clock)  # type: ignore[arg-type]
    address, handles = PublicAddress("", TrustedProxies()), HandleTable()
    bodies = OpenBodies(128 * 1024 * 1024, metrics)
    door = ChannelDoor(book, None, figures, AmazonSns(clock), sender, bodies, address, handles, metrics, clock)
    return build_app(channel_routes(door, metrics, clock), lifespan)


def adapter_us(provider: str, made: Sequence[Sample]) -> float:
    """Return the CPU of verifying, reading and deciding alone, microseconds a delivery."""
    channel, settings, known = CHANNELS[provider], CREDENTIALS[provider], HandleTable()
    started = time.process_time()
    for one in made:
        seen = ChannelRequest("POST", one.url, dict(one.headers), None, one.body, datetime.now(UTC))
        channel.verify(seen, settings)
        decide(channel.read(seen, settings).events, provider, seen.received_at, known)
    return (time.process_time() - started) / len(made) * 1e6


async def application_us(app: Callable[..., Awaitable[None]], made: Sequence[Sample]) -> float:
    """Return the CPU of the whole application, microseconds a delivery, server and broker left out."""
    scopes = [(_scope(one), one.body) for one in made]

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"answered {message['status']}")

    started = time.process_time()
    for scope, body in scopes:

        async def receive(body: bytes = body) -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, receive, send)
    return (time.process_time() - started) / len(made) * 1e6


def _scope(one: Sample) -> dict[str, Any]:
    parts = urlsplit(one.url)
    headers = [(name.lower().encode(), value.encode()) for name, value in one.headers.items()]
    return {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
        "root_path": "",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(b"host", parts.netloc.encode()), *headers],
    }


async def run(n: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            await ensure_topics(kafka.bootstrap, "", PARTITIONS, 1)
            file = folder / "connections.yaml"
            rows = [{"id": one, "provider": one, "credentials": dict(CREDENTIALS[one])} for one in CREDENTIALS]
            file.write_text(yaml.safe_dump(rows))
            settings = {
                "PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
                "PULSELINE_CONNECTIONS_FILE": str(file),
                # Connections of the file need no database.
                "PULSELINE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
                "PULSELINE_INGEST_KEY_REFRESH_S": "600",
                "PULSELINE_INGEST_CONNECTION_REFRESH_S": "600",
            }
            with ServiceProcess("ingest", settings, folder) as service:
                service.start(until_ready=False)
                await until_connected(service.url)
                whole: dict[str, float] = {}
                for provider in CREDENTIALS:
                    await deliver(service.port, deliveries(provider, service.url, 500))
                    requests = deliveries(provider, service.url, n)
                    before = cpu_s(service.url)
                    seconds = await deliver(service.port, requests)
                    spent = cpu_s(service.url) - before
                    whole[provider] = spent / n * 1e6
                    print(f"| {provider} | {n / seconds:,.0f} /s | {n / spent:,.0f} per second of CPU |", flush=True)
            app = application(folder)
            print("\n| provider | adapter, µs | application around it | server and acknowledged batch | all |")
            print("|---|---|---|---|---|")
            for provider in CREDENTIALS:
                rounds = [samples(provider, "http://127.0.0.1:1", 500) for _ in range(5)]
                adapter = min(adapter_us(provider, made) for made in rounds)
                inside = min([await application_us(app, made) for made in rounds])
                rest = whole[provider] - inside
                print(f"| {provider} | {adapter:.0f} | {inside - adapter:.0f} | {rest:.0f} | {whole[provider]:.0f} |")
            print(f"machine shared with broker and load; Python {sys.version.split()[0]}")
        finally:
            kafka.kill()


async def until_connected(url: str) -> None:
    """Return once the broker is connected; PostgreSQL, which is not there, does not matter."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        async with asyncio.timeout(60):
            while True:
                try:
                    if "kafka" not in (await http.get(f"{url}/readyz")).json().get("missing", {}):
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--deliveries", type=int, default=5_000)
    asyncio.run(run(parser.parse_args().deliveries))
