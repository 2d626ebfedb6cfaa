"""Seals what must not stand in PostgreSQL as it is, under the operator's key; without a key it refuses (ADR 0020)."""

from shared.connection.seal import SealError, SecretsKey
from shared.ids import new_nonce

NO_KEY = (
    "secrets cannot be kept: set PULSELINE_SECRETS_KEY_FILE to a file with a key (openssl rand -base64 32), for the "
    "API and for ingest"
)


class Vault:
    def __init__(self, key: SecretsKey | None) -> None:
        self._key = key

    @property
    def head(self) -> bytes | None:
        """How everything begins that is sealed now; None without a key."""
        return None if self._key is None else self._key.head

    def seal(self, plain: bytes, owner: str) -> bytes:
        """Return `plain` sealed for its owner. Raises `SealError` when there is no key."""
        if self._key is None:
            raise SealError(NO_KEY)
        return self._key.seal(plain, owner, new_nonce())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Return what was sealed for the owner. Raises `SealError` when no key opens it."""
        if self._key is None:
            raise SealError(NO_KEY)
        return self._key.open(sealed, owner)
