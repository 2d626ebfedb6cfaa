"""The Kafka headers that follow an event from ingest to its alert: its W3C trace context, and when it came in."""

from collections.abc import Sequence
from typing import Final

TRACEPARENT: Final = "traceparent"
INGESTED_AT: Final = "ingested_at"
"""Milliseconds since 1970, in digits."""
_CARRIED: Final = frozenset({TRACEPARENT, INGESTED_AT})

Headers = Sequence[tuple[str, bytes]]


def carried(headers: Headers) -> list[tuple[str, bytes]]:
    """Return the headers that go on to what follows from a record."""
    return [header for header in headers if header[0] in _CARRIED]


def ingested_at_ms(headers: Headers) -> int | None:
    """Return when the event came in, None where nothing says so (a timer's decision, or a record of someone else)."""
    for name, value in headers:
        if name == INGESTED_AT:
            return int(value) if value.isdigit() and len(value) < 16 else None
    return None
