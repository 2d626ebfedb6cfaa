"""Rows of PostgreSQL that this process cannot be without: read again and again, kept in a file, used from memory."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from shared.clock import Clock
from shared.errors import Unavailable

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=msgspec.Struct)

# What is unknown may be new: look again, but let nobody make us ask PostgreSQL more often than this.
_RELOAD_SPACING_S = 1.0
# A server that hangs says nothing for half a minute; providers give up, and count a failure, after three to ten.
_LONGEST_LOOK_S = 3.0


class Replica(Generic[Row]):
    """All rows of one kind. `adopt` is given them whenever they were read; `name` says in the log what they are."""

    def __init__(
        self,
        name: str,
        row_type: type[Row],
        load: Callable[[], Awaitable[Sequence[Row]]],
        adopt: Callable[[Sequence[Row]], None],
        snapshot: Path,
        clock: Clock,
        refresh_s: float,
        longest_look_s: float = _LONGEST_LOOK_S,
    ) -> None:
        self._name = name
        self._row_type = row_type
        self._load = load
        self._adopt = adopt
        self._snapshot = snapshot
        self._clock = clock
        self._refresh_s = refresh_s
        self._longest_look_s = longest_look_s
        self._kept: bytes | None = None
        self._tried_at_s = float("-inf")
        self._is_current = False
        self._reading = asyncio.Lock()

    @property
    def is_current(self) -> bool:
        """Whether the last reading succeeded, so that what is not here is not there either."""
        return self._is_current

    def restore(self) -> None:
        """Take what the last run knew; without a readable file that is nothing yet."""
        try:
            kept = self._snapshot.read_bytes()
            rows = msgspec.json.decode(kept, type=list[self._row_type])  # type: ignore[name-defined]
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            extra = {"action": f"{self._name}_snapshot_unreadable", "error": str(error)}
            log.warning("ignoring the snapshot", extra=extra)
            return
        self._kept = kept
        self._adopt(rows)

    async def refresh(self) -> None:
        """Read all rows once and keep them in the snapshot; raises `Unavailable` when PostgreSQL is down."""
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        # One at a time: rows that were read earlier must not come in last, nor two snapshots be written at once.
        self._tried_at_s = self._clock.monotonic()
        self._is_current = False
        rows = await self._load()
        self._adopt(rows)
        self._is_current = True
        await self._keep(msgspec.json.encode(list(rows)))

    async def keep_fresh(self) -> None:
        """Refresh for ever; an outage is logged once and waited out."""
        was_current = True
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                if was_current:
                    extra = {"action": f"{self._name}_stale", "error": str(error)}
                    log.warning("PostgreSQL cannot be read; going on with what is known", extra=extra)
            was_current = self._is_current
            await asyncio.sleep(self._refresh_s)

    async def look_again(self) -> None:
        """Return once rows were read later than now; everybody who asks meanwhile shares the reading.

        Raises `Unavailable` when PostgreSQL does not answer, or not soon.
        """
        asked_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._longest_look_s), self._reading:
                if self._tried_at_s >= asked_s:
                    return
                await asyncio.sleep(max(0.0, self._tried_at_s + _RELOAD_SPACING_S - asked_s))
                await self._read()
        except TimeoutError as error:
            raise Unavailable("postgresql", f"no answer within {self._longest_look_s:g} s") from error

    async def _keep(self, encoded: bytes) -> None:
        """Write the snapshot where it is another; a full disk keeps the old one, and the next reading tries again."""
        if encoded == self._kept:
            return
        try:
            await asyncio.to_thread(self._write, encoded)
        except OSError as error:
            extra = {"action": f"{self._name}_snapshot_unwritable", "error": str(error)}
            log.warning("the snapshot cannot be written", extra=extra)
        else:
            self._kept = encoded

    def _write(self, encoded: bytes) -> None:
        self._snapshot.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._snapshot.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_bytes(encoded)
        temporary.replace(self._snapshot)
