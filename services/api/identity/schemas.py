"""The JSON of links and conflicts over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.api.identity.model import ConflictStatus, Decision
from shared.contracts.event import Handle, Identifier

Reason = Annotated[str, Meta(min_length=1, max_length=2_000)]


class LinkView(Struct, frozen=True, kw_only=True):
    """`linked_id`'s history belongs to `into_id`: since when, who said so, and why."""

    linked_id: str
    into_id: str
    handle: str | None
    at: datetime
    by: str
    reason: str


class LinkEventView(Struct, frozen=True, kw_only=True):
    """A link that was made to `other_id` or ended."""

    linked_id: str
    kind: Literal["linked", "unlinked"]
    other_id: str
    handle: str | None
    at: datetime
    by: str
    reason: str


class LinkHistory(Struct, frozen=True, kw_only=True):
    items: list[LinkEventView]


class ConflictView(Struct, frozen=True, kw_only=True):
    """`claimant_id` claims a handle, or an id, that is `owner_id`'s; the company knows both."""

    id: str
    linked_id: str
    handle: str | None
    owner_id: str
    claimant_id: str
    at: datetime
    by: str
    reason: str
    version: int
    status: ConflictStatus
    decided_at: datetime | None
    decided_by: str | None
    note: str | None


class ConflictPage(Struct, frozen=True, kw_only=True):
    items: list[ConflictView]
    next_cursor: str | None


class DecideBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """merge: both are one person, kept as `into_id` (the owner if not said). keep_apart: the claim is wrong.

    move: the handle is the claimant's, not the owner's.
    """

    decision: Decision
    into_id: Identifier | None = None
    note: Reason


class LinkBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose history joins `into_id`: a handle's, or another customer's. One of the two."""

    into_id: Identifier
    handle: Handle | None = None
    linked_id: Identifier | None = None
    reason: Reason


class UnlinkBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    linked_id: Identifier
    reason: Reason


class CommandView(Struct, frozen=True, kw_only=True):
    """What was asked for; it takes effect as soon as it has passed through the stream."""

    linked_id: str
    into_id: str
