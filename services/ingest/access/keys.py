"""The API keys this process knows: read from PostgreSQL, kept in a file too, so that PostgreSQL may be down."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

from services.ingest.replica import Replica
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.api_keys import ApiKeyRow, hash_key

LoadKeys = Callable[[], Awaitable[Sequence[ApiKeyRow]]]


class KeyRing:
    """Known keys by hash; `admit(key)` waits for PostgreSQL for unknown keys only."""

    def __init__(self, load: LoadKeys, snapshot: Path, clock: Clock, refresh_s: float) -> None:
        self._keys: dict[bytes, ApiKeyRow] = {}
        self._replica = Replica("keys", ApiKeyRow, load, self._adopt, snapshot, clock, refresh_s)

    def __len__(self) -> int:
        return len(self._keys)

    def restore(self) -> None:
        """Take the keys the last run knew."""
        self._replica.restore()

    async def refresh(self) -> None:
        """Read all active keys once; raises `Unavailable` when PostgreSQL is down."""
        await self._replica.refresh()

    async def keep_fresh(self) -> None:
        """Refresh for ever."""
        await self._replica.keep_fresh()

    async def admit(self, key: str, now: datetime) -> ApiKeyRow | None:
        """Return the key's record, or None when it is unknown, revoked or expired.

        Raises `Unavailable` when the key is unknown and PostgreSQL, which might know it, does not answer.
        """
        key_hash = hash_key(key)
        found = self._keys.get(key_hash)
        if found is None:
            await self._replica.look_again()
            found = self._keys.get(key_hash)
        if found is None and not self._replica.is_current:
            raise Unavailable("postgresql", "this key is not known yet and keys cannot be read now")
        if found is not None and found.expires_at is not None and found.expires_at <= now:
            return None
        return found

    def _adopt(self, keys: Sequence[ApiKeyRow]) -> None:
        self._keys = {key.key_hash: key for key in keys}
