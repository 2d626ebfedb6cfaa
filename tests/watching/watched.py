"""The four services with a Prometheus beside them, and traffic that gives every panel something to show."""

import asyncio
import base64
import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import httpx2
import yaml

from deploy.prometheus.timing import Timing
from services.api.auth.store import create_admin_key
from shared.contracts.alert import CustomerRisk, Risk
from shared.contracts.codec import encode
from shared.kafka.publisher import Message, Publisher
from shared.kafka.topics_admin import ensure_topics
from tests.e2e.system import System, eventually
from tests.loopback import LOOPBACK
from tests.watching.prometheus import Prometheus

PARTITIONS = 2
TOKEN = "watched-connection"
CONNECTIONS = ("shop", "support")


class Watched:
    """Everything a drill needs; use as a context manager."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        database_url: str,
        folder: Path,
        timing: Timing,
        settings: Mapping[str, str] | None = None,
        alertmanager: str | None = None,
    ) -> None:
        asyncio.run(ensure_topics(bootstrap, prefix, PARTITIONS, 1))
        connections = folder / "connections.yml"
        connections.write_text(
            yaml.safe_dump(
                [{"id": one, "provider": "telegram", "credentials": {"secret_token": TOKEN}} for one in CONNECTIONS]
            ),
            "utf-8",
        )
        secrets_key = folder / "secrets.key"
        secrets_key.write_bytes(base64.b64encode(os.urandom(32)))
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.database_url = database_url
        self.system = System(
            bootstrap,
            prefix,
            database_url,
            asyncio.run(create_admin_key(database_url)),
            folder,
            PARTITIONS,
            {
                "PULSELINE_CONNECTIONS_FILE": str(connections),
                "PULSELINE_SECRETS_KEY_FILE": str(secrets_key),
                "PULSELINE_API_CENSUS_EVERY_S": "1",
                "PULSELINE_API_HOLDOUT_RATIO": "0",
                "PULSELINE_API_ALLOWED_NETWORKS": "127.0.0.0/8",
                # A drill fills ingest's memory, which this bound would otherwise prevent.
                "PULSELINE_INGEST_OPEN_BODIES_MB": "2048",
                **(settings or {}),
            },
        )
        targets = {name: service.url.removeprefix("http://") for name, service in self.system.services.items()}
        self.prometheus = Prometheus(folder / "prometheus", targets, timing, alertmanager)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.enter_context(self.system)
            starting.enter_context(self.prometheus)
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(self, path: str, body: Any) -> httpx2.Response:
        return self._send("POST", path, body)

    def patch(self, path: str, body: Any) -> httpx2.Response:
        return self._send("PATCH", path, body)

    def _send(self, method: str, path: str, body: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.system.key}"}
        url = self.system.services["api"].url + path
        return httpx2.request(method, url, json=body, headers=headers, timeout=20, **LOOPBACK)

    def deliver(self, number: int, token: str = TOKEN, text: str = "hi", connection: str = CONNECTIONS[0]) -> int:
        """Deliver a provider's message and return the answer's status."""
        message = {
            "message_id": number,
            "date": int(datetime.now(UTC).timestamp()),
            "chat": {"id": 7, "type": "private"},
            "from": {"id": 7},
            "text": text,
        }
        answer = httpx2.post(
            self.system.services["ingest"].url + f"/v1/channels/{connection}",
            json={"update_id": number, "message": message} if number % 5 else {"update_id": number},
            headers={"X-Telegram-Bot-Api-Secret-Token": token},
            timeout=20,
            **LOOPBACK,
        )
        return answer.status_code

    def garbage(self, n: int) -> None:
        """Write records that no processor can decode."""
        asyncio.run(_publish(self.bootstrap, f"{self.prefix}interactions", [b"not an event"] * n))

    def tell_risks(self) -> None:
        """Write what a processor fitted on years of orders would say: money at risk now, and risks that have ended."""
        now = datetime.now(UTC)
        told = [risk_of(customer, now, "at_risk") for customer in range(5)]
        told += [risk_of(customer, now - timedelta(days=120), "active") for customer in range(5, N_CUSTOMERS)]
        self.tell(told)

    def tell(self, risks: list[CustomerRisk]) -> None:
        """Write risks to `churn.risk`, as a processor would."""
        asyncio.run(_publish(self.bootstrap, f"{self.prefix}churn.risk", [encode(one) for one in risks]))

    def refused(self) -> None:
        """Send an event that ingest refuses."""
        headers = {"Authorization": f"Bearer {self.system.key}"}
        url = self.system.services["ingest"].url + "/v1/events"
        httpx2.post(url, json={"type": "none"}, headers=headers, timeout=20, **LOOPBACK)

    def value(self, expression: str) -> float:
        """Return the one value of a query; minus one where it has none."""
        found = self.prometheus.query(expression)
        return float(found[0]["value"][1]) if found else -1.0

    def get(self, path: str) -> Any:
        return self.system.get(path).json()


COMPLAINTS = (
    ("My parcel is a week late and nobody tells me anything.", "Terrible delivery service, I am ordering elsewhere."),
    ("磨豆机用了两周就坏了，质量太差。", "客服态度恶劣，再也不买了，我要退款！"),
)
N_CUSTOMERS = 60


class Traffic:
    """Half a year of made-up orders at once, then complaints, deliveries and requests without end."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._n_rounds = 0

    def __enter__(self) -> Self:
        with self._watched.system.client() as client:
            client.send(orders(datetime.now(UTC)))
        # What comes next shall not wait behind the history.
        eventually(lambda: self._watched.value("sum(pulseline_api_customers)") >= N_CUSTOMERS, 120)
        eventually(lambda: self._watched.value("sum(pulseline_worker_lag_records)") == 0, 120)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._n_rounds += 1
            # A service may be away: that is what drills are about.
            with suppress(httpx2.HTTPError):
                self._round(self._n_rounds)
            self._ended.wait(0.2)

    def _round(self, number: int) -> None:
        watched, now = self._watched, datetime.now(UTC)
        texts = COMPLAINTS[number % 2]
        events = [complaint(number % N_CUSTOMERS, f"{number}-{index}", text, now) for index, text in enumerate(texts)]
        url, headers = watched.system.services["ingest"].url, {"Authorization": f"Bearer {watched.system.key}"}
        httpx2.post(f"{url}/v1/events", json=events, headers=headers, timeout=5, **LOOPBACK)
        watched.deliver(number)
        if number % 3 == 0:
            watched.deliver(number, connection=CONNECTIONS[1])
        watched.get("/v1/alerts?limit=5")
        if number % 10 == 0:
            watched.deliver(number, "wrong")
            watched.refused()


def orders(now: datetime) -> list[dict[str, Any]]:
    """Return 200 days of orders, oldest first: every fifth customer bought each week and stopped some weeks ago."""
    chance = random.Random(3)
    events = []
    for customer in range(N_CUSTOMERS):
        gap_days = chance.choice((7.0, 14.0, 21.0)) if customer % 5 else 7.0
        until = now - timedelta(days=1.1 if customer % 5 else chance.uniform(15, 40))
        at = now - timedelta(days=200 - chance.uniform(0, gap_days))
        while at < until:
            events.append(
                {
                    **event(customer, "order.placed", f"order-{customer}-{at:%Y%m%d%H}", at),
                    "order_id": f"{customer}-{at:%Y%m%d%H}",
                    "amount": f"{chance.uniform(15, 180):.2f}",
                    "currency": "CNY" if customer % 2 else "USD",
                }
            )
            at += timedelta(days=chance.gammavariate(9, gap_days / 9))
    return sorted(events, key=lambda one: str(one["occurred_at"]))


def risk_of(customer: int, at: datetime, state: Literal["at_risk", "active"], p_churn: float = 0.6) -> CustomerRisk:
    risk = Risk(
        p_churn=p_churn, horizon_days=90, as_of=at, generation=1, is_prior=False, expected_loss=120.0, currency="USD"
    )
    return CustomerRisk(customer_id=f"c{customer}", as_of=at, state=state, n_purchases=9, risk=risk)


def complaint(customer: int, identifier: str, text: str, at: datetime) -> dict[str, Any]:
    inbound = {"channel": "chat", "direction": "inbound", "actor": {"kind": "customer"}, "text": text}
    return {**event(customer, "interaction", f"live-{identifier}", at), **inbound}


def event(customer: int, kind: str, identifier: str, at: datetime) -> dict[str, Any]:
    who = {"id": f"c{customer}", "handles": [f"tel:+1212555{customer:04d}"]}
    return {"type": kind, "id": identifier, "source": "watched", "occurred_at": at.isoformat(), "customer": who}


class Receiver:
    """Where notifications go; `status` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.n_received = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.n_received += 1
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        yield self
        self._server.shutdown()
        self._server.server_close()


def first_open_alert(watched: Watched) -> str | None:
    """Return an alert that can be resolved."""
    items = watched.get("/v1/alerts?status=open&limit=1")["items"]
    return str(items[0]["alert_id"]) if items else None


async def _publish(bootstrap: str, topic: str, values: list[bytes]) -> None:
    publisher = Publisher(bootstrap)
    await publisher.start()
    try:
        messages: list[Message] = [(b"c", value, (), None) for value in values]
        await publisher.publish_batches({(topic, 0): messages})
    finally:
        await publisher.stop()
