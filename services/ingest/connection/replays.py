"""Signatures that do not cover the body may vouch for one body only; remembers which, for a while."""

import hashlib
from collections import OrderedDict


class ReplayGuard:
    """Remembers what a signature was first used for. `keep_s` is at least the provider's own replay window."""

    def __init__(self, keep_s: float, max_entries: int = 200_000) -> None:
        self._keep_s = keep_s
        self._max_entries = max_entries
        self._used: OrderedDict[tuple[str, str], tuple[bytes, float]] = OrderedDict()

    def allows(self, connection: str, key: str, body: bytes, now_s: float) -> bool:
        """Return whether `key` was not used for another body; the same body again is the provider's retry."""
        self._forget(now_s)
        used = self._used.get((connection, key))
        return used is None or used[0] == _digest(body)

    def remember(self, connection: str, key: str, body: bytes, now_s: float) -> None:
        """Bind `key` to `body`; call it once the delivery was taken."""
        self._used.setdefault((connection, key), (_digest(body), now_s))
        if len(self._used) > self._max_entries:
            self._used.popitem(last=False)

    def _forget(self, now_s: float) -> None:
        while self._used and next(iter(self._used.values()))[1] < now_s - self._keep_s:
            self._used.popitem(last=False)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
