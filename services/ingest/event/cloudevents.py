"""CloudEvents at /v1/events turned into our event's JSON; the format itself is read in channel/generic. Pure.

`type`, `id`, `source` and `time` are the CloudEvent's attributes; `data` holds the rest of the event's members.
A `type` may carry a reverse-DNS prefix before `pulseline.`: `com.example.pulseline.order.placed` is `order.placed`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.ingest.channel.generic.cloudevents import binary, required_attributes, structured
from services.ingest.channel.payload import json_document
from shared.errors import Reject

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def is_binary(headers: Mapping[str, str]) -> bool:
    """Return whether the request is a CloudEvent in binary mode; header names are lower-case."""
    return "ce-specversion" in headers


def from_binary(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return our event's JSON for a binary-mode request."""
    return _event(*binary(headers, body))


def from_structured(raw: bytes) -> bytes:
    """Return our event's JSON for one structured-mode CloudEvent."""
    return _event(*structured(json_document(raw)))


def _event(context: Mapping[str, Any], data: Any) -> bytes:
    required = required_attributes(context)
    if data is not None and not isinstance(data, dict):
        raise Reject("data must be a JSON object with the event's members", "/data")
    event = dict(data or {})
    event["type"] = required["type"].rpartition("pulseline.")[2]
    event["id"], event["source"] = required["id"], required["source"]
    if context.get("time"):
        event["occurred_at"] = context["time"]
    try:
        return msgspec.json.encode(event)
    except (RecursionError, TypeError, ValueError, OverflowError) as error:
        raise Reject("the event cannot be read", "/data") from error
