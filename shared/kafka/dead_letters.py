"""Inputs no stage could handle, as records of the dead-letters topic: whole, with their reason and a stable id."""

from typing import Final

from shared.clock import from_ms
from shared.contracts.codec import encode
from shared.contracts.dead_letter import DeadLetter
from shared.ids import digest_id
from shared.kafka.partition import Poison
from shared.kafka.publisher import Message

_SCHEMA_HEADER: Final = ("schema", b"dead-letter/1")
# A letter carries its record in base64 and must itself fit a record.
_VALUE_LIMIT: Final = 700_000
_NOTE: Final = " (the value is cut: it was too large for a dead letter)"


def dead_letter(stage: str, topic: str, partition: int, poison: Poison) -> DeadLetter:
    """Return the letter; its id depends on stage, topic, partition, offset (and the key woken) alone."""
    parts = [stage, topic, str(partition), str(poison.offset)]
    if poison.kind == "wake_raised":
        parts += [(poison.key or b"").decode(errors="replace"), str(poison.timestamp_ms)]
    value = poison.value
    is_cut = value is not None and len(value) > _VALUE_LIMIT
    return DeadLetter(
        id=digest_id("dl", *parts),
        stage=stage,
        topic=topic,
        partition=partition,
        offset=poison.offset,
        reason=poison.reason[:2_000] + (_NOTE if is_cut else ""),
        error=poison.error[:8_000],
        pointer=poison.pointer,
        first_seen_at=from_ms(max(poison.timestamp_ms, 0)),
        key=poison.key,
        value=value[:_VALUE_LIMIT] if is_cut and value is not None else value,
        headers=[(name, content) for name, content in poison.headers],
    )


def dead_letter_message(letter: DeadLetter) -> Message:
    """Return the record for the dead-letters topic, under the original key."""
    return letter.key, encode(letter), (_SCHEMA_HEADER,), None
