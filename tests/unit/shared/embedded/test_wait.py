"""How long a starting server is waited for."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.embedded.process import StartError, wait_until

TIMEOUT_S = 1.0


@contextmanager
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is there; what its log says of it is the test's to write."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        try:
            yield process
        finally:
            process.kill()


class Recovery:
    """Tells of its progress in the log each time it is asked whether it is over, which it is after `n_lines`."""

    def __init__(self, log: Path, n_lines: int) -> None:
        self._log = log
        self._n_left = n_lines

    def is_over(self) -> bool:
        self._n_left -= 1
        with self._log.open("a") as log:
            log.write("redo in progress\n")
        return self._n_left <= 0


def test_a_server_that_tells_of_its_recovery_is_waited_for(tmp_path: Path) -> None:
    # It is asked twenty times a second at most: longer than the time it has without a word.
    recovery = Recovery(tmp_path / "log", 30)

    with server() as process:
        wait_until(
            recovery.is_over,
            timeout_s=TIMEOUT_S,
            what="It",
            process=process,
            log=tmp_path / "log",
            tells_progress=True,
        )


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with server() as process, pytest.raises(StartError, match=r"did not answer within 1 s"):
        wait_until(
            lambda: False, timeout_s=TIMEOUT_S, what="It", process=process, log=tmp_path / "log", tells_progress=True
        )


def test_lines_of_one_that_tells_no_progress_buy_no_time(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path / "log", 10_000)

    with server() as process, pytest.raises(StartError, match="redo in progress"):
        wait_until(recovery.is_over, timeout_s=TIMEOUT_S, what="It", process=process, log=tmp_path / "log")
