"""The one place that makes identifiers: deterministic ones from content, random ones for requests and secrets."""

import hashlib
import secrets
from typing import NewType

CustomerId = NewType("CustomerId", str)
AlertId = NewType("AlertId", str)


def digest_id(prefix: str, *parts: str) -> str:
    """Return `prefix_` and 26 hex digits that depend on the parts alone; 104 bits, so collisions do not happen."""
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return f"{prefix}_{hashlib.blake2b(joined, digest_size=13).hexdigest()}"


def new_request_id() -> str:
    """Return 16 random bytes as hex: a request or trace id."""
    return secrets.token_hex(16)


def new_secret() -> str:
    """Return 32 random bytes, URL-safe: a fresh secret to show once."""
    return secrets.token_urlsafe(32)


def new_nonce() -> bytes:
    """Return 12 random bytes: the number used once of a sealed value."""
    return secrets.token_bytes(12)
