"""`pulseline up` from outside: all processes ready, killed ones back, one at a time, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.embedded.process import free_ports
from tests.conftest import RunningKafka
from tests.integration.embedded.process_table import is_alive, wait_gone
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "sentiment", "churn_alerts", "api")
NAMES = ("api", "ingest", "sentiment", "churn-alerts", "kafka", "postgres")
PATIENCE_S = 120.0


@dataclass
class Installation:
    """One state folder with its own ports, and the supervisor started in it."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(len(NAMES)))
    supervisor: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments), cwd=self.folder, env=self._env(), capture_output=True, text=True, check=False
        )

    def up(self, *options: str) -> None:
        ports = [f"--{name}-port={port}" for name, port in zip(NAMES, self.ports, strict=True)]
        with (self.folder / "output").open("ab") as output:
            self.supervisor = subprocess.Popen(
                self._command("up", "--no-demo", *ports, *options),
                cwd=self.folder,
                env=self._env(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8")

    def status(self) -> dict[str, Any]:
        stated: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return stated

    def pids(self) -> dict[str, int]:
        return {process["name"]: process["pid"] for process in self.status()["processes"]}

    def wait_for(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so(status := self.status()):
            assert time.monotonic() < deadline, f"{status}\n{self.output()}"
            assert self.supervisor is None or self.supervisor.poll() is None, self.output()
            time.sleep(0.3)
        return status

    def end(self) -> int:
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(PATIENCE_S)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "services.cli.main", *arguments]

    @staticmethod
    def _env() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}


def is_ready(status: dict[str, Any]) -> bool:
    return status["phase"] == "ready" and all(process["health"] == "ready" for process in status["processes"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("up"))
    installation.up()
    installation.wait_for(is_ready)
    yield installation
    installation.end()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    if made.supervisor is not None and made.supervisor.poll() is None:
        made.end()


def test_status_tells_pid_address_and_health_of_every_process(running: Installation) -> None:
    processes = {process["name"]: process for process in running.wait_for(is_ready)["processes"]}

    assert set(processes) == {"supervisor", "postgres", "kafka", *SERVICES}
    assert all(is_alive(process["pid"]) for process in processes.values())
    assert processes["ingest"]["address"] == f"http://127.0.0.1:{running.ports[1]}"


@pytest.mark.parametrize("name", [*SERVICES, "kafka", "postgres"])
def test_a_killed_process_comes_back(running: Installation, name: str) -> None:
    running.wait_for(is_ready)
    killed = running.pids()[name]

    os.kill(killed, signal.SIGKILL)

    running.wait_for(lambda status: is_ready(status) and running.pids()[name] != killed)


def test_a_second_start_is_refused_and_names_the_first(running: Installation) -> None:
    refused = running.command("up")

    assert refused.returncode == 1
    assert f"by process {running.pids()['supervisor']}" in refused.stderr


def test_the_console_address_and_a_key_are_shown_and_the_key_is_not_logged(running: Installation) -> None:
    shown = running.output()
    key = json.loads((running.folder / ".pulseline" / "endpoint.json").read_text())["api_key"]

    assert f"http://127.0.0.1:{running.ports[0]}/" in shown
    assert key in shown
    assert key not in (running.folder / ".pulseline" / "log" / "pulseline.log").read_text()


def test_a_stop_leaves_nothing_running_and_the_next_start_goes_on(installation: Installation) -> None:
    installation.up()
    installation.wait_for(is_ready)
    first_key = (installation.folder / ".pulseline" / "endpoint.json").read_text()
    pids = installation.pids()

    stopped = installation.end()
    left = [name for name, pid in pids.items() if is_alive(pid)]
    installation.up()
    installation.wait_for(is_ready)

    assert (stopped, left) == (0, [])
    assert (installation.folder / ".pulseline" / "endpoint.json").read_text() == first_key


def test_a_killed_supervisor_leaves_nothing_running(installation: Installation) -> None:
    installation.up()
    installation.wait_for(is_ready)
    pids = installation.pids()

    os.kill(pids["supervisor"], signal.SIGKILL)

    assert [name for name, pid in pids.items() if not wait_gone(pid)] == []


def test_a_stop_in_mid_start_leaves_nothing_running(installation: Installation) -> None:
    installation.up()
    status = installation.wait_for(lambda status: any(process["pid"] for process in status["processes"][1:]))

    stopped = installation.end()

    assert stopped == 0
    assert [process for process in status["processes"] if process["pid"] and is_alive(process["pid"])] == []


def test_a_server_that_is_still_starting_at_a_stop_is_waited_for_and_shut_down(installation: Installation) -> None:
    installation.up()
    log = installation.folder / ".pulseline" / "log" / "postgres.log"
    eventually(log.exists, PATIENCE_S)

    stopped = installation.end()
    said = log.read_text("utf-8")

    assert stopped == 0
    assert "database system is shut down" in said.splitlines()[-1]
    assert "immediate shutdown" not in said


def test_detached_it_returns_when_ready_and_down_stops_it(installation: Installation) -> None:
    ports = [f"--{name}-port={port}" for name, port in zip(NAMES, installation.ports, strict=True)]

    started = installation.command("up", "--detach", "--no-demo", *ports)
    pids = installation.pids()
    was_ready = is_ready(installation.status())
    stopped = installation.command("down")

    assert (started.returncode, was_ready, stopped.returncode) == (0, True, 0)
    assert [name for name, pid in pids.items() if is_alive(pid)] == []


def test_servers_of_ones_own_are_used_and_left_alone(
    installation: Installation, kafka: RunningKafka, empty_database_url: str, topic_prefix: str
) -> None:
    installation.up("--kafka", kafka.bootstrap, "--database", empty_database_url, "--topic-prefix", topic_prefix)

    processes = {process["name"]: process for process in installation.wait_for(is_ready)["processes"]}

    assert (processes["kafka"]["is_external"], processes["postgres"]["is_external"]) == (True, True)
    assert (processes["kafka"]["pid"], processes["postgres"]["pid"]) == (None, None)
    assert not (installation.folder / ".pulseline" / "postgres").exists()
