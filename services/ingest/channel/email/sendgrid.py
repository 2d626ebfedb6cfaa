"""SendGrid: inbound parse (a multipart form) and event webhooks (a JSON list).

Signature: ECDSA P-256 with SHA-256 over timestamp and raw body (with its CR LF), base64 in the header; the key is the
public key the console shows. Source: https://docs.sendgrid.com/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
from datetime import timedelta

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.email import charset
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.email.mail_event import mail_event
from services.ingest.channel.email.message import Mail, addresses_of, read_mail
from services.ingest.channel.email.reply import visible_text
from services.ingest.channel.payload import (
    FormPart,
    Json,
    instant_of,
    json_document,
    json_object,
    list_of,
    multipart_parts,
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
from services.ingest.channel.signature import require_header, require_unix_fresh, strict_base64, utf8
from shared.contracts.event import Attachment
from shared.handles import normalise

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
WINDOW = timedelta(hours=26)  # SendGrid retries a delivery for 24 hours; the events' own ids end replays inside it
_CUSTOMER_ACTS = frozenset({"spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"})


class SendGrid(Channel):
    name = "sendgrid"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        keys = [_public_key(text) for text in secrets_of(credentials, "public_key")]
        timestamp = require_header(request, TIMESTAMP_HEADER)
        signature = strict_base64(require_header(request, SIGNATURE_HEADER))
        if signature is None:
            raise SignatureError("the signature is no base64")
        if not any(_is_signed(key, signature, utf8(timestamp) + request.body) for key in keys):
            raise SignatureError("the signature does not match")
        require_unix_fresh(timestamp, request.received_at, WINDOW)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        parse = ChannelParse()
        if request.media_type == "multipart/form-data":
            parts = multipart_parts(request.body, request.header("content-type") or "")
            _read_inbound(request, credentials, parts, parse)
            return parse
        document = json_document(request.body)
        events = document if isinstance(document, list) else [document]
        parse.add_each(events, lambda event, at: _read_event(request, event, at, parse))
        return parse


def _public_key(text: str) -> EllipticCurvePublicKey:
    """Return the key from PEM, or from the bare base64 that the console shows."""
    try:
        if "BEGIN" in text:
            key = load_pem_public_key(utf8(text))
        else:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm, TypeError) as error:
        raise SignatureError("the connection's public_key is no key") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise SignatureError("the connection's public_key is no elliptic-curve key")
    return key


def _is_signed(key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _read_event(request: ChannelRequest, event: Json, pointer: str, parse: ChannelParse) -> None:
    """A person who complains or unsubscribes has acted; deliveries, bounces, opens and clicks are receipts."""
    if not isinstance(event, dict):
        raise PayloadError("an event is a JSON object", pointer)
    kind, email = text_of(event, "event"), text_of(event, "email")
    if kind not in _CUSTOMER_ACTS or email is None:
        parse.ignore("receipt" if kind else "unknown_kind")
        return
    parse.add(
        draft(
            request,
            platform="email",
            event_id=text_of(event, "sg_event_id"),
            kind="event",
            channel="email",
            handles=[normalise("mailto", email)],
            sender=email,
            occurred_at=instant_of(event, "timestamp"),
            reply_to=text_of(event, "smtp-id"),
            message_id=text_of(event, "sg_message_id"),
            attributes={"event": kind, "group": text_of(event, "asm_group_id")},
        )
    )


def _read_inbound(
    request: ChannelRequest, credentials: Credentials, parts: list[FormPart], parse: ChannelParse
) -> None:
    fields = {part.name: part.content for part in parts if part.filename is None}
    charsets = _json_field(fields.get("charsets"))
    language = setting(credentials, "language")
    envelope = _json_field(fields.get("envelope"))
    more = {"envelope_sender": text_of(envelope, "from"), "spam_score": _field(fields, charsets, "spam_score")}
    if fields.get("email"):
        mail = read_mail(fields["email"], language)
    elif "from" in fields or "headers" in fields:
        mail = _mail_of_fields(fields, charsets, parts, language)
    else:
        parse.ignore("unknown_kind")
        return
    parse.add(mail_event(request, credentials, mail, attributes=more))


def _json_field(raw: bytes | None) -> dict[str, Json]:
    try:
        return json_object(raw) if raw else {}
    except PayloadError:
        return {}


def _field(fields: dict[str, bytes], charsets: dict[str, Json], name: str) -> str:
    """Return a form field in its own charset: each may have another."""
    return charset.decode(fields.get(name, b""), text_of(charsets, name))


def _mail_of_fields(
    fields: dict[str, bytes], charsets: dict[str, Json], parts: list[FormPart], language: str | None
) -> Mail:
    head = read_mail(fields.get("headers", b"").strip() + b"\r\n\r\n", language)
    html = _field(fields, charsets, "html") or None
    text = _field(fields, charsets, "text")
    readable = text if text.strip() or html is None else text_of_html(html)
    shown = text if text.strip() or html is None else text_of_html(html, has_quotes=False)
    return msgspec.structs.replace(
        head,
        sender=next(iter(addresses_of(_field(fields, charsets, "from"))), head.sender),
        to=addresses_of(_field(fields, charsets, "to")) or head.to,
        subject=_field(fields, charsets, "subject") or head.subject,
        text=readable,
        html=html,
        visible_text=visible_text(shown if shown.strip(" \n>") else readable),
        has_text_part=bool(text),
        attachments=_attachments(fields, parts),
    )


def _attachments(fields: dict[str, bytes], parts: list[FormPart]) -> list[Attachment]:
    files = [part for part in parts if part.filename is not None]
    if files:
        return [attachment(f.filename, f.media_type, size_bytes=len(f.content)) for f in files]
    stated = object_of(_json_field(fields.get("attachment-info")))
    return [attachment(text_of(info, "filename"), text_of(info, "type")) for info in stated.values()] or [
        attachment(text_of(info, "filename"), text_of(info, "type")) for info in list_of(stated)
    ]
