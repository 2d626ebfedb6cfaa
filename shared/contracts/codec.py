"""Bytes to contracts and back; the one place that knows what JSON lets through and PostgreSQL does not."""

import re
from typing import Any, TypeVar

import msgspec

from shared.contracts.diagnose import explain, nul_pointer, offending_key, possible_values
from shared.contracts.event import Event, EventBase
from shared.errors import Reject

T = TypeVar("T")

_event_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MEMBER = re.compile(r"^Object (?:missing required|contains unknown) field '([^']*)'$")
_ANY_KEY = "-"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOT_LISTED = ("Invalid enum value", "Invalid value")


def encode(message: object) -> bytes:
    """Return the JSON bytes of a contract; field order is declaration order, so equal messages are equal bytes."""
    return _encoder.encode(message)


def decode_event(raw: bytes) -> EventBase:
    """Return the event in `raw`.

    Raises `Reject` with a JSON pointer and a plain reason; the caller refuses (ingest) or dead-letters (processors).
    """
    event: EventBase = decode_json(_event_decoder, raw)
    return event


def decode_json(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Return what any decoder makes of `raw`, with the errors of `decode_event`."""
    try:
        decoded = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _validation_reject(decoder.type, _document(raw), error) from error
    except _UNREADABLE as error:
        raise _unreadable(raw, error) from error
    # By `find`: `in` of bytes first asks whether a number is looked for, at the price of an exception.
    if raw.find(b"\\u0000") >= 0 and (pointer := nul_pointer(raw)) is not None:
        raise Reject("the NUL character is not allowed in text", pointer)
    return decoded


def _document(raw: bytes) -> Any:
    """Return `raw` as JSON of any kind. Raises `Reject`: what follows a first wrong member was not read before."""
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE as error:
        raise _unreadable(raw, error) from error


def _unreadable(raw: bytes, error: Exception) -> Reject:
    if isinstance(error, RecursionError):
        return Reject("the document is nested too deeply")
    return explain(raw, _plain(str(error)))


def _validation_reject(kind: Any, document: Any, error: msgspec.ValidationError) -> Reject:
    text = str(error)
    match = _PATH.search(text)
    reason = _plain(text[: match.start()] if match else text)
    path = match["path"] if match else ""
    if (member := _MEMBER.search(reason)) is not None:
        path = f"{path}.{member[1]}"
    steps = tuple(_ANY_KEY if index == "..." else name or index for name, index in _STEP.findall(path))
    if _ANY_KEY in steps:
        return Reject(reason, offending_key(document, steps[: steps.index(_ANY_KEY)], reason))
    if reason.startswith(_NOT_LISTED) and (values := possible_values(kind, document, steps)):
        reason = f"{reason}; it is one of {', '.join(values)}"
    return Reject(reason, "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps))


def _plain(text: str) -> str:
    return text.replace("`", "'")
