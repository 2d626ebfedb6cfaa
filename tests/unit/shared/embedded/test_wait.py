"""How long a starting server is waited for."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.embedded.process import StartError, wait_until

RECOVERING = "import time\nfor i in range(40):\n print('redo in progress', flush=True); time.sleep(0.1)"
SILENT = "import time; time.sleep(60)"
TIMEOUT_S = 1.5


@contextmanager
def server(program: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen([sys.executable, "-c", program], stdout=output) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_lines(n_lines: int, process: subprocess.Popen[bytes], log: Path, *, tells_progress: bool) -> None:
    def is_ready() -> bool:
        return len(log.read_bytes().splitlines()) >= n_lines

    wait_until(is_ready, timeout_s=TIMEOUT_S, what="It", process=process, log=log, tells_progress=tells_progress)


def test_a_server_that_tells_of_its_recovery_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with server(RECOVERING, log) as process:
        wait_for_lines(30, process, log, tells_progress=True)


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with server(SILENT, log) as process, pytest.raises(StartError, match=r"did not answer within 1\.5 s"):
        wait_for_lines(1, process, log, tells_progress=True)


def test_lines_of_one_that_tells_no_progress_buy_no_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with server(RECOVERING, log) as process, pytest.raises(StartError, match="redo in progress"):
        wait_for_lines(39, process, log, tells_progress=False)
