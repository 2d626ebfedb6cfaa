"""What is kept about links between customers. Pure."""

from datetime import datetime
from typing import Literal, NamedTuple

ConflictStatus = Literal["open", "merged", "kept_apart", "moved"]
Decision = Literal["merge", "keep_apart", "move"]


class LinkChange(NamedTuple):
    """`linked_id` belongs to `other_id` from here on, or no longer; versions order one id's links."""

    kind: Literal["linked", "unlinked"]
    linked_id: str
    other_id: str
    handle: str | None
    version: int
    at: datetime
    by: str
    reason: str


class Conflict(NamedTuple):
    id: str
    linked_id: str
    handle: str | None
    owner_id: str
    claimant_id: str
    at: datetime
    by: str
    reason: str
