"""API keys as every service checks them: the format, the hash, the rows. Rights are each service's own business."""

import hashlib
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from shared.ids import new_secret

Role = Literal["viewer", "agent", "supervisor", "admin", "integrator"]

_SCHEME = "pl"
_PREFIX_LENGTH = 8


class ApiKeyRow(Struct, frozen=True, kw_only=True):
    """A key that may be used. `scopes` narrows what the role may do; None means all of the role's."""

    id: str
    prefix: str
    key_hash: bytes
    name: str
    role: Role
    scopes: list[str] | None
    expires_at: datetime | None


def new_key() -> str:
    """Return a fresh key, `pl_<prefix>_<secret>`, 256 bits of chance; shown once, stored only as its hash."""
    prefix = hashlib.sha256(new_secret().encode()).hexdigest()[:_PREFIX_LENGTH]
    return f"{_SCHEME}_{prefix}_{new_secret()}"


def hash_key(key: str) -> bytes:
    """Return the 32 bytes that stand for a key in the database.

    Plain SHA-256 is enough because a key carries 256 bits of chance: there is no dictionary to try.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def parse_prefix(key: str) -> str | None:
    """Return the public part of a key, by which people tell keys apart, or None when it is not one of ours."""
    scheme, _, rest = key.partition("_")
    prefix, _, secret = rest.partition("_")
    if scheme != _SCHEME or len(prefix) != _PREFIX_LENGTH or not secret:
        return None
    return prefix


async def load_active_keys(connection: Any) -> list[ApiKeyRow]:
    """Return every key that is neither revoked nor expired; `connection` is an asyncpg connection or pool.

    Raises asyncpg's errors and OSError when PostgreSQL is away; a cache of known keys then goes on serving.
    """
    rows = await connection.fetch(
        """
        SELECT id, prefix, key_hash, name, role, scopes, expires_at FROM api_keys
        WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        """
    )
    return [api_key_row(row) for row in rows]


async def find_active_key(connection: Any, key_hash: bytes) -> ApiKeyRow | None:
    """Return the usable key with this hash, if there is one."""
    row = await connection.fetchrow(
        """
        SELECT id, prefix, key_hash, name, role, scopes, expires_at FROM api_keys
        WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        """,
        key_hash,
    )
    return None if row is None else api_key_row(row)


async def insert_key(
    connection: Any,
    key: str,
    *,
    name: str,
    role: Role,
    scopes: list[str] | None = None,
    created_by: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a key's hash and return the row's id, which is derived from the key and reveals nothing of it."""
    key_hash = hash_key(key)
    key_id = f"key_{hashlib.sha256(key_hash).hexdigest()[:20]}"
    await connection.execute(
        """
        INSERT INTO api_keys (id, prefix, key_hash, name, role, scopes, created_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        key_id,
        parse_prefix(key),
        key_hash,
        name,
        role,
        scopes,
        created_by,
        expires_at,
    )
    return key_id


def api_key_row(row: Any) -> ApiKeyRow:
    return ApiKeyRow(
        id=row["id"],
        prefix=row["prefix"],
        key_hash=row["key_hash"],
        name=row["name"],
        role=row["role"],
        scopes=row["scopes"],
        expires_at=row["expires_at"],
    )
