"""One child process that is kept running: started again when it ends, later each time, and stopped when asked."""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from shared.embedded.process import kill, spawn

_POLL_S = 0.1
_STEADY_AFTER_S = 60.0
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_CHUNK = 65536


class Backoff:
    """Growing waits between starts: 0.5 s doubled up to 30 s, each made up to half longer or shorter by chance.

    Chance keeps several processes that fell together, when a server they need went away, from all coming back at once.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._n_failures = 0

    def next_s(self, ran_s: float) -> float:
        """Return how long to wait after a run of `ran_s` seconds; a steady run makes it forget earlier failures."""
        if ran_s >= _STEADY_AFTER_S:
            self._n_failures = 0
        delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0**self._n_failures)
        self._n_failures += 1
        return delay * (0.5 + self._chance())


class Child:
    """A command under supervision. `on_line` gets each line it prints, `on_change` is called when its pid changes."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        on_line: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._command = command
        self._env = env
        self._on_line = on_line
        self._on_change = on_change
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopping = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def keep_running(self, backoff: Backoff) -> None:
        """Run the command again and again until `stop` is called."""
        clock = asyncio.get_running_loop().time
        while not self._is_stopping:
            began = clock()
            try:
                became = f"ended ({describe(await self.run_once())})"
            except OSError as error:
                # Too many processes or open files, or too little memory: that may pass.
                became = f"cannot be started ({error})"
            if self._is_stopping:
                return
            delay = backoff.next_s(clock() - began)
            self._on_line(f"{became}; starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)
            self.restarts += 1

    async def run_once(self) -> int:
        """Run the command to its end and return its exit status. Raises OSError when it cannot be started."""
        if self._is_stopping:
            return 0
        readable, writable = os.pipe()
        try:
            self._process = spawn(self._command, output=writable, extra_env=self._env)
        except OSError:
            os.close(readable)
            raise
        finally:
            os.close(writable)
        self._on_change()
        reading = asyncio.create_task(self._read(readable))
        while (status := self._process.poll()) is None:  # noqa: ASYNC110  # a process sets no asyncio.Event
            await asyncio.sleep(_POLL_S)
        self._on_change()
        await reading
        return status

    async def stop(self, grace_s: float) -> None:
        """Ask the command to end, kill it when `grace_s` have passed, and do not start it again."""
        self._is_stopping = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + grace_s
        while process.poll() is None:
            if asyncio.get_running_loop().time() > deadline:
                self._on_line(f"did not stop within {grace_s:g} s; killed")
                kill(process)
            await asyncio.sleep(_POLL_S / 2)

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        try:
            rest = b""
            while chunk := await reader.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._on_line(line.decode("utf-8", "replace").rstrip())
            if rest:
                self._on_line(rest.decode("utf-8", "replace").rstrip())
        finally:
            transport.close()


def describe(status: int) -> str:
    """Return an exit status in words: a number, or the signal that ended the process."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
