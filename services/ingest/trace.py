"""W3C trace context: the correlation id that goes from the HTTP request through Kafka to the alert."""

import re
from collections.abc import Mapping

from shared.ids import new_request_id

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def request_traceparent(headers: Mapping[str, str]) -> str:
    """Return the request's traceparent if it is well-formed, else a fresh one."""
    given = headers.get("traceparent", "")
    if _TRACEPARENT.match(given):
        return given
    trace = new_request_id()
    return f"00-{trace}-{trace[:16]}-01"


def trace_id(traceparent: str) -> str:
    """Return the 32 hex digits that identify the trace."""
    return traceparent[3:35]
