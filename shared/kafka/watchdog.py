"""Ends a process that owns work and does not do it: alive or ended, never idle with lag."""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Final

from shared.clock import Clock

_log = logging.getLogger(__name__)

STALLED_EXIT_CODE: Final = 70
_CHECK_EVERY_S: Final = 1.0


class Watchdog:
    """Knows when each partition last moved and whether it lags; `stalled` says which one does nothing.

    A partition moves when a batch is done, while a state is loading, and with each attempt at a Kafka that is down.
    `alive` must be called by the event loop; a loop that is blocked is a stall too.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._moved_at: dict[int, float] = {}
        self._lagging: frozenset[int] = frozenset()
        self._alive_at = clock.monotonic()

    def assigned(self, partitions: Iterable[int]) -> None:
        """Watch these partitions, each from now on."""
        now = self._clock.monotonic()
        self._lagging = frozenset()
        self._moved_at = dict.fromkeys(partitions, now)

    def moved(self, partition: int) -> None:
        if partition in self._moved_at:
            self._moved_at[partition] = self._clock.monotonic()

    def lagging(self, partitions: Iterable[int]) -> None:
        """Say which partitions have input that is not handled; a partition without lag counts as having moved."""
        self._lagging = frozenset(partitions)
        for partition in self._moved_at:
            if partition not in self._lagging:
                self.moved(partition)

    def alive(self) -> None:
        self._alive_at = self._clock.monotonic()

    def stalled(self) -> str | None:
        """Return what does not move, None while all is well."""
        now = self._clock.monotonic()
        if now - self._alive_at > self._limit_s:
            return f"the event loop has been blocked for {now - self._alive_at:.0f} s"
        for partition, at in self._moved_at.items():
            if partition in self._lagging and now - at > self._limit_s:
                return f"partition {partition} lags and has not moved for {now - at:.0f} s"
        return None


class WatchdogThread:
    """Asks a watchdog every second, in a thread of its own, and calls `on_stall` once when something is stuck."""

    def __init__(self, watchdog: Watchdog, on_stall: Callable[[str], None]) -> None:
        self._watchdog = watchdog
        self._on_stall = on_stall
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_CHECK_EVERY_S):
            reason = self._watchdog.stalled()
            if reason is not None:
                self._on_stall(reason)
                return


def end_process(reason: str) -> None:
    """Say why, with the stacks of all threads, and end the process at once: nothing in it can be trusted to stop."""
    _log.critical("watchdog: %s; the process ends", reason)
    faulthandler.dump_traceback(file=sys.stderr)
    os._exit(STALLED_EXIT_CODE)
