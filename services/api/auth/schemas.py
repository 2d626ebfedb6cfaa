"""The JSON of logins, keys and the audit log over HTTP."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from services.api.auth.rights import Scope
from services.api.auth.store import AuditEntry, KeyView
from shared.contracts.event import Instant
from shared.postgres.api_keys import Role


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    api_key: Annotated[str, Meta(min_length=1, max_length=256)]


class SessionView(Struct, frozen=True, kw_only=True):
    """Who is logged in. `csrf_token` goes into the header X-CSRF-Token of every write; null when a key was sent."""

    name: str
    role: Role
    scopes: list[str]
    csrf_token: str | None


class NewKeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`scopes` narrows what the role may do; left out it may do all of it."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    role: Role
    scopes: Annotated[list[Scope], Meta(max_length=32)] | None = None
    expires_at: Instant | None = None


class RotateKeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """For `overlap_hours` the old key stays valid beside the new one, so that senders can change over one by one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=720)] = 0


class NewKeyView(KeyView, frozen=True, kw_only=True):
    """`key` is shown this once and never again."""

    key: str


class KeyList(Struct, frozen=True, kw_only=True):
    items: list[KeyView]


class AuditEntryView(AuditEntry, frozen=True, kw_only=True):
    detail: dict[str, Any]  # type: ignore[assignment]  # the same JSON, with its type told


class AuditPageView(Struct, frozen=True, kw_only=True):
    """Newest first."""

    items: list[AuditEntryView]
    next_cursor: str | None


class AuditPage(Struct, frozen=True, kw_only=True):
    items: list[AuditEntry]
    next_cursor: str | None
