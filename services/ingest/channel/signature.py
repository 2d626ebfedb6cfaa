"""Signatures: digests, strict decoding, constant-time comparison and replay windows shared by the providers."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from services.ingest.channel.ports import ChannelRequest, SignatureError

Algorithm = Literal["sha1", "sha256"]
_UNIX = re.compile(r"^[0-9]{1,12}$")


def utf8(text: str) -> bytes:
    """Return the bytes of any text, lone surrogates included, so that comparing never raises."""
    return text.encode("utf-8", "surrogatepass")


def digest(secret: bytes, message: bytes, algorithm: Algorithm = "sha256") -> bytes:
    return hmac.digest(secret, message, algorithm)


def hex_digest(secret: str, message: bytes, algorithm: Algorithm = "sha256") -> str:
    return digest(utf8(secret), message, algorithm).hex()


def base64_digest(secret: str, message: bytes, algorithm: Algorithm = "sha256") -> str:
    return base64.b64encode(digest(utf8(secret), message, algorithm)).decode("ascii")


def equal(expected: str, given: str) -> bool:
    """Compare two texts in constant time, exactly: letter case and base64 padding bits included."""
    return hmac.compare_digest(utf8(expected), utf8(given))


def equals_any(expected: Iterable[str], given: str) -> bool:
    """Return whether `given` equals one of `expected`; every candidate is compared, so time tells nothing."""
    is_match = False
    for candidate in expected:
        is_match |= equal(candidate, given)
    return is_match


def require_match(expected: Iterable[str], given: str, what: str = "signature") -> None:
    """Raise `SignatureError` unless `given` equals one of `expected`."""
    if not equals_any(expected, given):
        raise SignatureError(f"the {what} does not match")


def require_header(request: ChannelRequest, name: str) -> str:
    """Return a signature header that is there once and not empty; else raise `SignatureError`."""
    value = request.sole_header(name)
    if not value:
        raise SignatureError(f"header {name} is missing")
    return value


def require_prefix(value: str, prefix: str, name: str) -> str:
    if not value.startswith(prefix):
        raise SignatureError(f"header {name} does not start with {prefix}")
    return value[len(prefix) :]


def require_secrets_match(
    secrets: Iterable[str], given: str, expected_for: Callable[[str], str], what: str = "signature"
) -> None:
    """Raise unless `given` is what one of the secrets in force would have produced."""
    require_match([expected_for(secret) for secret in secrets], given, what)


def strict_base64(text: str) -> bytes | None:
    """Return the decoded bytes of canonical, padded base64; None for anything else (garbage, cut, spare bits)."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if equal(base64.b64encode(raw).decode("ascii"), text) else None


def require_unix_fresh(timestamp: str | None, now: datetime, window: timedelta, what: str = "timestamp") -> None:
    """Raise `SignatureError` unless `timestamp` (Unix seconds, ASCII digits) is within `window` of `now`, both ways."""
    if not timestamp or not timestamp.isascii() or not _UNIX.match(timestamp):
        raise SignatureError(f"the {what} is not a number of seconds")
    try:
        instant = datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureError(f"the {what} is out of range") from error
    require_fresh(instant, now, window, what)


def require_fresh(instant: datetime, now: datetime, window: timedelta, what: str = "timestamp") -> None:
    """Raise `SignatureError` unless `instant` is within `window` of `now`, inclusive, both ways."""
    age = now - instant
    if age > window:
        raise SignatureError(f"the {what} is older than {_readable(window)}")
    if age < -window:
        raise SignatureError(f"the {what} is in the future by more than {_readable(window)}")


def _readable(window: timedelta) -> str:
    return f"{int(window.total_seconds())} s"


def sha1_of_sorted(*parts: str) -> str:
    """Return the hex SHA-1 of the parts sorted and joined with nothing between (WeChat's scheme)."""
    joined = b"".join(sorted(utf8(part) for part in parts))
    return hashlib.sha1(joined).hexdigest()  # noqa: S324 - the provider chose SHA-1
