"""One service as its own process against real parts, the way an operator runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx2

from shared.embedded.process import free_ports
from tests.loopback import LOOPBACK
from tests.waiting import eventually

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """Return a loopback port that is free now and given to nobody else by this process."""
    (port,) = free_ports(1)
    return port


class ServiceProcess:
    """`python -m services.<name>` with settings from `environment`; ends with its `with` block."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULSELINE_")},
            "PULSELINE_STATE_DIR": str(folder / "state"),
            # What a process that is killed cannot take away ends with the test's folder.
            "TMPDIR": str(folder),
            f"PULSELINE_{name.upper()}_PORT": str(self.port),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, until_ready: bool = True) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        if until_ready:
            try:
                self.wait_ready()
            except BaseException:
                # Its `with` block, which would end it, has not begun.
                self.kill()
                raise
        return self

    def wait_ready(self, timeout_s: float = 90.0) -> None:
        deadline = time.monotonic() + timeout_s
        last = ""
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                answer = httpx2.get(f"{self.url}/readyz", timeout=2, **LOOPBACK)
                if answer.status_code == 200:
                    return
                last = answer.text
            except httpx2.TransportError as error:
                last = str(error)
            time.sleep(0.1)
        raise AssertionError(f"{self.name} is not ready: {last}\n{self.log.read_text()[-4000:]}")

    @contextmanager
    def answering(self, path: str, status: int) -> Iterator[str]:
        """Run the process and yield its address once it answers a path with this status, ready or not."""

        def answers() -> bool:
            try:
                return bool(httpx2.get(f"{self.url}{path}", **LOOPBACK).status_code == status)
            except httpx2.HTTPError:
                return False

        try:
            self.start(until_ready=False)
            eventually(answers, timeout_s=120)
            yield self.url
        finally:
            self.kill()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def twin(self, folder: Path) -> Self:
        """Return another process of the same service, not started, with a port and a folder of its own."""
        settings = {name: value for name, value in self._environment.items() if name.startswith("PULSELINE_")}
        del settings["PULSELINE_STATE_DIR"], settings[f"PULSELINE_{self.name.upper()}_PORT"]
        folder.mkdir(exist_ok=True)
        return type(self)(self.name, settings, folder)

    def kill(self) -> None:
        """kill -9, as an outage would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask to stop and return the exit code."""
        return self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send a signal the process lives through, such as SIGSTOP and SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            # Longer than a processor gives itself to finish what it has in hand and to leave its group.
            return process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end on {how.name}\n{self.log.read_text()[-4000:]}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGKILL)
