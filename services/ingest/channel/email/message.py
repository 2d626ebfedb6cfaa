"""A mail's bytes to what happened: who wrote, to whom, when, the new words, the thread, and what was attached.

Pure and forgiving: broken headers, missing dates, wrong charsets, forwards in forwards. Attachments are listed only.
"""

import binascii
import codecs
import quopri
import re
from datetime import datetime
from email.message import Message

import msgspec

from services.ingest.channel.draft import attachment, clean
from services.ingest.channel.email import charset
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.email.mime import Part, leaves, read_entity
from services.ingest.channel.email.reply import visible_text
from services.ingest.channel.payload import instant_of
from shared.contracts.event import Attachment

MAX_BODY = 2_000_000
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]{0,4000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")
_ADDRESS = re.compile(
    r"[^\s<>\"(),:;\[\]@]{1,128}@[^\s<>\"(),:;\[\]@]{1,253}|"
    r"[^\s<>\"(),:;\[\]@]{1,128}@\[[0-9a-fA-F.:]{3,45}\]"
)
_ANGLE = re.compile(r"<([^<>]{1,400})>")
_COMMENT = re.compile(r"\(([^()]{0,200})\)")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_FOLD = re.compile(r"\r?\n[ \t]*")
_AUTO_SUBJECT = re.compile(
    r"^\s*(?:auto(?:matic|matische|)?[ :-]?(?:reply|response|antwort)|autoreply|out of (?:the )?office|"
    r"réponse automatique|abwesenheit|risposta automatica|respuesta automática|resposta automática|"
    r"automatisch antwoord|autosvar|automaattinen vastaus|odpowiedź automatyczna|автоматический ответ|автоответ|"
    r"자동 응답|자동 회신|自动回复|自動回覆|自動回復|自动答复|不在のお知らせ|自動返信)",
    re.IGNORECASE,
)
_BOUNCE_SUBJECT = re.compile(
    r"^\s*(?:undeliver(?:able|ed)|mail delivery (?:failed|failure|system)|delivery (?:status notification|failure)|"
    r"returned mail|failure notice|mail system error|退信|系统退信|邮件发送失败|投递失败|unzustellbar|non remis)",
    re.IGNORECASE,
)
_FINAL_RECIPIENT = re.compile(rb"(?im)^final-recipient:[ \t]*rfc822[ \t]*;[ \t]*([^\r\n]{3,320})")
_BOUNCE_SENDER = re.compile(r"^(?:mailer-daemon|post_?master|mail-daemon)(?:@|$)", re.IGNORECASE)
_RAW_NAME = re.compile(r'name\s{0,5}=\s{0,5}"?([^";\r\n]{1,500})', re.IGNORECASE)
_MACHINE_HEADERS = ("x-autoreply", "x-autorespond", "x-auto-reply", "x-autoreply-from", "x-mail-autoreply")
_REPORT_LENGTH = 4_000
_REPORT_TYPES = frozenset({"message/disposition-notification", "message/feedback-report"})


class Address(msgspec.Struct, frozen=True):
    """One party of a mail; `address` is as written, `name` may be empty."""

    address: str
    name: str = ""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as read. `visible_text` holds the new words only, `text` the whole readable body."""

    message_id: str | None = None
    sender: Address | None = None
    to: list[Address] = []
    cc: list[Address] = []
    reply_to: Address | None = None
    subject: str = ""
    date: datetime | None = None
    text: str = ""
    html: str | None = None
    visible_text: str = ""
    has_text_part: bool = False
    attachments: list[Attachment] = []
    in_reply_to: str | None = None
    references: list[str] = []
    is_auto_reply: bool = False
    is_bounce: bool = False
    is_bulk: bool = False
    has_calendar: bool = False
    return_path: str | None = None
    failed_recipient: str | None = None

    @property
    def thread_id(self) -> str | None:
        """Return the id of the thread's first message: the oldest reference, the answered mail, or this one."""
        return self.references[0] if self.references else (self.in_reply_to or self.message_id)


class _Body(msgspec.Struct):
    texts: list[str] = []
    htmls: list[str] = []
    attachments: list[Attachment] = []
    has_calendar: bool = False
    has_delivery_status: bool = False
    has_report: bool = False


def read_mail(raw: bytes, language: str | None = None) -> Mail:
    """Return what `raw` (RFC 5322, any shape) says; never raises.

    `language` is the connection's, for texts that declare no charset.
    """
    message, rest = read_entity(raw.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n"))
    headers = _Headers(message, language)
    body = _Body()
    for part in leaves(message, rest):
        _collect(part, body, language)
    html = "\n".join(body.htmls) or None
    text = "\n".join(part.rstrip("\n") for part in body.texts if part.strip())
    readable, shown = text, text
    if not text and html is not None:
        readable, shown = text_of_html(html), text_of_html(html, has_quotes=False)
    sender = next(iter(headers.addresses("from")), None) or next(iter(headers.addresses("sender")), None)
    subject = headers.text("subject")
    is_bounce = body.has_delivery_status or _is_bounce(message, sender, subject)
    return Mail(
        message_id=headers.message_id("message-id"),
        sender=sender,
        to=headers.addresses("to"),
        cc=headers.addresses("cc"),
        reply_to=headers.first_address("x-original-from", "x-original-sender", "reply-to"),
        subject=subject,
        date=headers.date(),
        text=clean(readable),
        html=html,
        visible_text=clean(visible_text(shown if shown.strip(" \n>") else readable)),
        has_text_part=bool(body.texts),
        attachments=body.attachments[:64],
        in_reply_to=headers.message_id("in-reply-to"),
        references=headers.message_ids("references"),
        is_auto_reply=not is_bounce and (body.has_report or _is_auto_reply(headers, subject)),
        is_bounce=is_bounce,
        is_bulk=headers.text("precedence").lower() in ("bulk", "list", "junk")
        or bool(headers.text("list-unsubscribe")),
        has_calendar=body.has_calendar,
        failed_recipient=_failed_recipient(headers, raw, readable, sender) if is_bounce else None,
        return_path=next((a.address for a in headers.addresses("return-path")), None),
    )


class _Headers:
    def __init__(self, message: Message, language: str | None) -> None:
        self._language = language
        self._values: dict[str, list[str]] = {}
        for name, value in list(message.raw_items())[:2_000]:
            self._values.setdefault(name.strip().lower(), []).append(str(value))

    def raw(self, name: str) -> str:
        """Return the first non-empty value, unfolded."""
        for value in self._values.get(name, ()):
            if value.strip():
                return _FOLD.sub(" ", value).strip()[:50_000]
        return ""

    def text(self, name: str) -> str:
        return decoded_header(self.raw(name), self._language)

    def addresses(self, name: str) -> list[Address]:
        return addresses_of(self.raw(name), self._language)

    def first_address(self, *names: str) -> Address | None:
        return next((party for name in names for party in self.addresses(name) if "@" in party.address), None)

    def message_id(self, name: str) -> str | None:
        return next(iter(self.message_ids(name)), None)

    def message_ids(self, name: str) -> list[str]:
        raw = _ascii(self.raw(name))
        found = _MESSAGE_ID.findall(raw)
        return found[:100] or ([raw.split()[0][:900]] if raw.split() and "message-id" in name else [])

    def date(self) -> datetime | None:
        """Return the Date header's instant; zone comments and doubled headers are tolerated, nonsense is None."""
        for value in self._values.get("date", ()):
            instant = instant_of(_COMMENT.sub("", _FOLD.sub(" ", _ascii(value)))[:100].strip())
            if instant is not None:
                return instant
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._values


def _ascii(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decoded_header(value: str, language: str | None = None) -> str:
    """Return a header's text: encoded words joined as bytes where they belong together, raw 8-bit bytes repaired."""
    if "=?" not in value:
        return _repaired(value, language)
    joined = _BETWEEN_WORDS.sub(r"\1", value)
    pieces: list[str] = []
    pending: list[bytes] = []
    pending_charset = ""
    position = 0
    for match in _ENCODED_WORD.finditer(joined):
        gap, name = joined[position : match.start()], match[1].partition("*")[0].lower()
        if pending and (gap or name != pending_charset):
            pieces.append(charset.decode(b"".join(pending), pending_charset, language))
            pending = []
        pieces.append(_repaired(gap, language))
        pending.append(_word_bytes(match[2], match[3]))
        pending_charset, position = name, match.end()
    if pending:
        pieces.append(charset.decode(b"".join(pending), pending_charset, language))
    pieces.append(_repaired(joined[position:], language))
    return "".join(pieces)


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if encoding in "bB":
        try:
            return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
        except (binascii.Error, ValueError):
            return raw
    return quopri.decodestring(raw, header=True)


def _repaired(text: str, language: str | None) -> str:
    """Undo surrogate escapes: the raw bytes of a header that should have been encoded."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return charset.decode(text.encode("utf-8", "surrogateescape"), None, language)
    return text


def addresses_of(value: str, language: str | None = None) -> list[Address]:
    """Return the parties of an address header, however badly it is written; a sender without "@" keeps its word."""
    found: list[Address] = []
    for piece in _split_addresses(value[:20_000])[:200]:
        angle = list(_ANGLE.finditer(piece))
        inside = _repaired(angle[-1][1].strip(), language) if angle else ""
        match = _ADDRESS.search(inside) or _ADDRESS.search(_repaired(piece, language))
        name = piece[: angle[-1].start()] if angle else (c[1] if (c := _COMMENT.search(piece)) else "")
        shown = decoded_header(name.strip().strip("\"'").strip(), language).strip().strip("\"'").strip()
        if match is not None:
            found.append(Address(match[0].strip(".'"), shown))
        elif not found and (word := _repaired((inside or piece).strip(), language)) and len(word) < 200:
            found.append(Address(word, shown if angle else ""))
    return found


def _split_addresses(value: str) -> list[str]:
    """Split at commas and semicolons outside quotes and angle brackets; group names go."""
    pieces: list[str] = []
    current: list[str] = []
    is_quoted = is_angle = False
    for character in value:
        if character == '"':
            is_quoted = not is_quoted
        elif character == "<" and not is_quoted:
            is_angle = True
        elif character == ">" and not is_quoted:
            is_angle = False
        if character in ",;" and not is_quoted and not is_angle:
            pieces.append("".join(current))
            current = []
        elif character == ":" and not is_quoted and not is_angle and "@" not in "".join(current[-80:]):
            current = []
        else:
            current.append(character)
    pieces.append("".join(current))
    return [piece for piece in pieces if piece.strip()]


def _collect(part: Part, body: _Body, language: str | None) -> None:
    """Gather texts and list everything else; a forwarded mail inside counts as one attachment."""
    name = _filename(part, language)
    disposition = str(part.headers.get("content-disposition", "")).strip().lower()
    is_attached = disposition.startswith("attachment") or (bool(name) and not disposition.startswith("inline"))
    if part.media_type.startswith("message/"):
        body.has_delivery_status |= part.media_type == "message/delivery-status"
        body.has_report |= part.media_type in _REPORT_TYPES
        shown = name or _nested_subject(part, language)
        body.attachments.append(attachment(shown, part.media_type, size_bytes=part.size))
    elif part.media_type in ("text/plain", "text/html") and not is_attached and _is_body(part, body):
        (body.texts if part.media_type == "text/plain" else body.htmls).append(_content(part, language))
    else:
        body.has_calendar |= part.media_type in ("text/calendar", "application/ics")
        body.attachments.append(attachment(name, part.media_type, size_bytes=part.size))


def _is_body(part: Part, body: _Body) -> bool:
    """The first text of a kind is the body; later inline ones belong to it in mixed mails, reports' parts do not."""
    already = body.texts if part.media_type == "text/plain" else body.htmls
    return not already or (part.parent == "multipart/mixed" and sum(map(len, already)) < MAX_BODY)


def _nested_subject(part: Part, language: str | None) -> str:
    headers, _ = read_entity(part.body[:100_000])
    return _Headers(headers, language).text("subject")[:200] or "message"


def _filename(part: Part, language: str | None) -> str:
    try:
        found = part.headers.get_filename("") or ""
    except (LookupError, ValueError, TypeError, AttributeError, IndexError):
        found = ""
    if "\ufffd" in str(found):
        found = _raw_filename(part) or found
    return decoded_header(_FOLD.sub(" ", str(found))[:2_000], language).strip()


def _raw_filename(part: Part) -> str | None:
    """Return the name as it came, its raw 8-bit bytes as surrogates: the stdlib puts question marks for them."""
    for wanted in ("content-disposition", "content-type"):
        for name, value in part.headers.raw_items():
            found = _RAW_NAME.search(str(value)) if name.lower() == wanted else None
            if found is not None:
                return found[1]
    return None


def _content(part: Part, language: str | None) -> str:
    try:
        declared = part.headers.get_content_charset("")
    except (LookupError, ValueError, TypeError, AttributeError, UnicodeError):
        declared = ""
    text = charset.decode(part.decoded(MAX_BODY), str(declared or "")[:60] or None, language).replace("\r\n", "\n")
    if part.media_type == "text/plain" and _parameter(part, "format") == "flowed":
        return unflowed(text, is_space_dropped=_parameter(part, "delsp") == "yes")
    return text


def _parameter(part: Part, name: str) -> str:
    try:
        return str(part.headers.get_param(name, "") or "").lower()
    except (LookupError, ValueError, TypeError, AttributeError):
        return ""


def unflowed(text: str, *, is_space_dropped: bool = False) -> str:
    """Return format=flowed text with its soft line breaks undone. Source: RFC 3676 section 4.

    Example:
        >>> unflowed("A line that \\ngoes on.\\n> quoted \\n> too\\n-- \\nBob")
        'A line that goes on.\\n> quoted too\\n-- \\nBob'
    """
    lines: list[str] = []
    open_depth: int | None = None  # of the paragraph whose last line goes on
    for line in text.split("\n"):
        words = line.lstrip(">")
        depth = len(line) - len(words)
        words = words.removeprefix(" ")
        is_signature = words == "-- "
        if open_depth == depth and not is_signature:
            lines[-1] += words
        else:
            lines.append(">" * depth + (" " if depth and words else "") + words)
        is_open = words.endswith(" ") and not is_signature
        if is_open and is_space_dropped:
            lines[-1] = lines[-1][:-1]
        open_depth = depth if is_open else None
    return "\n".join(lines)


def _is_auto_reply(headers: _Headers, subject: str) -> bool:
    """RFC 3834 and the habits before it."""
    submitted = headers.raw("auto-submitted").lower()
    if submitted and not submitted.startswith("no"):
        return True
    if any(name in headers for name in _MACHINE_HEADERS):
        return True
    if headers.raw("precedence").lower() in ("auto_reply", "auto-reply"):
        return True
    return bool(_AUTO_SUBJECT.match(subject))


def _is_bounce(message: Message, sender: Address | None, subject: str) -> bool:
    media_type = message.get_content_type()
    report = str(message.get_param("report-type", "") or "").lower() if media_type == "multipart/report" else ""
    if report == "delivery-status":
        return True
    if sender is not None and _BOUNCE_SENDER.match(sender.address):
        return True
    return _BOUNCE_SUBJECT.match(subject) is not None


def _failed_recipient(headers: _Headers, raw: bytes, text: str, sender: Address | None) -> str | None:
    """Return whom the mail did not reach, from the report, else from the first stranger its words name."""
    stated = _ADDRESS.search(headers.text("x-failed-recipients"))
    if stated is None:
        report = _FINAL_RECIPIENT.search(raw[:500_000])
        stated = _ADDRESS.search(report[1].decode("utf-8", "replace")) if report else None
    if stated is not None:
        return stated[0]
    own = {party.address.lower() for party in headers.addresses("to")} | {sender.address.lower() if sender else ""}
    named = (match[0].strip(".'") for match in _ADDRESS.finditer(text[:_REPORT_LENGTH]))
    return next((one for one in named if one.lower() not in own and not _BOUNCE_SENDER.match(one)), None)
