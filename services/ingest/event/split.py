"""A request body cut into single events, so that one bad event never takes its neighbours with it. Pure."""

import re

import msgspec

from shared.errors import Reject

_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_WHITESPACE = b" \t\r\n"
# Windows writes it before a file's first line.
_BOM = b"\xef\xbb\xbf"
# Strings are skipped whole; outside them only these bytes matter for the structure. One that never ends goes to the end
# of the body: looked for again from each of its escaped quotes, 5 MB of them would take days.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


def split_json(body: bytes) -> list[bytes]:
    """Return the events of a body that is one event or an array of events.

    Raises `Reject` when the body is empty or the array never ends. A malformed element stays an element.
    """
    trimmed = body.removeprefix(_BOM).strip(_WHITESPACE)
    if not trimmed:
        raise Reject("the body is empty")
    if not trimmed.startswith(b"["):
        return [trimmed]
    try:
        return [bytes(raw) for raw in _list_decoder.decode(trimmed)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _split_malformed_array(trimmed)


def split_ndjson(body: bytes) -> list[bytes]:
    """Return the non-empty lines of newline-delimited JSON."""
    lines = [trimmed for line in body.removeprefix(_BOM).split(b"\n") if (trimmed := line.strip(_WHITESPACE))]
    if not lines:
        raise Reject("the body is empty")
    return lines


def _split_malformed_array(body: bytes) -> list[bytes]:
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                last = body[start : token.start()].strip(_WHITESPACE)
                if body[token.end() :].strip(_WHITESPACE):
                    raise Reject("there is more after the end of the array")
                return [*elements, last] if last or elements else elements
        elif mark == b"," and depth == 1:
            elements.append(body[start : token.start()].strip(_WHITESPACE))
            start = token.end()
    raise Reject("JSON is malformed: the array does not end")
