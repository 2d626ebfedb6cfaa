"""Secrets at rest: sealed with AES-256-GCM under a key from a file; and the mark that proves a test is our own.

Format of a sealed value: version (1 byte), key id (4), nonce (12), ciphertext with its tag. Its owner, such as a
connection's id, is authenticated too, so a sealed value cannot be moved to another row.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TEST_HEADER = "X-Pulseline-Test"

_VERSION = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + _ID_BYTES + _NONCE_BYTES


class SecretsKeyError(ValueError):
    """The key file cannot be used; the message says why."""


class SealError(Exception):
    """A sealed value cannot be opened: made under another key, or changed."""


class SecretsKey:
    """The keys of a deployment: the first seals, all open, so that a key can be replaced step by step."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise SecretsKeyError(f"a secrets key is {_KEY_BYTES} bytes in base64, as `openssl rand -base64 32` makes")
        self._keys = list(keys)
        self._by_id = {_key_id(key): AESGCM(key) for key in keys}

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Return the keys in a file, one a line, the newest first. Raises `SecretsKeyError`."""
        try:
            lines = path.read_text(encoding="ascii").split()
            return cls([base64.b64decode(line, validate=True) for line in lines])
        except (OSError, UnicodeDecodeError, binascii.Error) as error:
            raise SecretsKeyError(f"{path}: {error}") from error

    @property
    def head(self) -> bytes:
        """How everything begins that is sealed now."""
        return _VERSION + _key_id(self._keys[0])

    def seal(self, plain: bytes, owner: str, nonce: bytes) -> bytes:
        """Return `plain` sealed for `owner`; `nonce` is 12 fresh random bytes."""
        return self.head + nonce + AESGCM(self._keys[0]).encrypt(nonce, plain, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Return what was sealed for `owner`. Raises `SealError`."""
        head, ciphertext = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        opener = self._by_id.get(head[1 : 1 + _ID_BYTES])
        if head[:1] != _VERSION or opener is None:
            raise SealError("sealed under a key that is not in the key file")
        try:
            return opener.decrypt(head[1 + _ID_BYTES :], ciphertext, owner.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError("the sealed value was changed, or belongs to another owner") from error

    def mark(self, connection_id: str, body: bytes) -> str:
        """Return the value of `TEST_HEADER` that says: this delivery is a test of ours, keep nothing of it."""
        return _mark(self._keys[0], connection_id, body)

    def is_marked(self, mark: str, connection_id: str, body: bytes) -> bool:
        """Return whether one of the keys made this mark for this very delivery."""
        expected = [_mark(key, connection_id, body) for key in self._keys]
        return any([hmac.compare_digest(one.encode(), mark.encode("utf-8", "replace")) for one in expected])  # noqa: C419


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"pulseline key id" + key).digest()[:_ID_BYTES]


def _mark(key: bytes, connection_id: str, body: bytes) -> str:
    derived = hmac.digest(key, b"pulseline test mark", "sha256")
    return hmac.digest(derived, connection_id.encode() + b"\n" + body, "sha256").hex()
