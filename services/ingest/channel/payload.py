"""Reading what providers send: JSON, forms, multipart, XML, dates; bounded, and never raising but `PayloadError`.

Providers' documents are read through `member`, `text_of`, `object_of` and `list_of`, which answer for any shape.
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from services.ingest.channel.ports import PayloadError

Json: TypeAlias = Any
MAX_FORM_FIELDS = 2_000
MAX_XML_BYTES = 1_000_000
MAX_XML_TAGS = 5_000
MAX_PARTS = 500
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abcdefABCDEF]")
_NUMBER = re.compile(r"^-?[0-9]{1,20}(\.[0-9]{1,12})?$")
_RUBY_TIME = re.compile(r"^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?) (?:UTC|GMT)$")
_X_TIME = "%a %b %d %H:%M:%S %z %Y"


def json_document(body: bytes) -> Json:
    """Return any JSON document; raise `PayloadError` when it is none, nests too deep or is not UTF-8."""
    body = body.removeprefix(BOM_UTF8)  # Windows' writers put it first
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not _LONE_SURROGATE.search(body):
            raise PayloadError(f"the body is not JSON: {error}") from error
    try:  # emoji cut in half: providers do send them, and the rest of the message is good
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"the body is not JSON: {error}") from error


def json_object(body: bytes) -> dict[str, Json]:
    """Return a JSON object; raise `PayloadError` for anything else."""
    document = json_document(body)
    if not isinstance(document, dict):
        raise PayloadError("the body is not a JSON object")
    return document


def member(value: Json, *path: str | int) -> Json:
    """Return what stands at `path` inside nested objects and arrays, or None."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text_of(value: Json, *path: str | int) -> str | None:
    """Return a text, or a number's digits (ids come as either); None for anything else, the empty text included."""
    found = member(value, *path) if path else value
    if isinstance(found, str):
        return found or None
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return str(found) if abs(found) < 10**40 else None
    if isinstance(found, float):
        return str(int(found)) if math.isfinite(found) and found == int(found) and abs(found) < 1e18 else None
    return None


def object_of(value: Json, *path: str | int) -> dict[str, Json]:
    found = member(value, *path) if path else value
    return found if isinstance(found, dict) else {}


def list_of(value: Json, *path: str | int) -> list[Json]:
    found = member(value, *path) if path else value
    return found if isinstance(found, list) else []


def number_of(value: Json, *path: str | int) -> float | None:
    """Return a finite, non-negative number up to 1e9, from a number or its digits; else None."""
    found = member(value, *path) if path else value
    if isinstance(found, bool):
        return None
    if isinstance(found, str) and _NUMBER.match(found):
        found = float(found)
    if isinstance(found, int | float) and 0 <= found <= 1e9:
        return float(found)
    return None


def instant_of(value: Json, *path: str | int) -> datetime | None:
    """Return an aware UTC instant from Unix seconds, milliseconds or microseconds, ISO 8601, RFC 2822 or X's form.

    Numbers beyond 1e11 are milliseconds, beyond 1e14 microseconds. Naive dates are UTC. Years outside 1970-2199: None.
    """
    found = member(value, *path) if path else value
    if isinstance(found, bool) or found is None:
        return None
    if isinstance(found, int | float):
        return _from_number(found)
    if not isinstance(found, str) or len(found) > 100:
        return None
    text = found.strip()
    if _NUMBER.match(text):
        return _from_number(float(text) if "." in text else int(text))
    return _within(_from_text(text))


def _from_number(number: float) -> datetime | None:
    if not math.isfinite(number) or number <= 0:
        return None
    seconds = number
    if number > 1e14:
        seconds = number / 1e6
    elif number > 1e11:
        seconds = number / 1e3
    if seconds > 7.2e9:
        return None
    return _within(_EARLIEST + timedelta(microseconds=round(seconds * 1e6)))


def _from_text(text: str) -> datetime | None:
    ruby = _RUBY_TIME.match(text)
    if ruby:
        text = f"{ruby[1]}T{ruby[2]}+00:00"
    for read in (_iso, parsedate_to_datetime, _x_time):
        try:
            return read(text)
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            continue
    return None


def _iso(text: str) -> datetime:
    fraction = re.sub(r"(\.\d{6})\d+", r"\1", text)
    return datetime.fromisoformat(fraction)


def _x_time(text: str) -> datetime:
    return datetime.strptime(text, _X_TIME)  # noqa: DTZ007 - the format has %z


def _within(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    try:
        aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return aware if _EARLIEST <= aware < _LATEST else None


def form_fields(body: bytes) -> dict[str, list[str]]:
    """Return the fields of an application/x-www-form-urlencoded body, values in order; raise `PayloadError`."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="replace"
        )
    except ValueError as error:
        raise PayloadError(f"the form has more than {MAX_FORM_FIELDS} fields") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def first(fields: dict[str, list[str]], *names: str) -> str | None:
    """Return the first non-empty value among the named fields, or None."""
    for name in names:
        for value in fields.get(name, ()):
            if value:
                return value
    return None


class FormPart(msgspec.Struct, frozen=True):
    """One part of a multipart form: a field, or a file when `filename` is set."""

    name: str
    content: bytes
    filename: str | None = None
    media_type: str = ""


_BOUNDARY = re.compile(r'boundary="?([^";]{1,200})"?', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)(\*?)=(?:"((?:[^"\\]|\\.){0,1000})"|([^;\s]{0,1000}))', re.IGNORECASE)


def multipart_parts(body: bytes, content_type: str) -> list[FormPart]:
    """Return the parts of a multipart/form-data body (RFC 7578); raise `PayloadError` without a boundary."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise PayloadError("the multipart form names no boundary")
    delimiter = b"--" + match[1].encode("utf-8", "replace")
    chunks = body.split(delimiter, MAX_PARTS + 1)[1:]
    return [part for chunk in chunks[:MAX_PARTS] if not chunk.startswith(b"--") and (part := _form_part(chunk))]


def _form_part(chunk: bytes) -> FormPart | None:
    chunk = chunk.removeprefix(b"\r\n").removeprefix(b"\n")
    head, gap, content = chunk.partition(b"\r\n\r\n")
    if not gap:
        head, gap, content = chunk.partition(b"\n\n")
    if not gap:
        return None
    content = content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")
    name, filename, media_type = "", None, ""
    for line in head[:8_000].decode("utf-8", "replace").splitlines():
        label, _, value = line.partition(":")
        if label.strip().lower() == "content-disposition":
            found = {m[1].lower(): _parameter(m) for m in _PARAMETER.finditer(value)}
            name, filename = found.get("name") or "", found.get("filename")
        elif label.strip().lower() == "content-type":
            media_type = value.partition(";")[0].strip().lower()
    return FormPart(name, content, filename, media_type) if name else None


def _parameter(match: re.Match[str]) -> str:
    """Return a parameter's value: quoted, bare, or with its charset and percent-encoded (`name*=`, RFC 5987)."""
    value = match[3] if match[3] is not None else match[4]
    if not match[2]:
        return value
    charset, _, rest = value.partition("'")
    try:
        return unquote(rest.partition("'")[2], charset or "utf-8", "replace")
    except LookupError:
        return value


def xml_root(body: bytes) -> Element:
    """Return the root of an XML document without entities, DTDs or external references; raise `PayloadError`."""
    if len(body) > MAX_XML_BYTES or body.count(b"<") > MAX_XML_TAGS:
        raise PayloadError(f"the XML is larger than {MAX_XML_BYTES} bytes or {MAX_XML_TAGS} tags")
    try:
        root: Element = SafeTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise PayloadError(f"the body is not XML: {error}") from error
    return root


def xml_texts(root: Element) -> dict[str, str]:
    """Return the texts of the root's own children by tag; the last of a repeated tag wins, nested ones are left out."""
    return {child.tag: (child.text or "").strip() for child in root}


def xml_children(root: Element, tag: str) -> Iterator[Element]:
    return root.iterfind(tag)
