"""One log of all processes: each line under its process's name, on the terminal and in a file of bounded size."""

import sys
from pathlib import Path
from typing import TextIO

_LARGEST = 20 * 1024 * 1024
_WIDTH = 12
_COLOURS = ("36", "35", "32", "33", "34", "96", "95", "92")


class Journal:
    """Writes to `file`, whose older half moves to `file`.1, and to `terminal`, coloured when it is one."""

    def __init__(self, file: Path, terminal: TextIO = sys.stdout) -> None:
        self._file = file
        self._log = file.open("a", encoding="utf-8")
        self._terminal: TextIO | None = terminal
        self._is_coloured = terminal.isatty()
        self._colour_of: dict[str, str] = {}

    def write(self, name: str, line: str) -> None:
        """Add one line of the process `name`."""
        if self._log.tell() > _LARGEST:
            self._log.close()
            self._file.replace(self._file.with_name(f"{self._file.name}.1"))
            self._log = self._file.open("a", encoding="utf-8")
        self._log.write(f"{name:<{_WIDTH}} | {line}\n")
        self._log.flush()
        self._print(f"{self._painted(name)} | {line}\n")

    def say(self, line: str = "") -> None:
        """Show a line of the supervisor itself, unprefixed on the terminal."""
        if line:
            self._log.write(f"{'pulseline':<{_WIDTH}} | {line}\n")
            self._log.flush()
        self._print(f"{line}\n")

    def tell(self, line: str) -> None:
        """Show a line on the terminal alone: what the log must not keep, such as a key."""
        self._print(f"{line}\n")

    def close(self) -> None:
        self._log.close()

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
