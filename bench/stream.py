"""How the alert stream holds up: many clients on two API processes, forced reconnects, every client's ids checked.

    python -m bench.stream [--clients 2000] [--rate 50] [--seconds 20] [--breaks 0.5]

Alerts are appended to PostgreSQL directly; their moment of commit travels in `correlation_id`. Reports p50, p99 and the
worst time from append to client, and counts of lost and repeated events, which must both be 0.
"""

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from services.api.alert.store import append_records
from services.api.auth.store import create_admin_key
from shared.clock import SystemClock
from shared.contracts.alert import AlertBody, AlertRaised
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from shared.postgres.pool import open_connection


class _Said(msgspec.Struct):
    alert: dict[str, Any]


_decoder = msgspec.json.Decoder(_Said)


class StreamClient:
    """One reader that may be torn off and goes on elsewhere with its last id."""

    def __init__(self, ports: list[int], key: str) -> None:
        self.ports = ports
        self.key = key
        self.ids: list[int] = []
        self.delays_ms: list[float] = []
        self.is_connected = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, start_after: int) -> None:
        turn = 0
        while True:
            last = self.ids[-1] if self.ids else start_after
            try:
                await self._read(self.ports[turn % len(self.ports)], last)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            turn += 1

    async def _read(self, port: int, last: int) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        request = (
            f"GET /v1/alerts/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.key}\r\n"
            f"Last-Event-ID: {last}\r\n\r\n"
        )
        self._writer.write(request.encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"HTTP/1.1") and b" 200 " not in line:
                    raise OSError(line.decode())
                if line.startswith(b"id: "):
                    self.ids.append(int(line[4:]))
                elif line.startswith(b": connected"):
                    self.is_connected.set()
                elif line.startswith(b"data: ") and len(self.ids) % 10 == 0:
                    sent = float(_decoder.decode(line[6:]).alert["correlation_id"])
                    self.delays_ms.append((time.time() - sent) * 1000)
        finally:
            self._writer.close()

    def tear(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


async def append(database_url: str, rate: float, seconds: float) -> int:
    """Append alerts at a steady rate and return how many."""
    connection = await open_connection(database_url)
    clock, n = SystemClock(), int(rate * seconds)
    body = AlertBody(
        severity="high", cause="quality", p_cause=0.8, signals=[], summary_en="may leave", summary_zh="可能流失"
    )
    started = time.perf_counter()
    for number in range(n):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        async with connection.transaction():
            alert = AlertRaised(
                alert_id=f"al_{number}",
                customer_id=f"c{number}",
                at=clock.now(),
                revision=1,
                rules_version=1,
                body=body,
                correlation_id=str(time.time()),
            )
            await append_records(connection, [alert])
    await connection.close()
    return n


async def measure(database_url: str, ports: list[int], key: str, options: argparse.Namespace) -> None:
    clients = [StreamClient(ports, key) for _ in range(options.clients)]
    tasks = []
    for start in range(0, len(clients), 50):
        group = clients[start : start + 50]
        tasks += [asyncio.create_task(client.run(0)) for client in group]
        await asyncio.gather(*(client.is_connected.wait() for client in group))
    print(f"{len(clients)} clients connected")
    appending = asyncio.create_task(append(database_url, options.rate, options.seconds))
    chance = random.Random(1)
    while not appending.done():
        await asyncio.sleep(1.0)
        for client in chance.sample(clients, int(len(clients) * options.breaks / 100)):
            client.tear()
    n = await appending
    deadline = time.perf_counter() + 30
    while time.perf_counter() < deadline and any(len(client.ids) < n for client in clients):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    lost = sum(n - len(set(client.ids)) for client in clients)
    repeated = sum(len(client.ids) - len(set(client.ids)) for client in clients)
    disordered = sum(client.ids != sorted(client.ids) for client in clients)
    delays = sorted(delay for client in clients for delay in client.delays_ms)
    print(f"{n} alerts to {len(clients)} clients: lost {lost}, repeated {repeated}, out of order {disordered}")
    print(
        f"append to client: p50 {delays[len(delays) // 2]:.0f} ms, p99 {delays[len(delays) * 99 // 100]:.0f} ms, "
        f"worst {delays[-1]:.0f} ms"
    )


def _start_api(database_url: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "PULSELINE_DATABASE_URL": database_url,
        "PULSELINE_API_PORT": str(port),
        "PULSELINE_API_RATE_PER_S": "100000",
        "PULSELINE_API_RATE_BURST": "100000",
        # No broker: only the stream is measured, and the projection waits quietly.
        "PULSELINE_KAFKA_BOOTSTRAP": "127.0.0.1:9",
    }
    with (folder / f"api-{port}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "services.api"], env=environment, stdout=log, stderr=log)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the API does not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--breaks", type=float, default=0.5, help="percent of clients torn off each second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "data")
        server.start()
        apis: list[subprocess.Popen[bytes]] = []
        try:
            upgrade(server.url())
            key = asyncio.run(create_admin_key(server.url()))
            ports = [_free_port() for _ in range(options.processes)]
            apis = [_start_api(server.url(), folder, port) for port in ports]
            for port in ports:
                _wait_for(port)
            asyncio.run(measure(server.url(), ports, key, options))
        finally:
            for api in apis:
                api.terminate()
                api.wait(10)
            server.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
