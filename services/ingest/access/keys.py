"""The API keys this process knows: read from PostgreSQL, kept in a file too, so that PostgreSQL may be down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.api_keys import ApiKeyRow, hash_key

log = logging.getLogger(__name__)

LoadKeys = Callable[[], Awaitable[Sequence[ApiKeyRow]]]

# An unknown key may be a new one: look again, but let nobody make us ask PostgreSQL more often than this.
_RELOAD_SPACING_S = 1.0


class KeyRing:
    """Known keys by hash. `known(key)` never waits for PostgreSQL; `admit(key)` does so for unknown keys only."""

    def __init__(self, load: LoadKeys, snapshot: Path, clock: Clock, refresh_s: float) -> None:
        self._load = load
        self._snapshot = snapshot
        self._clock = clock
        self._refresh_s = refresh_s
        self._keys: dict[bytes, ApiKeyRow] = {}
        self._tried_at_s = float("-inf")
        self._is_current = False
        self._reloading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def restore(self) -> None:
        """Take the keys the last run knew; without a readable file there are none yet."""
        try:
            keys = msgspec.json.decode(self._snapshot.read_bytes(), type=list[ApiKeyRow])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            log.warning("ignoring the key snapshot", extra={"action": "keys_snapshot_unreadable", "error": str(error)})
            return
        self._keys = {key.key_hash: key for key in keys}

    async def refresh(self) -> None:
        """Read all active keys once and keep them in the snapshot; raises `Unavailable` when PostgreSQL is down."""
        self._tried_at_s = self._clock.monotonic()
        self._is_current = False
        keys = await self._load()
        self._keys = {key.key_hash: key for key in keys}
        self._is_current = True
        await asyncio.to_thread(self._write, list(keys))

    async def keep_fresh(self) -> None:
        """Refresh for ever; an outage is logged once and waited out."""
        was_current = True
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                if was_current:
                    log.warning("API keys cannot be refreshed", extra={"action": "keys_stale", "error": str(error)})
            was_current = self._is_current
            await asyncio.sleep(self._refresh_s)

    async def admit(self, key: str, now: datetime) -> ApiKeyRow | None:
        """Return the key's record, or None when it is unknown, revoked or expired.

        Raises `Unavailable` when the key is unknown and PostgreSQL, which might know it, does not answer.
        """
        key_hash = hash_key(key)
        found = self._keys.get(key_hash)
        if found is None:
            await self._reload_after(self._clock.monotonic())
            found = self._keys.get(key_hash)
        if found is None and not self._is_current:
            raise Unavailable("postgresql", "this key is not known yet and keys cannot be read now")
        if found is not None and found.expires_at is not None and found.expires_at <= now:
            return None
        return found

    async def _reload_after(self, asked_s: float) -> None:
        """Return once keys were read at `asked_s` or later; everybody who asks meanwhile shares the reading."""
        async with self._reloading:
            if self._tried_at_s >= asked_s:
                return
            await asyncio.sleep(max(0.0, self._tried_at_s + _RELOAD_SPACING_S - asked_s))
            await self.refresh()

    def _write(self, keys: list[ApiKeyRow]) -> None:
        self._snapshot.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._snapshot.with_suffix(".tmp")
        temporary.touch(mode=0o600)
        temporary.write_bytes(msgspec.json.encode(keys))
        temporary.replace(self._snapshot)
