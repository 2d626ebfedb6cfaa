"""Wake-up times of a partition's keys: a lazy wheel whose ticks cost nothing when nothing is due. No Kafka here."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final

# Keys of one bucket are sorted when its minute comes. Timers of a million customers over a month: 23 a bucket.
BUCKET_MS: Final = 60_000
_FAR: Final = 1 << 62


class Timers:
    """One timer a key. `_at` is the truth; what stands in buckets is a hint, dropped when it no longer agrees."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}
        # The key's timer, None if it has none; the dict's own method, because it is asked for every row written.
        self.get: Final[Callable[[str], int | None]] = self._at.get
        self._buckets: dict[int, list[str]] = {}
        self._order: list[int] = []
        self._near: list[tuple[int, str]] = []
        self._opened_until = -_FAR
        self._hints = 0
        # No timer is due before this instant; some may be due only later.
        self.earliest_ms = _FAR

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: str, at_ms: int | None) -> None:
        """Set, move or (None) cancel the key's timer."""
        if at_ms is None:
            self._at.pop(key, None)
            return
        before = self._at.get(key)
        if before == at_ms:
            return
        self._at[key] = at_ms
        index = at_ms // BUCKET_MS
        if index <= self._opened_until:
            heappush(self._near, (at_ms, key))
            self._hints += 1
        elif before is None or before // BUCKET_MS != index:
            bucket = self._buckets.get(index)
            if bucket is None:
                bucket = self._buckets[index] = []
                heappush(self._order, index)
            bucket.append(key)
            self._hints += 1
        if at_ms < self.earliest_ms:
            self.earliest_ms = at_ms
        if self._hints > 2 * len(self._at) + 10_000:
            self._rebuild()

    def is_due(self, now_ms: int) -> bool:
        """Return whether some timer is at or before `now_ms`."""
        return now_ms >= self.earliest_ms and self._find_earliest(now_ms) <= now_ms

    def pop_due(self, now_ms: int) -> tuple[int, list[str]] | None:
        """End the timers of the earliest instant at or before `now_ms`; return it and its keys, sorted, or None."""
        if now_ms < self.earliest_ms:
            return None
        due_ms = self._find_earliest(now_ms)
        if due_ms > now_ms:
            return None
        keys: list[str] = []
        near, at = self._near, self._at
        while near and near[0][0] == due_ms:
            key = heappop(near)[1]
            self._hints -= 1
            if at.get(key) == due_ms:
                del at[key]
                keys.append(key)
        return due_ms, keys

    def _find_earliest(self, now_ms: int) -> int:
        """Open the buckets up to now, drop stale hints, and return (and keep) the earliest instant known."""
        order, near, at = self._order, self._near, self._at
        last = now_ms // BUCKET_MS
        if order and order[0] <= last:
            while order and order[0] <= last:
                index = heappop(order)
                bucket = self._buckets.pop(index)
                live = {key for key in bucket if (due := at.get(key)) is not None and due // BUCKET_MS == index}
                self._hints -= len(bucket) - len(live)
                near.extend((at[key], key) for key in live)
            heapify(near)
        self._opened_until = max(self._opened_until, last)
        while near and at.get(near[0][1]) != near[0][0]:
            heappop(near)
            self._hints -= 1
        if near:
            self.earliest_ms = near[0][0]
        else:
            self.earliest_ms = order[0] * BUCKET_MS if order else _FAR
        return self.earliest_ms

    def _rebuild(self) -> None:
        """Forget the hints that were overtaken, when they outnumber the timers."""
        times = dict(self._at)
        self._at.clear()
        self._buckets, self._order, self._near, self._hints = {}, [], [], 0
        self.earliest_ms = _FAR
        for key, at_ms in times.items():
            self.set(key, at_ms)
