"""What stands in an address: ids of any characters, instants and time zones.

A slash inside an id is sent as %2F. Servers decode an address before it is matched, and then nothing tells that slash
from one between two segments. So the edge leaves a mark in its place, which no address may hold otherwise, and routes
that take such an id write `{name:any_text}`. Whoever imports this module lets routes be written so.
"""

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from starlette.convertors import Convertor, StringConvertor, register_url_convertor

from shared.problem import ProblemError

_MARK = "\x00"
_ENCODED_SLASH = re.compile(b"%2f", re.IGNORECASE)
_PLUS_LOST = re.compile(r"^(.+[T ][0-9]{2}:[0-9]{2}\S*) ([0-9]{2}:?[0-9]{2})$")


# Everything that is kept lies between them, and a year can be added to or taken from either.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2900, 1, 1, tzinfo=UTC)


def _within_reach(instant: datetime) -> datetime:
    return min(max(instant, _FIRST), _LAST).astimezone(UTC)


def _with_plus(sent: object) -> object:
    # A plus that is not sent as %2B arrives as a space; nothing else is meant by one between a time and its offset.
    return _PLUS_LOST.sub(r"\1+\2", sent) if isinstance(sent, str) else sent


Instant = Annotated[AwareDatetime, BeforeValidator(_with_plus), AfterValidator(_within_reach)]


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises `ProblemError` 422 for any other."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ProblemError(422, "no such time zone", pointer="/time_zone") from error


class AnyText(Convertor[str]):
    """One segment, line breaks and slashes included."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(_MARK, "/")

    def to_string(self, value: str) -> str:
        return value.replace("/", _MARK)


class PlainText(StringConvertor):
    """One segment of any other address: no id there holds a slash, so one that does is nowhere."""

    regex = f"[^/{_MARK}]+"


register_url_convertor("any_text", AnyText())
register_url_convertor("str", PlainText())


def marked_path(path: str, raw_path: bytes) -> str:
    """Return `path` with a mark for every slash that was sent encoded; `raw_path` is the address as it came."""
    if b"%" not in raw_path or not _ENCODED_SLASH.search(raw_path):
        return path
    return unquote_to_bytes(_ENCODED_SLASH.sub(b"%00", raw_path)).decode("utf-8", "replace")
