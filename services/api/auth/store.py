"""Keys, console sessions, idempotency keys and the audit log in PostgreSQL."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from services.api.auth.rights import Principal, granted
from shared.ids import new_secret
from shared.postgres.api_keys import ApiKeyRow, Role, insert_key, new_key
from shared.postgres.pool import open_connection


class KeyView(Struct, frozen=True, kw_only=True):
    """An API key as it may be shown: never the key itself. `rotated_at`: since when another takes its place."""

    id: str
    prefix: str
    name: str
    role: Role
    scopes: list[str] | None
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One write. `target_name` is what a key, endpoint, rule or segment is called, or was before it was removed."""

    id: int
    at: datetime
    actor: str
    role: str
    action: str
    target_type: str
    target_id: str
    target_name: str | None
    request_id: str | None
    detail: msgspec.Raw


async def create_admin_key(database_url: str, name: str = "first admin") -> str:
    """Store a fresh admin key and return it; it cannot be read again. The database must be migrated."""
    connection = await open_connection(database_url)
    try:
        key = new_key()
        await insert_key(connection, key, name=name, role="admin")
    finally:
        await connection.close()
    return key


def principal_of(key: ApiKeyRow, csrf_token: str | None = None) -> Principal:
    return Principal(
        key_id=key.id, name=key.name, role=key.role, scopes=granted(key.role, key.scopes), csrf_token=csrf_token
    )


async def open_session(connection: Any, key_id: str, expires_at: datetime) -> tuple[str, str]:
    """Store a console session and return its secret, for the cookie, and its CSRF token, for the page."""
    secret, csrf_token = new_secret(), new_secret()
    await connection.execute("DELETE FROM sessions WHERE expires_at < now()")
    await connection.execute(
        "INSERT INTO sessions (session_hash, csrf_token, key_id, expires_at) VALUES ($1, $2, $3, $4)",
        _hash(secret),
        csrf_token,
        key_id,
        expires_at,
    )
    return secret, csrf_token


async def find_session(connection: Any, secret: str) -> Principal | None:
    """Return who a session's cookie stands for, while both the session and its key are good."""
    row = await connection.fetchrow(
        """
        SELECT k.id, k.prefix, k.key_hash, k.name, k.role, k.scopes, k.expires_at, s.csrf_token
        FROM sessions s JOIN api_keys k ON k.id = s.key_id
        WHERE s.session_hash = $1 AND s.expires_at > now() AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > now())
        """,
        _hash(secret),
    )
    if row is None:
        return None
    key = ApiKeyRow(**{name: row[name] for name in ApiKeyRow.__struct_fields__})
    return principal_of(key, row["csrf_token"])


async def good_credentials(connection: Any, keys: Sequence[str], sessions: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return which of these keys, and which of these sessions' secrets, are good now: one question however many."""
    by_hash = [{_hash(secret): secret for secret in secrets} for secrets in (keys, sessions)]
    rows = await connection.fetch(
        """
        SELECT k.key_hash AS hash, false AS is_session FROM api_keys k
        WHERE k.key_hash = ANY($1::bytea[]) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
        UNION ALL
        SELECT s.session_hash, true FROM sessions s JOIN api_keys k ON k.id = s.key_id
        WHERE s.session_hash = ANY($2::bytea[]) AND s.expires_at > now() AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > now())
        """,
        *map(list, by_hash),
    )
    good: tuple[set[str], set[str]] = (set(), set())
    for row in rows:
        good[row["is_session"]].add(by_hash[row["is_session"]][row["hash"]])
    return good


async def close_session(connection: Any, secret: str) -> None:
    await connection.execute("DELETE FROM sessions WHERE session_hash = $1", _hash(secret))


async def touch_keys(connection: Any, used: Mapping[str, datetime]) -> None:
    """Note when keys were last used."""
    await connection.execute(
        """
        UPDATE api_keys SET last_used_at = greatest(last_used_at, t.at)
        FROM unnest($1::text[], $2::timestamptz[]) AS t (id, at) WHERE api_keys.id = t.id
        """,
        list(used),
        list(used.values()),
    )


async def list_keys(connection: Any) -> list[KeyView]:
    rows = await connection.fetch(
        """
        SELECT id, prefix, name, role, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, rotated_at
        FROM api_keys ORDER BY created_at DESC, id LIMIT 1000
        """
    )
    return [KeyView(**dict(row)) for row in rows]


async def get_key(connection: Any, key_id: str) -> KeyView | None:
    row = await connection.fetchrow(
        """
        SELECT id, prefix, name, role, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, rotated_at
        FROM api_keys WHERE id = $1
        """,
        key_id,
    )
    return None if row is None else KeyView(**dict(row))


async def hold_key(connection: Any, key_id: str) -> KeyView | None:
    """Return a key that nobody else changes until the transaction ends."""
    await connection.execute("SELECT FROM api_keys WHERE id = $1 FOR UPDATE", key_id)
    return await get_key(connection, key_id)


async def revoke_key(connection: Any, key_id: str, now: datetime) -> None:
    """Make a key useless, and every console session opened with it."""
    await connection.execute("UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1", key_id, now)
    await connection.execute("DELETE FROM sessions WHERE key_id = $1", key_id)


async def replace_key(connection: Any, key_id: str, now: datetime, end: datetime) -> None:
    """Note that another takes a key's place; it, and the console sessions opened with it, end then or before."""
    await connection.execute(
        "UPDATE api_keys SET rotated_at = $2, expires_at = least(expires_at, $3) WHERE id = $1", key_id, now, end
    )


async def audit(
    connection: Any,
    principal: Principal,
    action: str,
    target_type: str,
    target_ids: Sequence[str],
    *,
    request_id: str | None,
    detail: object = None,
) -> None:
    """Record a write, in the transaction that makes it."""
    await connection.execute(
        """
        INSERT INTO audit_log (actor, role, action, target_type, target_id, request_id, detail)
        SELECT $1, $2, $3, $4, target, $6, $7 FROM unnest($5::text[]) AS target
        """,
        f"{principal.name} ({principal.key_id})",
        principal.role,
        action,
        target_type,
        list(target_ids),
        request_id,
        msgspec.json.encode({} if detail is None else detail),
    )


async def audit_page(
    connection: Any, *, target_type: str | None, target_id: str | None, before: int | None, limit: int
) -> list[AuditEntry]:
    rows = await connection.fetch(
        """
        WITH page AS (
            SELECT id, at, actor, role, action, target_type, target_id, request_id, detail FROM audit_log
            WHERE ($1::text IS NULL OR target_type = $1) AND ($2::text IS NULL OR target_id = $2)
                AND ($3::bigint IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4
        )
        -- Keys stay when they are revoked or have expired; the others' names are in what made or changed them.
        SELECT page.*, CASE WHEN target_type IN ('key', 'endpoint', 'policy', 'segment') THEN coalesce(
                   (SELECT k.name FROM api_keys k WHERE page.target_type = 'key' AND k.id = page.target_id),
                   (SELECT told.detail ->> 'name' FROM audit_log told
                    WHERE told.target_type = page.target_type AND told.target_id = page.target_id
                        AND told.detail ->> 'name' IS NOT NULL
                    ORDER BY told.id > page.id, abs(told.id - page.id) LIMIT 1)
               ) END AS target_name
        FROM page ORDER BY id DESC
        """,
        target_type,
        target_id,
        before,
        limit,
    )
    return [AuditEntry(**dict(row)) for row in rows]


class StoredAnswer(Struct, frozen=True):
    """What a POST with an idempotency key was answered the first time; `body` may be sealed for `answer_owner`."""

    request_hash: bytes
    status: int
    body: bytes
    headers: dict[str, str]
    is_sealed: bool = False


def answer_owner(key_id: str, idempotency_key: str) -> str:
    """Return for whom a kept answer is sealed."""
    return f"answer/{key_id}/{idempotency_key}"


async def find_answer(connection: Any, key_id: str, idempotency_key: str) -> StoredAnswer | None:
    """Return the first answer to this key; serialises twins, so that the second waits and finds the first's answer."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{key_id}/{idempotency_key}")
    row = await connection.fetchrow(
        """
        SELECT request_hash, status, body, headers, is_sealed FROM idempotency_keys
        WHERE key_id = $1 AND idempotency_key = $2
        """,
        key_id,
        idempotency_key,
    )
    if row is None:
        return None
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    return StoredAnswer(row["request_hash"], row["status"], row["body"], headers, row["is_sealed"])


async def keep_answer(connection: Any, key_id: str, idempotency_key: str, answer: StoredAnswer) -> None:
    """Store the first answer to this key for a day, and forget answers that are older."""
    await connection.execute(
        """
        DELETE FROM idempotency_keys WHERE (key_id, idempotency_key) IN (
            SELECT key_id, idempotency_key FROM idempotency_keys WHERE created_at < now() - interval '1 day'
            ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
        )
        """
    )
    await connection.execute(
        """
        INSERT INTO idempotency_keys (key_id, idempotency_key, request_hash, status, body, headers, is_sealed)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        key_id,
        idempotency_key,
        answer.request_hash,
        answer.status,
        answer.body,
        msgspec.json.encode(answer.headers),
        answer.is_sealed,
    )


async def plain_answers_with_secrets(connection: Any, before: datetime) -> list[tuple[str, str, bytes]]:
    """Return key id, idempotency key and body of answers the version before kept with a secret in them, locked."""
    rows = await connection.fetch(
        """
        SELECT key_id, idempotency_key, body FROM idempotency_keys
        WHERE NOT is_sealed AND created_at <= $1 AND position('"secret":"'::bytea IN body) > 0
        ORDER BY created_at FOR UPDATE SKIP LOCKED
        """,
        before,
    )
    return [tuple(row) for row in rows]


async def set_sealed_answer(connection: Any, key_id: str, idempotency_key: str, sealed: bytes) -> None:
    await connection.execute(
        "UPDATE idempotency_keys SET body = $3, is_sealed = true WHERE key_id = $1 AND idempotency_key = $2",
        key_id,
        idempotency_key,
        sealed,
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
