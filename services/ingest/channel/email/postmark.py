"""Postmark: inbound mail as JSON, and the subscription changes that are a person's act.

Proof: HTTP basic authentication in the webhook's URL; nothing covers the body, so only TLS keeps it whole.
Source: https://postmarkapp.com/developer/webhooks/inbound-webhook
"""

import msgspec

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.email.mail_event import mail_event
from services.ingest.channel.email.message import Address, Mail, addresses_of, read_mail
from services.ingest.channel.email.reply import visible_text
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, object_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    SignatureError,
    secrets_of,
    setting,
)
from services.ingest.channel.signature import require_header, require_match, strict_base64, utf8
from shared.contracts.event import Attachment
from shared.handles import normalise

_NIL_ID = "00000000-0000-0000-0000-000000000000"  # the console's "Check" button sends this
_CUSTOMER_ACTS = frozenset({"SpamComplaint", "SubscriptionChange"})


class Postmark(Channel):
    name = "postmark"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        users, passwords = secrets_of(credentials, "username"), secrets_of(credentials, "password")
        scheme, _, encoded = require_header(request, "Authorization").partition(" ")
        raw = strict_base64(encoded) if scheme.lower() == "basic" else None
        if raw is None:
            raise SignatureError("the Authorization header is no basic authentication")
        given = raw.decode("utf-8", "surrogateescape")
        require_match([f"{user}:{password}" for user in users for password in passwords], given, "password")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        body = json_object(request.body)
        parse = ChannelParse()
        record = text_of(body, "RecordType")
        if record in (None, "Inbound") and ("FromFull" in body or "From" in body or "RawEmail" in body):
            _read_inbound(request, credentials, body, parse)
        elif record in _CUSTOMER_ACTS:
            _read_act(request, body, record, parse)
        else:
            parse.ignore("receipt" if record else "unknown_kind")
        return parse


def _read_inbound(
    request: ChannelRequest, credentials: Credentials, body: dict[str, Json], parse: ChannelParse
) -> None:
    language = setting(credentials, "language")
    raw = text_of(body, "RawEmail")
    mail = read_mail(utf8(raw), language) if raw else _mail_of_members(body, language)
    stripped = text_of(body, "StrippedTextReply") if text_of(body, "MessageID") != _NIL_ID else None
    envelope = _header(body, "Return-Path")
    parse.add(
        mail_event(
            request,
            credentials,
            mail,
            event_id=text_of(body, "MessageID"),
            text=visible_text(stripped) if stripped else None,
            attributes={
                "envelope_sender": next((a.address for a in addresses_of(envelope)), None) if envelope else None,
                "envelope_to": text_of(body, "OriginalRecipient"),
                "mailbox_hash": text_of(body, "MailboxHash"),
                "tag": text_of(body, "Tag"),
                "spam_score": _header(body, "X-Spam-Score"),
            },
        )
    )


def _header(body: dict[str, Json], name: str) -> str | None:
    for header in list_of(body, "Headers"):
        if (text_of(header, "Name") or "").lower() == name.lower():
            return text_of(header, "Value")
    return None


def _mail_of_members(body: dict[str, Json], language: str | None) -> Mail:
    lines = [
        f"{text_of(h, 'Name')}: {' '.join((text_of(h, 'Value') or '').split())}"
        for h in list_of(body, "Headers")
        if text_of(h, "Name") and not (text_of(h, "Name") or "").lower().startswith("content-")
    ]
    head = read_mail("\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n", language)
    html, text = text_of(body, "HtmlBody"), text_of(body, "TextBody") or ""
    readable = text if text.strip() or html is None else text_of_html(html)
    shown = text if text.strip() or html is None else text_of_html(html, has_quotes=False)
    return msgspec.structs.replace(
        head,
        sender=_party(object_of(body, "FromFull"))
        or next(iter(addresses_of(text_of(body, "From") or "")), head.sender),
        to=[party for item in list_of(body, "ToFull") if (party := _party(object_of(item))) is not None],
        reply_to=head.reply_to or next(iter(addresses_of(text_of(body, "ReplyTo") or "")), None),
        subject=text_of(body, "Subject") or head.subject,
        date=instant_of(body, "Date") or head.date,
        text=readable,
        html=html,
        visible_text=visible_text(shown if shown.strip(" \n>") else readable),
        has_text_part=bool(text),
        attachments=_attachments(body),
    )


def _party(full: dict[str, Json]) -> Address | None:
    email = text_of(full, "Email")
    return Address(email, text_of(full, "Name") or "") if email else None


def _attachments(body: dict[str, Json]) -> list[Attachment]:
    return [
        attachment(text_of(a, "Name"), text_of(a, "ContentType"), size_bytes=number_of(a, "ContentLength"))
        for a in list_of(body, "Attachments")
        if isinstance(a, dict)
    ]


def _read_act(request: ChannelRequest, body: dict[str, Json], record: str, parse: ChannelParse) -> None:
    email = text_of(body, "Recipient") or text_of(body, "Email")
    is_recipients_own = record == "SpamComplaint" or body.get("Origin") == "Recipient"
    if email is None or not is_recipients_own:
        parse.ignore("receipt")
        return
    is_back = body.get("SuppressSending") is False
    message_id, changed = text_of(body, "MessageID"), text_of(body, "ChangedAt") or text_of(body, "BouncedAt")
    event = "spamreport" if record == "SpamComplaint" else ("resubscribe" if is_back else "unsubscribe")
    parse.add(
        draft(
            request,
            platform="email",
            event_id=":".join(part for part in (message_id, email, event, changed) if part),
            kind="event",
            channel="email",
            handles=[normalise("mailto", email)],
            sender=email,
            occurred_at=instant_of(changed),
            message_id=message_id,
            attributes={"event": event},
        )
    )
