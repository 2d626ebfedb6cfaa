"""A dead letter: an input no stage could decode or decide, kept whole with its reason. Version 1 of `dead-letters`."""

from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.event import Instant, Name


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="dead_letter"):
    """`key`, `value` and `headers` are the original bytes (base64 in JSON), so that it can be replayed unchanged."""

    id: Annotated[str, Meta(min_length=1)]
    stage: Name
    topic: Name
    partition: int
    offset: int
    reason: str
    error: str
    pointer: str = ""
    first_seen_at: Instant
    attempts: int = 1
    key: bytes | None = None
    value: bytes | None = None
    headers: list[tuple[str, bytes]] = []
