"""Bytes to contracts and back; the one place that knows what JSON lets through and PostgreSQL does not."""

import re

import msgspec

from shared.contracts.control import Control
from shared.contracts.event import EVENT_CLASSES, Event, EventBase
from shared.errors import Reject

SCHEMA_HEADER = "schema"

_event_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_PATH = re.compile(r" - at `(key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def encode(message: object) -> bytes:
    """Return the JSON bytes of a contract; field order is declaration order, so equal messages are equal bytes."""
    return _encoder.encode(message)


def decode_event(raw: bytes | msgspec.Raw) -> EventBase:
    """Return the event in `raw`.

    Raises `Reject` with a JSON pointer and a plain reason; the caller refuses (ingest) or dead-letters (processors).
    """
    try:
        event = _event_decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise validation_reject(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Reject(_plain(str(error))) from error
    if b"\\u0000" in bytes(raw):
        raise Reject("the NUL character (\\u0000) is not allowed in text")
    return event  # type: ignore[no-any-return]  # the decoder is typed by a union alias


def validation_reject(error: msgspec.ValidationError) -> Reject:
    """Return the `Reject` that says what msgspec said, with its path as an RFC 6901 pointer."""
    text = str(error)
    match = _PATH.search(text)
    if match is None:
        return Reject(_plain(text))
    steps = ("-" if index == "..." else name or index for name, index in _STEP.findall(match["path"]))
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Reject(_plain(text[: match.start()]), pointer)


def _plain(text: str) -> str:
    return text.replace("`", "'")


__all__ = ["EVENT_CLASSES", "SCHEMA_HEADER", "Control", "decode_event", "encode", "validation_reject"]
