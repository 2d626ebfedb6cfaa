"""Inputs no stage could handle, as records of the dead-letters topic: whole, with their reason and a stable id."""

from typing import Final

from shared.clock import from_ms
from shared.contracts.codec import encode
from shared.contracts.dead_letter import DeadLetter
from shared.ids import digest_id
from shared.kafka.partition import Poison
from shared.kafka.processor import Headers
from shared.kafka.publisher import Message

_SCHEMA_HEADER: Final = ("schema", b"dead-letter/1")
# A letter carries its record in base64 and must itself fit a record, or the poison would stop its partition for ever:
# 800,000 bytes of value, 22,000 of headers, 30,000 of the key (in the letter and its own), 60,000 of reason and error.
_VALUE_LIMIT: Final = 600_000
_HEADERS_LIMIT: Final = 16_000
_KEY_LIMIT: Final = 12_000
_NOTE: Final = " (the record is cut: it was too large for a dead letter)"
# The last second that a time can be written for.
_LAST_MS: Final = 253_402_300_799_000


def dead_letter(stage: str, topic: str, partition: int, poison: Poison) -> DeadLetter:
    """Return the letter; its id depends on stage, topic, partition, offset (and the key woken) alone."""
    parts = [stage, topic, str(partition), str(poison.offset)]
    if poison.kind == "wake_raised":
        parts += [(poison.key or b"").decode(errors="replace"), str(poison.timestamp_ms)]
    key, value, headers = _cut(poison.key, _KEY_LIMIT), _cut(poison.value, _VALUE_LIMIT), _fitting(poison.headers)
    is_cut = (key, value, len(headers)) != (poison.key, poison.value, len(poison.headers))
    return DeadLetter(
        id=digest_id("dl", *parts),
        stage=stage,
        topic=topic,
        partition=partition,
        offset=poison.offset,
        reason=_writable(poison.reason[:2_000]) + (_NOTE if is_cut else ""),
        error=_writable(poison.error[:8_000]),
        pointer=_writable(poison.pointer[:1_000]),
        first_seen_at=from_ms(min(max(poison.timestamp_ms, 0), _LAST_MS)),
        key=key,
        value=value,
        headers=headers,
    )


def dead_letter_message(letter: DeadLetter) -> Message:
    """Return the record for the dead-letters topic, under the original key."""
    return letter.key, encode(letter), (_SCHEMA_HEADER,), None


def _cut(content: bytes | None, limit: int) -> bytes | None:
    return content if content is None or len(content) <= limit else content[:limit]


def _fitting(headers: Headers) -> list[tuple[str, bytes]]:
    """Return the first headers, as many as there is room for."""
    fitting: list[tuple[str, bytes]] = []
    room = _HEADERS_LIMIT
    for name, sent in headers:
        # Kafka has headers without content.
        content = sent or b""
        room -= 20 + len(name.encode()) + len(content)
        if room < 0:
            break
        fitting.append((name, content))
    return fitting


def _writable(text: str) -> str:
    """Return text without the halves of surrogate pairs, which `json.loads` lets in and UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()
