"""Mailgun: routes that forward mail (forms) and event webhooks (JSON).

Signature: hex HMAC-SHA256 of timestamp and token. It does NOT cover the body: a captured triple would vouch for any
body, so the edge must let a token (`replay_key`) vouch for one body only. Mailgun retries for 8 hours: the window is
12.
Source: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from datetime import timedelta

import msgspec

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.email.mail_event import mail_event
from services.ingest.channel.email.message import Mail, addresses_of, read_mail
from services.ingest.channel.email.reply import visible_text
from services.ingest.channel.payload import (
    Json,
    first,
    form_fields,
    instant_of,
    json_document,
    json_object,
    list_of,
    member,
    multipart_parts,
    number_of,
    object_of,
    text_of,
)
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
    setting,
)
from services.ingest.channel.signature import hex_digest, require_secrets_match, require_unix_fresh, utf8
from shared.contracts.event import Attachment
from shared.handles import normalise

WINDOW = timedelta(hours=12)
_CUSTOMER_ACTS = frozenset({"complained", "unsubscribed"})


class Mailgun(Channel):
    name = "mailgun"

    def replay_key(self, request: ChannelRequest) -> str | None:
        """Return the token, which may vouch for one body only."""
        try:
            return _proof_of(request)[1]
        except (PayloadError, SignatureError):
            return None

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "signing_key")
        try:
            timestamp, token, signature = _proof_of(request)
        except PayloadError as error:
            raise SignatureError(error.reason) from error
        message = utf8(timestamp) + utf8(token)
        require_secrets_match(secrets, signature, lambda secret: hex_digest(secret, message))
        require_unix_fresh(timestamp, request.received_at, WINDOW)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        parse = ChannelParse()
        if _is_json(request):
            _read_event(request, object_of(json_object(request.body), "event-data"), parse)
            return parse
        fields, files = _form_of(request)
        language = setting(credentials, "language")
        raw = first(fields, "body-mime")
        if raw is not None:
            mail = read_mail(raw.encode("utf-8", "surrogateescape"), language)
        elif first(fields, "from", "From", "sender") is not None:
            mail = _mail_of_fields(fields, files, language)
        else:
            parse.ignore("unknown_kind")
            return parse
        more = {"envelope_sender": first(fields, "sender"), "envelope_to": first(fields, "recipient")}
        parse.add(mail_event(request, credentials, mail, attributes=more))
        return parse


def _is_json(request: ChannelRequest) -> bool:
    return request.media_type.endswith("json") or request.body.lstrip()[:1] == b"{"


def _proof_of(request: ChannelRequest) -> tuple[str, str, str]:
    """Return timestamp, token and signature; each must be there exactly once."""
    if _is_json(request):
        proof = object_of(json_object(request.body), "signature")
        found = [text_of(proof, name) for name in ("timestamp", "token", "signature")]
    else:
        fields, _ = _form_of(request)
        found = []
        for name in ("timestamp", "token", "signature"):
            values = fields.get(name, [])
            if len(values) > 1:
                raise SignatureError(f"the field {name} is repeated")
            found.append(values[0] if values else None)
    timestamp, token, signature = found
    if not timestamp or not token or not signature:
        raise SignatureError("the body holds no timestamp, token and signature")
    return timestamp, token, signature


def _form_of(request: ChannelRequest) -> tuple[dict[str, list[str]], list[Attachment]]:
    if request.media_type != "multipart/form-data":
        return form_fields(request.body), []
    fields: dict[str, list[str]] = {}
    files: list[Attachment] = []
    for part in multipart_parts(request.body, request.header("content-type") or ""):
        if part.filename is None:
            fields.setdefault(part.name, []).append(part.content.decode("utf-8", "surrogateescape"))
        else:
            files.append(attachment(part.filename, part.media_type, size_bytes=len(part.content)))
    return fields, files


def _headers_of(fields: dict[str, list[str]], language: str | None) -> Mail:
    """Return the mail's headers from `message-headers`, a JSON list of pairs."""
    try:
        pairs = json_document(utf8(first(fields, "message-headers") or "[]"))
    except PayloadError:
        pairs = []
    lines = [
        f"{member(pair, 0)}: {' '.join(str(member(pair, 1)).split())}"
        for pair in (pairs if isinstance(pairs, list) else [])
        if (text_of(pair, 0) or "content-").lower()[:8] != "content-"
    ]
    return read_mail("\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n", language)


def _mail_of_fields(fields: dict[str, list[str]], files: list[Attachment], language: str | None) -> Mail:
    """Mailgun's own stripped text is read where there is one; our parser takes out what it leaves (Chinese quotes)."""
    head = _headers_of(fields, language)
    html = first(fields, "body-html", "stripped-html")
    text = first(fields, "body-plain", "stripped-text") or ""
    readable = text if text.strip() or html is None else text_of_html(html)
    shown = text if text.strip() or html is None else text_of_html(html, has_quotes=False)
    stripped = first(fields, "stripped-text") or ""
    stored = _stored_attachments(fields)
    return msgspec.structs.replace(
        head,
        message_id=first(fields, "Message-Id", "message-id") or head.message_id,
        sender=next(iter(addresses_of(first(fields, "from", "From", "sender") or "")), head.sender),
        to=addresses_of(first(fields, "To", "recipient") or "") or head.to,
        subject=first(fields, "subject", "Subject") or head.subject,
        date=instant_of(first(fields, "Date")) or head.date or instant_of(first(fields, "timestamp")),
        text=readable,
        html=html,
        visible_text=visible_text(stripped.strip() or (shown if shown.strip(" \n>") else readable)),
        has_text_part=bool(text),
        attachments=files or stored,
    )


def _stored_attachments(fields: dict[str, list[str]]) -> list[Attachment]:
    try:
        stored = json_document(utf8(first(fields, "attachments") or "[]"))
    except PayloadError:
        return []
    return [
        attachment(text_of(a, "name"), text_of(a, "content-type"), text_of(a, "url"), number_of(a, "size"))
        for a in list_of(stored)
        if isinstance(a, dict)
    ]


def _read_event(request: ChannelRequest, event: dict[str, Json], parse: ChannelParse) -> None:
    kind, email = text_of(event, "event"), text_of(event, "recipient")
    if kind not in _CUSTOMER_ACTS or email is None:
        parse.ignore("receipt" if kind else "unknown_kind")
        return
    parse.add(
        draft(
            request,
            platform="email",
            event_id=text_of(event, "id"),
            kind="event",
            channel="email",
            handles=[normalise("mailto", email)],
            sender=email,
            occurred_at=instant_of(event, "timestamp"),
            message_id=text_of(event, "message", "headers", "message-id"),
            attributes={"event": kind},
        )
    )
