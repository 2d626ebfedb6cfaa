"""A mail's bytes as a flat list of leaf parts: bounded in depth, number and time, where the stdlib's parser is not.

Headers and transfer encodings are the stdlib's work; splitting is ours, because nested generators there make deep mails
quadratic and very deep ones raise. Source: RFC 2046 section 5.1.
"""

import binascii
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

MAX_NESTING = 30
MAX_PARTS = 500
MAX_HEADER = 200_000
_SCAN_BUDGET = 120_000_000
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,200}[ \t]{0,10}:")
_RAW_BOUNDARY = re.compile(r'boundary\s{0,5}=\s{0,5}"?([^";\r\n]{1,300})', re.IGNORECASE)
_BLANK = (b"", b"\r")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_parser = BytesParser(policy=compat32)


class Part:
    """One entity: its headers, its undecoded body, and the media type of the multipart it stands in."""

    __slots__ = ("body", "headers", "media_type", "parent")

    def __init__(self, headers: Message, body: bytes, parent: str) -> None:
        self.headers = headers
        self.body = body
        self.parent = parent
        self.media_type = _media_type(headers)

    @property
    def encoding(self) -> str:
        return str(self.headers.get("content-transfer-encoding", "")).strip().lower()

    def decoded(self, limit: int) -> bytes:
        """Return the first `limit` bytes of the body without its transfer encoding; what cannot be decoded stays."""
        message = Message(policy=compat32)
        message["Content-Transfer-Encoding"] = self.encoding[:40].encode("ascii", "replace").decode("ascii")
        message.set_payload(self.body[: 2 * limit].decode("ascii", "surrogateescape"))
        try:
            raw = message.get_payload(decode=True)
        except (ValueError, LookupError, TypeError, AssertionError, binascii.Error):
            raw = None
        if self.encoding == "base64" and raw == self.body[: 2 * limit]:
            raw = _trimmed_base64(raw)
        return (raw if isinstance(raw, bytes) else self.body)[:limit]

    @property
    def size(self) -> int:
        """Return the decoded size, from the letters alone for base64."""
        if self.encoding != "base64":
            return len(self.body)
        letters = len(self.body) - self.body.count(b"\n") - self.body.count(b"\r")
        return max(0, letters * 3 // 4 - self.body[-6:].count(b"="))


def _trimmed_base64(body: bytes) -> bytes:
    """Return what base64 says whose last letter has lost its fellows: the stdlib leaves such a body as it is."""
    letters = _NOT_BASE64.sub(b"", body)
    try:
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
    except binascii.Error:
        return body


def _media_type(headers: Message) -> str:
    """Return the type alone; where a semicolon is missing, the parameters stick to it."""
    match = _TYPE.match(headers.get_content_type())
    return match[0] if match else "text/plain"


def read_entity(raw: bytes) -> tuple[Message, bytes]:
    """Return headers and body; a line that is no header ends the headers, as mail programs have it."""
    position, end = 0, min(len(raw), MAX_HEADER)
    is_first = True
    while position < end:
        stop = raw.find(b"\n", position)
        stop = len(raw) if stop < 0 else stop
        line = raw[position:stop]
        if line in _BLANK:
            return _headers(raw[:position]), raw[stop + 1 :]
        is_envelope = is_first and line.startswith((b"From ", b">From "))
        if not is_envelope and not line.startswith((b" ", b"\t")) and not _HEADER_LINE.match(line):
            break
        is_first = False
        position = stop + 1
    return _headers(raw[:position]), raw[position:]


def _headers(raw: bytes) -> Message:
    return _parser.parsebytes(raw, headersonly=True)


def leaves(headers: Message, body: bytes) -> Iterator[Part]:
    """Yield the parts that hold content, in order; forwarded mails are not opened; hostile rests are left out."""
    budget, n_parts = _SCAN_BUDGET, 0
    stack = [(Part(headers, body, ""), 0)]
    while stack and n_parts < MAX_PARTS:
        part, depth = stack.pop()
        n_parts += 1
        chunks: list[bytes] = []
        if part.media_type.startswith("multipart/") and depth < MAX_NESTING and len(part.body) <= budget:
            budget -= len(part.body)
            chunks = _chunks(part)
        if chunks:
            children = [Part(*read_entity(chunk), part.media_type) for chunk in chunks]
            stack.extend((child, depth + 1) for child in reversed(children))
        else:
            if part.media_type.startswith("multipart/"):
                part.media_type = "text/plain"
            yield part


def _chunks(part: Part) -> list[bytes]:
    boundary = _boundary(part.headers)
    if not boundary:
        return []
    mark = re.escape(b"--" + boundary[:300])
    pieces = re.split(rb"(?m)^" + mark + rb"(--)?[ \t]*\r?$\n?", part.body, maxsplit=MAX_PARTS)
    found: list[bytes] = []
    for index in range(1, len(pieces) - 1, 2):
        if pieces[index] is not None:
            break
        found.append(_without_line_end(pieces[index + 1]))
    return found


def _boundary(headers: Message) -> bytes:
    """Return the boundary as bytes; one with raw 8-bit characters is read from the header as it came."""
    try:
        boundary = (headers.get_boundary() or "").strip()
    except (LookupError, ValueError, TypeError, AttributeError):
        boundary = ""
    if boundary.isascii():
        return boundary.encode("ascii")
    raw = next((str(value) for name, value in headers.raw_items() if name.lower() == "content-type"), "")
    found = _RAW_BOUNDARY.search(raw)
    return found[1].strip().encode("utf-8", "surrogateescape") if found else b""


def _without_line_end(chunk: bytes) -> bytes:
    """The line break before a delimiter belongs to the delimiter."""
    return chunk[:-2] if chunk.endswith(b"\r\n") else chunk.removesuffix(b"\n")
