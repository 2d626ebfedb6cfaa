"""Child processes that never outlive their parent, free ports, waiting for a start; nothing about what they run."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from random import SystemRandom
from typing import IO, Final

_PR_SET_PDEATHSIG = 1


class StartError(RuntimeError):
    """A child process ended, or did not answer in time, while it was being started."""


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    extra_env: Mapping[str, str] | None = None,
    user: int | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `command` in its own process group and return it; on Linux it gets `death_signal` when this process dies.

    `env` is its whole environment, ours when not given; `extra_env` goes on top.
    `user` is a numeric uid to run as (only root may ask); the group is the same number and there are no others.
    """
    environment = {**(os.environ if env is None else env), **(extra_env or {})}
    # The kernel sends the signal when the *thread* that forked ends, so one thread that lives as long as the process
    # does all the forking, whichever thread asks.
    return _forker().submit(_spawn, command, output, cwd, environment, user, death_signal).result()


def _spawn(
    command: Sequence[str],
    output: IO[bytes] | int,
    cwd: Path | None,
    env: dict[str, str],
    user: int | None,
    death_signal: signal.Signals,
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def leash() -> None:
        # Runs after setuid, which would clear the setting.
        _set_death_signal(death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        preexec_fn=leash if sys.platform == "linux" else None,
        process_group=0,
    )


@cache
def _forker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _set_death_signal(death_signal: signal.Signals) -> None:
    _libc().prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals, grace_s: float) -> int:
    """Ask `process` to stop, kill its group when `grace_s` has passed, and return its exit status."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            kill(process)
    return process.wait()


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill the whole group of `process` at once, as a crash would, and return its exit status."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


_PORTS: Final = range(20_000, 32_768)
"""Below what Linux and macOS give to outgoing connections, which could take the port of a server that starts again."""
_ports: Final = deque(_PORTS)
_ports.rotate(SystemRandom().randrange(len(_PORTS)))
"""Given longest ago first; each process begins elsewhere, so that two seldom choose one before either binds it."""


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback TCP ports that are free now. Raises StartError where there are none.

    No port is given twice before all others were: a server may leave its own for seconds while it is started again.
    """
    found: list[int] = []
    for _ in _PORTS:
        if len(found) == count:
            break
        _ports.rotate(-1)
        if is_port_free(_ports[-1]):
            found.append(_ports[-1])
    if len(found) < count:
        raise StartError(f"fewer than {count} of the ports {_PORTS.start} to {_PORTS.stop - 1} are free")
    return found


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        # A listener that has just gone leaves its connections in TIME_WAIT; a server binds over those, so may we.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(
    is_ready: Callable[[], bool],
    *,
    timeout_s: float,
    what: str,
    process: subprocess.Popen[bytes],
    log: Path,
    tells_progress: bool = False,
) -> None:
    """Return when `is_ready()`; raise StartError with the end of `log` when `process` ends or `timeout_s` passes.

    The time counts anew whenever `log` grows, if the process writes there how far it has come.
    """
    deadline, logged = time.monotonic() + timeout_s, -1
    while not is_ready():
        if (status := process.poll()) is not None:
            raise StartError(f"{what} ended with status {status} while starting\n{tail(log)}")
        if tells_progress and log.exists() and (size := log.stat().st_size) != logged:
            deadline, logged = time.monotonic() + timeout_s, size
        if time.monotonic() > deadline:
            raise StartError(f"{what} did not answer within {timeout_s:g} s\n{tail(log)}")
        time.sleep(0.05)


def tail(log: Path, lines: int = 20) -> str:
    """Return the last `lines` lines of a log file, or nothing when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
