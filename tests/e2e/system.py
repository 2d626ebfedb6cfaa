"""The whole of Pulseline as processes of their own, for end-to-end tests."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx2

from pulseline.client import Client, RetryPolicy
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess

NAMES = ("ingest", "sentiment", "churn_alerts", "api")


class System:
    """Four services on one Kafka and one PostgreSQL; ends with its `with` block."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        database_url: str,
        key: str,
        folder: Path,
        partitions: int,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        environment = {
            "PULSELINE_KAFKA_BOOTSTRAP": bootstrap,
            "PULSELINE_TOPIC_PREFIX": prefix,
            "PULSELINE_PARTITIONS": str(partitions),
            "PULSELINE_DATABASE_URL": database_url,
            "PULSELINE_API_RATE_PER_S": "10000",
            **(settings or {}),
        }
        self.key = key
        self.services = {name: ServiceProcess(name, environment, folder) for name in NAMES}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for service in self.services.values():
                starting.enter_context(service).start(until_ready=False)
            for service in self.services.values():
                service.wait_ready()
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self) -> Client:
        """Return a client that waits out restarts."""
        return Client(self.services["ingest"].url, self.key, retry=RetryPolicy(attempts=240, base_s=0.1, longest_s=1.0))

    def send(self, *events: Mapping[str, Any]) -> None:
        with self.client() as client:
            receipt = client.send(events)
        assert not receipt.rejected, receipt.rejected

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(
            self.services["api"].url + path,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=20,
            **LOOPBACK,
        )


def eventually(what: Callable[[], Any], timeout_s: float = 45.0) -> Any:
    """Return the first true value of `what`; fail with its last value when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while not (value := what()):
        assert time.monotonic() < deadline, f"still {value!r} after {timeout_s:g} s"
        time.sleep(0.05)
    return value
