"""Signed webhooks through one ingest process: `python -m bench.webhooks`.

Distinct deliveries of several providers, each signed by the provider's rule, over 32 kept-alive connections; the answer
200 means verified, read, and acknowledged by the broker. "A second of CPU" is what the process itself spent (its own
/metrics), which says what one core can do whoever else uses the machine.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import yaml

from bench.ingest import PARTITIONS, request
from services.api.connection.sample import Moment, sample
from shared.connection.document import Secret
from shared.embedded.kafka import EmbeddedKafka
from shared.ids import new_request_id
from shared.kafka.topics_admin import ensure_topics
from tests.service_process import ServiceProcess

CREDENTIALS: dict[str, dict[str, Secret]] = {
    "slack": {"signing_secret": "a-secret-of-the-bench"},
    "meta": {"app_secret": "a-secret-of-the-bench", "verify_token": "v"},
    "twilio": {"auth_token": "a-secret-of-the-bench"},
    "wecom": {"token": "t", "encoding_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "corp_id": "ww1"},
}
CONNECTIONS = 32


def deliveries(provider: str, base: str, n: int) -> list[tuple[bytes, bytes]]:
    """Return `n` distinct signed requests as (head without its length, body)."""
    at = datetime.now(UTC)
    made = []
    for _ in range(n):
        one = sample(
            provider, CREDENTIALS[provider], f"{base}/v1/channels/{provider}", Moment(id=new_request_id(), at=at)
        )
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
                for provider in CREDENTIALS:
                    await deliver(service.port, deliveries(provider, service.url, 500))
                    requests = deliveries(provider, service.url, n)
                    before = cpu_s(service.url)
                    seconds = await deliver(service.port, requests)
                    spent = cpu_s(service.url) - before
                    print(f"| {provider} | {n / seconds:,.0f} /s | {n / spent:,.0f} per second of CPU |", flush=True)
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
