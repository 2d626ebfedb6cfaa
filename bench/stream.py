"""How the alert stream holds up: many clients, forced reconnects, every client's ids checked.

    python -m bench.stream [--clients 2000] [--rate 50] [--seconds 20] [--processes 1] [--breaks 0.5]

Alerts are appended to PostgreSQL directly. Clients are raw sockets behind one selector that look for ids alone, because
they share the machine with what they measure. Reports p50, p99 and the worst time from the start of an append to a
client's having read it, lost and repeated events (both must be 0), and the processor time of each side.
"""

import argparse
import asyncio
import os
import random
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from services.api.alert.store import append_records
from services.api.auth.store import create_admin_key
from shared.clock import SystemClock
from shared.contracts.alert import AlertBody, AlertRaised
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from shared.postgres.pool import open_connection

_ID = re.compile(rb"\nid: (\d+)\n")
_CHUNK = 1 << 18


class StreamClient:
    """One reader that may be torn off and goes on elsewhere with its last id."""

    def __init__(self, ports: list[int], key: str) -> None:
        self.ports = ports
        self.key = key
        self.ids: list[int] = []
        self.read_at: list[float] = []
        self.is_connected = False
        self.socket: socket.socket | None = None
        self._turn = 0
        self._rest = b""

    def connect(self) -> socket.socket:
        port = self.ports[self._turn % len(self.ports)]
        self._turn += 1
        self._rest = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        last = self.ids[-1] if self.ids else 0
        self.socket.sendall(
            f"GET /v1/alerts/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.key}\r\n"
            f"Last-Event-ID: {last}\r\n\r\n".encode()
        )
        self.socket.setblocking(False)
        return self.socket

    def read(self) -> bool:
        """Take what has come; return whether the connection lives."""
        if self.socket is None:
            return False
        try:
            chunk = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not chunk:
            return False
        now = time.time()
        seen = self._rest + chunk
        if not self.is_connected and b": connected" in seen:
            self.is_connected = True
        found = _ID.findall(seen)
        self.ids.extend(map(int, found))
        self.read_at.extend([now] * len(found))
        # An id may be cut in two; what is kept is shorter than any whole one.
        self._rest = seen[seen.rfind(b"\n") :][:32] if len(seen) - seen.rfind(b"\n") < 32 else b""
        return True


class Crowd:
    """All clients, read from one thread."""

    def __init__(self, clients: list[StreamClient]) -> None:
        self.clients = clients
        self._selector = selectors.EpollSelector()

    def connect(self) -> None:
        for number, client in enumerate(self.clients):
            self._selector.register(client.connect(), selectors.EVENT_READ, client)
            if number % 50 == 0:
                self._read(0.0)
        while not all(client.is_connected for client in self.clients):
            self._read(0.1)

    def follow(self, appending: threading.Thread, n_wanted: int, share_torn: float) -> None:
        """Read until the appending is over and everybody has everything, or 30 seconds have gone since."""
        chance, tear_at, give_up_at = random.Random(1), time.time() + 1.0, float("inf")
        while True:
            self._read(0.05)
            now = time.time()
            if appending.is_alive():
                if now >= tear_at:
                    tear_at = now + 1.0
                    for client in chance.sample(self.clients, int(len(self.clients) * share_torn)):
                        self._renew(client)
                continue
            give_up_at = min(give_up_at, now + 30)
            if now > give_up_at or all(len(client.ids) >= n_wanted for client in self.clients):
                return

    def _read(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if not key.data.read():
                self._renew(key.data)

    def _renew(self, client: StreamClient) -> None:
        if client.socket is not None:
            self._selector.unregister(client.socket)
            client.socket.close()
        self._selector.register(client.connect(), selectors.EVENT_READ, client)


async def append(database_url: str, rate: float, n: int, started_at: list[float]) -> None:
    """Append alerts at a steady rate; note when each append began."""
    connection = await open_connection(database_url)
    clock = SystemClock()
    body = AlertBody(
        severity="high", cause="quality", p_cause=0.8, signals=[], summary_en="may leave", summary_zh="可能流失"
    )
    started = time.perf_counter()
    for number in range(n):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        started_at.append(time.time())
        async with connection.transaction():
            alert = AlertRaised(
                alert_id=f"al_{number}",
                customer_id=f"c{number}",
                at=clock.now(),
                revision=1,
                rules_version=1,
                body=body,
            )
            await append_records(connection, [alert])
    await connection.close()


def measure(
    database_url: str, ports: list[int], key: str, options: argparse.Namespace, apis: list[subprocess.Popen[bytes]]
) -> None:
    crowd = Crowd([StreamClient(ports, key) for _ in range(options.clients)])
    crowd.connect()
    print(f"{options.clients} clients connected", flush=True)
    n, started_at = int(options.rate * options.seconds), list[float]()
    appending = threading.Thread(target=lambda: asyncio.run(append(database_url, options.rate, n, started_at)))
    before = time.time(), _own_cpu_s(), [_cpu_s(api.pid) for api in apis]
    appending.start()
    crowd.follow(appending, n, options.breaks / 100)
    appending.join()
    seconds = time.time() - before[0]
    clients = crowd.clients
    lost = sum(n - len(set(client.ids)) for client in clients)
    repeated = sum(len(client.ids) - len(set(client.ids)) for client in clients)
    disordered = sum(client.ids != sorted(client.ids) for client in clients)
    # One writer: the n-th id of all is the n-th append.
    place = {number: order for order, number in enumerate(sorted({one for client in clients for one in client.ids}))}
    delays = sorted(
        (at - started_at[place[one]]) * 1000
        for client in clients
        for one, at in zip(client.ids, client.read_at, strict=True)
    )
    print(f"{n} alerts to {len(clients)} clients: lost {lost}, repeated {repeated}, out of order {disordered}")
    print(
        f"append to client: p50 {delays[len(delays) // 2]:.0f} ms, p99 {delays[len(delays) * 99 // 100]:.0f} ms, "
        f"worst {delays[-1]:.0f} ms"
    )
    used = ", ".join(f"{(_cpu_s(api.pid) - cpu) / seconds:.2f}" for api, cpu in zip(apis, before[2], strict=True))
    print(
        f"processors in use: each API process {used}; clients and appending {(_own_cpu_s() - before[1]) / seconds:.2f}"
    )


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_api(database_url: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start an API process without a broker, its log in `folder`."""
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


def wait_for(port: int) -> None:
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
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--breaks", type=float, default=0.5, help="percent of clients torn off each second")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, options.clients * 2 + 500)), hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "data")
        server.start()
        apis: list[subprocess.Popen[bytes]] = []
        try:
            upgrade(server.url())
            key = asyncio.run(create_admin_key(server.url()))
            ports = [free_port() for _ in range(options.processes)]
            apis = [start_api(server.url(), folder, port) for port in ports]
            for port in ports:
                wait_for(port)
            measure(server.url(), ports, key, options, apis)
        finally:
            for api in apis:
                api.terminate()
                api.wait(10)
            server.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
