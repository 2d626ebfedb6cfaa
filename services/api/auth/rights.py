"""Who may do what: roles, scopes and the table between them. Pure; docs/api.md prints this table."""

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from shared.postgres.api_keys import Role

Scope = Literal[
    "customers:read",
    "identity:write",
    "segments:write",
    "segments:share",
    "alerts:read",
    "alerts:write",
    "alerts:assign",
    "holdout:read",
    "labels:write",
    "export:read",
    "dead_letters:read",
    "dead_letters:write",
    "notifications:read",
    "notifications:write",
    "connections:read",
    "connections:write",
    "policies:read",
    "policies:write",
    "audit:read",
    "keys:write",
    "events:write",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLES: tuple[Role, ...] = get_args(Role)

_VIEWER: frozenset[Scope] = frozenset({"customers:read", "alerts:read"})
_AGENT: frozenset[Scope] = _VIEWER | {"alerts:write", "labels:write", "segments:write"}
_SUPERVISOR: frozenset[Scope] = _AGENT | {
    "alerts:assign",
    "holdout:read",
    "identity:write",
    "segments:share",
    "export:read",
    "dead_letters:read",
    "notifications:read",
    "connections:read",
    "policies:read",
    "audit:read",
}
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "viewer": _VIEWER,
    "agent": _AGENT,
    "supervisor": _SUPERVISOR,
    "admin": frozenset(SCOPES),
    # A machine, or who connects one: it sends events, keeps connections and reads alerts; it never works them and sees
    # no customer's conversations.
    "integrator": frozenset({"events:write", "alerts:read", "connections:read", "connections:write"}),
}


class Principal(Struct, frozen=True, kw_only=True):
    """Who is asking. `csrf_token` is set when a console session asks, which must prove its writes with it."""

    key_id: str
    name: str
    role: Role
    scopes: frozenset[str]
    csrf_token: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes


def granted(role: Role, narrowed_to: Iterable[str] | None) -> frozenset[str]:
    """Return the scopes of a key: its role's, narrowed when the key names scopes; a key can never widen its role."""
    scopes = ROLE_SCOPES[role]
    return frozenset(scopes) if narrowed_to is None else frozenset(scopes).intersection(narrowed_to)


def beyond(principal: Principal, role: Role, narrowed_to: Iterable[str] | None) -> list[str]:
    """Return the scopes of such a key that the caller lacks, sorted: keeping keys gives nobody more than he has."""
    return sorted(granted(role, narrowed_to) - principal.scopes)
