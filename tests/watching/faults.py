"""The faults of the drills, made on the real parts of one running Pulseline and undone again."""

import asyncio
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from msgspec.structs import replace

from services.churn_alerts.customer.generation import PRIOR, to_model
from shared.contracts.control import ModelPublished
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.kafka.publisher import Publisher
from shared.kafka.ticker import publish_control
from shared.topics import ENRICHED
from tests.e2e.system import eventually
from tests.loopback import LOOPBACK
from tests.watching import broker
from tests.watching.drill import KeepUp
from tests.watching.prometheus import Alertmanager
from tests.watching.watched import COMPLAINTS, Receiver, Watched, complaint, event, risk_of

N_CALIBRATED = 220
"""Customers of whom it is known whether they left: the rule wants 200."""
SLOW_BYTES_PER_S = 1_000.0
"""A tenth of what the drills' own traffic takes."""
_UPLOAD_BYTES = 5_000_000
_N_UPLOADS = 110


@dataclass(frozen=True, slots=True)
class Place:
    """Where the faults are made. `disk` is a small disk that the services keep their state on, if there is one."""

    watched: Watched
    kafka: EmbeddedKafka
    database: EmbeddedPostgres
    alertmanager: Alertmanager
    disk: Path | None

    def began_at(self, service: str) -> float:
        """Return when the process that Prometheus saw last began."""
        return self.watched.value(f'process_start_time_seconds{{service="{service}"}}')


# ── Processes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def hanging(place: Place, service: str) -> Iterator[None]:
    process = place.watched.system.services[service]
    process.send(signal.SIGSTOP)
    yield
    process.send(signal.SIGCONT)


@contextmanager
def crashing(place: Place, service: str) -> Iterator[KeepUp]:
    """Kill the process each time Prometheus has seen it start."""
    process = place.watched.system.services[service]

    def crash() -> None:
        before = place.began_at(service)
        process.kill()
        process.start(until_ready=False)
        eventually(lambda: place.began_at(service) not in (-1.0, before), 90)

    yield crash
    process.wait_ready()


@contextmanager
def swollen(place: Place, service: str) -> Iterator[None]:
    """Hold a hundred uploads open that never end."""
    address = place.watched.system.services[service]
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: drill\r\nAuthorization: Bearer {place.watched.system.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {_UPLOAD_BYTES}\r\n\r\n"
    ).encode()
    body = b" " * (_UPLOAD_BYTES - 1)
    uploads = [socket.create_connection(("127.0.0.1", address.port), 30) for _ in range(_N_UPLOADS)]
    for upload in uploads:
        upload.sendall(head + body)
    yield
    for upload in uploads:
        upload.close()


# ── Kafka ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def broker_hangs(place: Place) -> Iterator[None]:
    place.kafka.pause_node(0)
    yield
    place.kafka.resume_node(0)


@contextmanager
def slow_input(place: Place, processor: str) -> Iterator[None]:
    """Let the broker hand the processor its input more slowly than it comes in."""
    group = f"{place.watched.prefix}{processor}"
    [(_member, client_id)] = eventually(lambda: broker.members(place.kafka.bootstrap, group))
    broker.throttle(place.kafka.port(), client_id, SLOW_BYTES_PER_S)
    yield
    broker.throttle(place.kafka.port(), client_id, None)


@contextmanager
def slow_recovery(place: Place, processor: str) -> Iterator[None]:
    """Restart a processor that then loads its state over a line that is far too slow."""
    client_id = f"{processor}-state"
    broker.throttle(place.kafka.port(), client_id, SLOW_BYTES_PER_S)
    process = place.watched.system.services[processor]
    process.kill()
    process.start(until_ready=False)
    yield
    broker.throttle(place.kafka.port(), client_id, None)
    process.wait_ready(90)


@contextmanager
def restless_group(place: Place, processor: str) -> Iterator[KeepUp]:
    group = f"{place.watched.prefix}{processor}"
    yield lambda: broker.expel(place.kafka.bootstrap, group)


@contextmanager
def poisoned(place: Place, n: int) -> Iterator[None]:
    """Write records that cannot be read: more than one in a hundred, fewer than stop a processor."""
    place.watched.garbage(n)
    yield


@contextmanager
def open_dead_letters(place: Place) -> Iterator[None]:
    place.watched.garbage(3)
    yield
    for letter in place.watched.get("/v1/dead-letters?status=open&limit=100")["items"]:
        place.watched.post(f"/v1/dead-letters/{letter['id']}/discard", {"reason": "drill"}).raise_for_status()


@contextmanager
def old_model(place: Place) -> Iterator[None]:
    """Pass on a generation of sixty days ago, as its leader did, and one of today at the end."""
    _pass_on(place, 1, datetime.now(UTC) - timedelta(days=60))
    yield
    _pass_on(place, 2, datetime.now(UTC) - timedelta(seconds=30))


def _pass_on(place: Place, version: int, at: datetime) -> None:
    model = to_model(replace(PRIOR, version=version))
    record = ModelPublished(name="churn", version=version, in_force_at=at, model=model)

    async def publish() -> None:
        publisher = Publisher(place.kafka.bootstrap)
        await publisher.start()
        try:
            await publish_control(publisher, ENRICHED.full_name(place.watched.prefix), record)
        finally:
            await publisher.stop()

    asyncio.run(publish())


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def database_down(place: Place) -> Iterator[None]:
    place.database.stop()
    yield
    place.database.start()


@contextmanager
def held_open(place: Place, n: int, statement: str | None = None) -> Iterator[None]:
    """Keep `n` connections open, each in a transaction that has run the statement."""

    async def connect() -> Any:
        connection = await asyncpg.connect(place.database.url())
        if statement is not None:
            await connection.execute(f"BEGIN; {statement}")
        return connection

    async def close() -> None:
        for connection in connections:
            await connection.close()

    with asyncio.Runner() as runner:
        connections = [runner.run(connect()) for _ in range(n)]
        yield
        runner.run(close())


@contextmanager
def blocked_requests(place: Place, n: int) -> Iterator[None]:
    """Lock a table, as a careless ALTER does, and let readers queue up behind it."""
    with (
        ThreadPoolExecutor(n) as readers,
        held_open(place, 1, "LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE"),
    ):
        for _ in range(n):
            readers.submit(_ignoring_outages, place.watched.get, "/v1/alerts?limit=1")
        yield


def _ignoring_outages(read: Callable[[str], Any], path: str) -> None:
    with suppress(httpx2.HTTPError, ValueError):
        read(path)


@contextmanager
def stuck_queue(place: Place) -> Iterator[None]:
    """Hold the rows of the notifications to be sent, as a transaction that somebody left open does."""
    query = "SELECT count(*) FROM notification_jobs WHERE status = 'pending' AND n_attempts > 0"
    eventually(lambda: asyncio.run(_value(place.database.url(), query)))
    with held_open(place, 1, "SELECT FROM notification_jobs WHERE status = 'pending' FOR UPDATE"):
        yield


async def _value(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


# ── What comes in and what goes out ─────────────────────────────────────────────────────────────────────────────────


class QuietTraffic:
    """Messages that raise no alert, and requests: a system at work in which nothing is wrong."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        services, headers = self._watched.system.services, {"Authorization": f"Bearer {self._watched.system.key}"}
        number = 0
        with httpx2.Client(headers=headers, timeout=5, **LOOPBACK) as client:
            while not self._ended.wait(0.25):
                now = datetime.now(UTC)
                events = [complaint(1_000 + i, f"quiet-{number}-{i}", "Thanks, that helps.", now) for i in range(8)]
                number += 1
                # A service may be away: that is what drills are about.
                with suppress(httpx2.HTTPError):
                    client.post(f"{services['ingest'].url}/v1/events", json=events)
                with suppress(httpx2.HTTPError):
                    client.get(f"{services['api'].url}/v1/alerts?limit=1")


def raise_alerts(watched: Watched, customers: range) -> None:
    """Let customers complain often enough that an alert is raised about each."""
    now = datetime.now(UTC)
    watched.system.send(
        *(
            complaint(customer, f"surge-{customer}-{i}", COMPLAINTS[customer % 2][i % 2], now)
            for customer in customers
            for i in range(8)
        )
    )


@contextmanager
def silent_connection(place: Place) -> Iterator[None]:
    for number in range(1, 200):
        place.watched.deliver(number)
    yield
    place.watched.deliver(201)


@contextmanager
def forged_deliveries(place: Place) -> Iterator[None]:
    for number in range(300, 330):
        place.watched.deliver(number, "wrong")
    yield


@contextmanager
def nothing_alarming(place: Place, customers: range) -> Iterator[None]:
    """Send nothing that raises an alert for a day of the drill's time; then somebody complains."""
    yield
    raise_alerts(place.watched, customers)


@contextmanager
def untouched_alerts(place: Place) -> Iterator[None]:
    """Leave open what was raised before; at the end somebody takes all of it on."""
    yield
    acknowledge_all(place.watched)


def acknowledge_all(watched: Watched) -> None:
    alerts = [one["alert_id"] for one in watched.get("/v1/alerts?status=open&limit=200")["items"]]
    if alerts:
        body = {"action": "acknowledge", "alert_ids": alerts, "parameters": {}}
        watched.post("/v1/alerts/bulk", body).raise_for_status()


@contextmanager
def drifting_model(place: Place) -> Iterator[None]:
    """Tell risks of .9 about customers who then all bought; a week of risks that came true ends it.

    Source of the days: the horizon is 90 days, the one order of each customer is 100 days old.
    """
    now = datetime.now(UTC)
    bought = now - timedelta(days=100)
    customers = range(2_000, 2_000 + N_CALIBRATED)
    place.watched.system.send(
        *(
            {
                **event(customer, "order.placed", f"calibrated-{customer}", bought),
                "order_id": f"calibrated-{customer}",
                "amount": "30.00",
                "currency": "USD",
            }
            for customer in customers
        )
    )
    place.watched.tell([risk_of(customer, now - timedelta(days=120), "active", 0.9) for customer in customers])
    yield
    place.watched.tell([risk_of(customer, now - timedelta(days=105), "active", 0.02) for customer in customers])


@contextmanager
def failing_endpoint(place: Place, receiver: Receiver, status: int, customers: tuple[range, range]) -> Iterator[None]:
    """Answer notifications with a status; at the end take them, be switched on again, and be told of new alerts."""
    receiver.status = status
    endpoint = {"name": f"answers {status}", "kind": "webhook", "url": receiver.url}
    made = place.watched.post("/v1/webhooks", endpoint)
    made.raise_for_status()
    raise_alerts(place.watched, customers[0])
    yield
    receiver.status = 200
    place.watched.patch(f"/v1/webhooks/{made.json()['id']}", {"is_enabled": True}).raise_for_status()
    raise_alerts(place.watched, customers[1])


# ── The machine ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path | None]:
    """Yield a folder on a disk of its own, or None where this account may mount none."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        # Lazily: a process that is about to end may still be in it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full_disk(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"0" * 65_536)
            file.flush()
    yield
    filler.unlink()
