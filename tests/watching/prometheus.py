"""A real Prometheus (Debian's `prometheus`) that scrapes the services of a test and evaluates our rules."""

import math
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
import yaml

from deploy.generate import rules_text
from deploy.prometheus.timing import Timing
from tests.loopback import LOOPBACK
from tests.service_process import free_port

EXAMPLE = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"

Series = dict[str, Any]


def program(name: str) -> str:
    """Return a program's path; skips without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


class _Server:
    """A program of Prometheus's family with its files in `folder`; ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.address = self.url.removeprefix("http://")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert time.monotonic() < deadline, (self._folder / "server.log").read_text()[-2000:]
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def send(self, number: signal.Signals) -> None:
        """Send a signal the process lives through, such as SIGSTOP and SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def _is_ready(self) -> bool:
        try:
            return bool(httpx2.get(f"{self.url}/-/ready", timeout=2, **LOOPBACK).status_code == 200)
        except httpx2.TransportError:
            return False


class Alertmanager(_Server):
    """Takes our example's routes and keeps what Prometheus tells it; its receivers' addresses lead nowhere here."""

    def _command(self) -> list[str]:
        return [
            program("prometheus-alertmanager"),
            f"--config.file={EXAMPLE}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]

    def active(self) -> set[str]:
        """Return the names of the alerts that it holds for true now."""
        answer = httpx2.get(f"{self.url}/api/v2/alerts", params={"active": "true"}, timeout=20, **LOOPBACK)
        return {one["labels"]["alertname"] for one in answer.json()}


class Prometheus(_Server):
    """Scrapes `targets` (service to host:port) each second and tells `alertmanager` (host:port), if there is one."""

    def __init__(
        self, folder: Path, targets: Mapping[str, str], timing: Timing, alertmanager: str | None = None
    ) -> None:
        super().__init__(folder)
        (folder / "rules.yml").write_text(rules_text(timing), "utf-8")
        jobs = [{"targets": [address], "labels": {"service": service}} for service, address in targets.items()]
        config: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "pulseline", "static_configs": jobs}],
        }
        if alertmanager is not None:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")

    def _command(self) -> list[str]:
        return [
            program("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
            # An alert that is not told again within four times this is over.
            "--rules.alert.resend-delay=1s",
        ]

    def query(self, expression: str) -> list[Series]:
        """Return the series of an instant query whose value is a number."""
        series = self._ask("query", query=expression)
        return [one for one in series if not math.isnan(float(one["value"][1]))]

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the series of a range query."""
        return self._ask("query_range", query=expression, start=start, end=end, step=step)

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire, the one that always does apart."""
        alerts = self.query('ALERTS{alertstate="firing", alertname!="PulselineWatchdog"}')
        return {one["metric"]["alertname"] for one in alerts}

    def fired_since(self, start: float) -> dict[str, float]:
        """Return when each alert fired first from `start` on, both in seconds of Unix time."""
        alerts = self.range('ALERTS{alertstate="firing"}', start, time.time(), 1)
        first: dict[str, float] = {}
        for one in alerts:
            name, at = one["metric"]["alertname"], float(one["values"][0][0])
            first[name] = min(at, first.get(name, at))
        return first

    def _ask(self, what: str, **parameters: Any) -> list[Series]:
        answer = httpx2.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=20, **LOOPBACK)
        assert answer.status_code == 200, answer.text
        result: list[Series] = answer.json()["data"]["result"]
        return result
