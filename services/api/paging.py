"""Opaque cursors for keyset pages: what the last row was sorted by, and which list it belongs to."""

import base64
import binascii
from typing import Any

import msgspec

from shared.problem import ProblemError

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


def encode_cursor(kind: str, *key: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *key])).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: str, *types: Any) -> tuple[Any, ...] | None:
    """Return the sort key in a cursor of this kind, None for no cursor.

    Raises `ProblemError` 400 for anything that this list did not hand out itself.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        shape: Any = tuple.__class_getitem__((str, *types))
        found_kind, *key = msgspec.json.decode(raw, type=shape)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise ProblemError(400, "the cursor is not one of this list's") from error
    if found_kind != kind or any(isinstance(part, str) and "\x00" in part for part in key):
        raise ProblemError(400, "the cursor is not one of this list's")
    return tuple(key)
