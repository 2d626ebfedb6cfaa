"""CloudEvents 1.0 (HTTP binding) turned into our event's JSON. Pure.

`type`, `id`, `source` and `time` are the CloudEvent's attributes; `data` holds the rest of the event's members.
A `type` may carry a reverse-DNS prefix before `pulseline.`: `com.example.pulseline.order.placed` is `order.placed`.
Source: CloudEvents specification 1.0.2, HTTP protocol binding, JSON event format.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from shared.errors import Reject

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_REQUIRED = ("specversion", "id", "source", "type")


def is_binary(headers: Mapping[str, str]) -> bool:
    """Return whether the request is a CloudEvent in binary mode; header names are lower-case."""
    return "ce-specversion" in headers


def from_binary(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return our event's JSON for a binary-mode request."""
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    return _event(attributes, _json(body, "the body") if body.strip() else {})


def from_structured(raw: bytes) -> bytes:
    """Return our event's JSON for one structured-mode CloudEvent."""
    document = _json(raw, "the CloudEvent")
    if not isinstance(document, dict):
        raise Reject("a CloudEvent is a JSON object")
    data = document.get("data", {})
    if (encoded := document.get("data_base64")) is not None:
        try:
            data = _json(base64.b64decode(encoded, validate=True), "data_base64")
        except (binascii.Error, TypeError, ValueError) as error:
            raise Reject("not base64", "/data_base64") from error
    return _event(document, data)


def _event(attributes: Mapping[str, Any], data: Any) -> bytes:
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise Reject("a CloudEvent needs this attribute", f"/{name}")
    if attributes["specversion"] not in ("1.0", "0.3"):
        raise Reject("only CloudEvents 1.0 and 0.3 are known", "/specversion")
    if not isinstance(data, dict):
        raise Reject("data must be a JSON object with the event's members", "/data")
    event = dict(data)
    event["type"] = attributes["type"].rpartition("pulseline.")[2]
    event["id"], event["source"] = attributes["id"], attributes["source"]
    if attributes.get("time"):
        event["occurred_at"] = attributes["time"]
    return msgspec.json.encode(event)


def _json(raw: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Reject(f"{what} is not JSON: {error}") from error
