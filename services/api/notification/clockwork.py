"""Seals the secrets that the version before left in plain text, and those under a key that was replaced.

Any number of API processes run it: rows are locked by whoever comes first.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from services.api.auth import store as auth
from services.api.notification import store
from services.api.notification.model import secret_owner
from services.api.vault import Vault
from shared.clock import Clock
from shared.connection.seal import SealError
from shared.errors import Unavailable
from shared.postgres.pool import reading, transaction

log = logging.getLogger(__name__)

_INTERVAL_S = 600.0
# The same patience with the version before as an endpoint's `plain_until` (migration 0018).
_ANSWERS_LEFT = timedelta(hours=1)


class SealingClockwork:
    def __init__(self, pool: Any, vault: Vault, clock: Clock) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._unreadable: set[str] = set()

    async def run(self) -> None:
        """Look until cancelled; an outage is waited out."""
        is_told = False
        while True:
            try:
                if self._vault.head is not None:
                    await self.work(self._vault.head)
                elif not is_told:
                    is_told = await self._tell_plain()
            except Unavailable:
                log.debug("sealing waits for PostgreSQL")
            await asyncio.sleep(_INTERVAL_S)

    async def work(self, head: bytes) -> int:
        """Seal what is to be sealed now, so that it begins with `head`, and return how many secrets that was."""
        now = self._clock.now()
        async with transaction(self._pool) as connection:
            plain = await store.plain_secrets(connection, now)
            for endpoint_id, secret in plain:
                await self._keep(connection, endpoint_id, secret.encode())
            answers = await auth.plain_answers_with_secrets(connection, now - _ANSWERS_LEFT)
            for key_id, idempotency_key, body in answers:
                sealed = self._vault.seal(body, auth.answer_owner(key_id, idempotency_key))
                await auth.set_sealed_answer(connection, key_id, idempotency_key, sealed)
            n_again = await self._seal_again(connection, head)
        n_sealed = len(plain) + len(answers) + n_again
        if n_sealed:
            log.info("secrets sealed", extra={"action": "secrets_sealed", "n": n_sealed})
        return n_sealed

    async def _seal_again(self, connection: Any, head: bytes) -> int:
        n_again = 0
        for endpoint_id, sealed in await store.secrets_sealed_otherwise(connection, head):
            try:
                secret = self._vault.open(sealed, secret_owner(endpoint_id))
            except SealError as error:
                self._tell_unreadable(endpoint_id, error)
                continue
            await self._keep(connection, endpoint_id, secret)
            n_again += 1
        return n_again

    async def _keep(self, connection: Any, endpoint_id: str, secret: bytes) -> None:
        sealed = self._vault.seal(secret, secret_owner(endpoint_id))
        await store.change(connection, endpoint_id, {"sealed_secret": sealed})

    def _tell_unreadable(self, endpoint_id: str, error: SealError) -> None:
        if endpoint_id not in self._unreadable:
            self._unreadable.add(endpoint_id)
            extra = {"action": "endpoint_secret_unreadable", "endpoint": endpoint_id, "reason": str(error)}
            log.error("an endpoint's secret cannot be read", extra=extra)

    async def _tell_plain(self) -> bool:
        async with reading(self._pool) as connection:
            n_plain = await store.count_plain_secrets(connection)
        if n_plain:
            log.warning(
                "secrets of notification endpoints stand in plain text: PULSELINE_SECRETS_KEY_FILE is not set",
                extra={"action": "secrets_in_plain_text", "n": n_plain},
            )
        return True
