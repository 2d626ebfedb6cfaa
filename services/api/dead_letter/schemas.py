"""The JSON of dead letters over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

LetterStatus = Literal["open", "replayed", "discarded"]


class DeadLetterSummary(Struct, frozen=True, kw_only=True):
    id: str
    stage: str
    topic: str
    partition: int
    offset: int
    reason: str
    pointer: str
    first_seen_at: datetime
    attempts: int
    status: LetterStatus
    handled_at: datetime | None
    handled_by: str | None
    note: str | None


class DeadLetterPage(Struct, frozen=True, kw_only=True):
    """Newest first."""

    items: list[DeadLetterSummary]
    next_cursor: str | None


class DeadLetterView(DeadLetterSummary, frozen=True, kw_only=True):
    """The whole letter. Bytes are base64; `key_text` and `value_text` are there when the bytes are UTF-8."""

    error: str
    key: bytes | None
    key_text: str | None
    value: bytes | None
    value_text: str | None
    headers: list[tuple[str, bytes]]


class DeadLetterCount(Struct, frozen=True, kw_only=True):
    stage: str
    reason: str
    n: int
    oldest_at: datetime
    newest_at: datetime


class DeadLetterCounts(Struct, frozen=True, kw_only=True):
    """Open letters, most frequent reason first."""

    items: list[DeadLetterCount]
    n_open: int


class ReplayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`value` is the mended record as text; left out, the original bytes go back unchanged."""

    value: Annotated[str, Meta(max_length=900_000)] | UnsetType = UNSET
    note: Annotated[str, Meta(max_length=2_000)] = ""


LetterIds = Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(min_length=1, max_length=500)]
Reason = Annotated[str, Meta(min_length=1, max_length=2_000)]


class ReplayManyBody(Struct, frozen=True, forbid_unknown_fields=True):
    ids: LetterIds


class DiscardBody(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason


class DiscardManyBody(Struct, frozen=True, forbid_unknown_fields=True):
    ids: LetterIds
    reason: Reason


class LetterOutcome(Struct, frozen=True, kw_only=True):
    id: str
    status: int
    detail: str | None


class ReplayResult(Struct, frozen=True, kw_only=True):
    items: list[LetterOutcome]
    n_replayed: int


class DiscardResult(Struct, frozen=True, kw_only=True):
    items: list[LetterOutcome]
    n_discarded: int
