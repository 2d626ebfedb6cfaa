"""Servers that the workers of one test run share: the first worker to ask starts one, the run's end stops it."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO

# Starts a server with its data in the folder and returns its address and how to stop it.
Start = Callable[[Path], tuple[str, Callable[[], None]]]


class RunOnce:
    """One worker's view of the servers shared below `root`, a folder that all workers of the run see."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._users: dict[str, IO[str]] = {}
        self._stops: dict[str, Callable[[], None]] = {}

    def get(self, name: str, start: Start) -> str:
        """Return the address of the run's server `name`, starting it if no worker has yet."""
        with (self._root / f"{name}.start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            address = self._root / f"{name}.address"
            if not address.exists():
                folder = self._root / name
                folder.mkdir()
                stated, self._stops[name] = start(folder)
                address.write_text(stated, "utf-8")
            users = (self._root / f"{name}.users.lock").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
            self._users[name] = users
            return address.read_text("utf-8")

    def close(self) -> None:
        """Leave every server; the ones this worker started are stopped once the other workers have left them too."""
        for users in self._users.values():
            fcntl.flock(users, fcntl.LOCK_UN)
        for name, stop in self._stops.items():
            fcntl.flock(self._users[name], fcntl.LOCK_EX)
            stop()
        for users in self._users.values():
            users.close()
        self._users.clear()
        self._stops.clear()
