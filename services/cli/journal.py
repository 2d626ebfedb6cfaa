"""One log of all processes: each line under its process's name, on the terminal and in a file of bounded size."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_LARGEST = 20 * 1024 * 1024
_WIDTH = 12
_OWN = "pulseline"
_COLOURS = ("36", "35", "32", "33", "34", "96", "95", "92")


class Journal:
    """Writes to `file`, whose older half moves to `file`.1, and to `terminal`, coloured when it is one.

    A full disk costs lines of the file and nothing else; once there is room, it is told how many.
    """

    def __init__(self, file: Path, terminal: TextIO = sys.stdout, *, shows_processes: bool = True) -> None:
        self._file = file
        # Unbuffered: what could not be written would come back with every later line.
        self._log = file.open("ab", buffering=0)
        self._n_lost = 0
        self._terminal: TextIO | None = terminal
        self._shows_processes = shows_processes
        self._is_coloured = terminal.isatty()
        self._colour_of: dict[str, str] = {}

    def write(self, name: str, line: str) -> None:
        """Add one line of the process `name`; the terminal has it only if it shows processes."""
        self._keep(name, line)
        if self._shows_processes:
            self._print(f"{self._painted(name)} | {line}\n")

    def say(self, line: str = "") -> None:
        """Show a line of the supervisor itself, unprefixed on the terminal."""
        if line:
            self._keep(_OWN, line)
        self._print(f"{line}\n")

    def tell(self, line: str) -> None:
        """Show a line on the terminal alone: what the log must not keep, such as a key."""
        self._print(f"{line}\n")

    def close(self) -> None:
        self._log.close()

    def _keep(self, name: str, line: str) -> None:
        try:
            if self._log.tell() > _LARGEST:
                self._begin_anew()
            if self._n_lost:
                # The last one there may have been cut off midway.
                self._log.write(b"\n" + _row(_OWN, f"lines lost, for they could not be written: {self._n_lost}"))
                self._n_lost = 0
            self._log.write(_row(name, line))
        except OSError:
            self._n_lost += 1

    def _begin_anew(self) -> None:
        with suppress(FileNotFoundError):  # moved before, and then there was no room for another
            self._file.replace(self._file.with_name(f"{self._file.name}.1"))
        older, self._log = self._log, self._file.open("ab", buffering=0)
        older.close()

    def _print(self, text: str) -> None:
        if self._terminal is None:
            return
        try:
            self._terminal.write(text)
            self._terminal.flush()
        except OSError:
            # The terminal is gone and the services are not: the file goes on.
            self._terminal = None

    def _painted(self, name: str) -> str:
        if not self._is_coloured:
            return f"{name:<{_WIDTH}}"
        colour = self._colour_of.setdefault(name, _COLOURS[len(self._colour_of) % len(_COLOURS)])
        return f"\033[{colour}m{name:<{_WIDTH}}\033[0m"


def _row(name: str, line: str) -> bytes:
    return f"{name:<{_WIDTH}} | {line}\n".encode("utf-8", "replace")
