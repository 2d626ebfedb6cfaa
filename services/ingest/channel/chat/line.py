"""LINE Messaging API. Signature: base64 HMAC-SHA256 of the raw body, letter case significant.

Source: https://developers.line.biz/en/reference/messaging-api/#webhooks
"""

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import (
    Json,
    instant_of,
    json_object,
    list_of,
    member,
    number_of,
    object_of,
    text_of,
)
from services.ingest.channel.ports import Channel, ChannelParse, ChannelRequest, Credentials, secrets_of
from services.ingest.channel.signature import base64_digest, require_header, require_secrets_match
from shared.contracts.event import Attachment
from shared.handles import normalise

SIGNATURE_HEADER = "X-Line-Signature"
_MEDIA = {"image": "image/*", "video": "video/*", "audio": "audio/*", "file": ""}
_ACTS = frozenset({"follow", "unfollow", "postback"})


class Line(Channel):
    name = "line"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "channel_secret")
        given = require_header(request, SIGNATURE_HEADER)
        require_secrets_match(secrets, given, lambda secret: base64_digest(secret, request.body))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        body = json_object(request.body)
        parse = ChannelParse()
        if not isinstance(body.get("events"), list):
            parse.ignore("unknown_kind")
        for event in list_of(body, "events"):
            if isinstance(event, dict):
                _read_event(request, body, event, parse)
            else:
                parse.ignore("unknown_kind")
        if not parse.events and not parse.ignored:
            parse.ignore("handshake")  # the console's Verify button sends a delivery without events
        return parse


def _read_event(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    kind = text_of(event, "type") or ""
    if kind == "message":
        _add(request, body, event, "message", text_of(event, "message", "id"), parse)
    elif kind == "messageEdited":
        message_id = text_of(event, "message", "id")
        _add(request, body, event, "edit", f"{message_id}:edit:{text_of(event, 'timestamp')}", parse)
    elif kind == "unsend":
        _add(request, body, event, "deletion", f"{text_of(event, 'unsend', 'messageId')}:deletion", parse)
    elif kind in _ACTS:
        _add(request, body, event, "event", _act_id(event, kind), parse)
    else:
        parse.ignore("unknown_kind")


def _act_id(event: dict[str, Json], kind: str) -> str:
    delivery = text_of(event, "webhookEventId") or text_of(event, "timestamp")
    return f"{delivery}:{kind}:{text_of(event, 'postback', 'data') or ''}"


def _add(
    request: ChannelRequest,
    body: dict[str, Json],
    event: dict[str, Json],
    kind: str,
    event_id: str | None,
    parse: ChannelParse,
) -> None:
    """Add one event; where LINE hides who in a room wrote, the room itself is the one spoken with."""
    source, message = object_of(event, "source"), object_of(event, "message")
    user, room = text_of(source, "userId"), text_of(source, "groupId") or text_of(source, "roomId")
    if user is None and room is None:
        parse.ignore("without_sender")
        return
    message_id = text_of(message, "id") or text_of(event, "unsend", "messageId")
    parse.add(
        draft(
            request,
            platform="line",
            event_id=event_id,
            kind=kind,
            handles=[normalise("line", user or room or "")],
            sender=user,
            recipient=text_of(body, "destination"),
            occurred_at=instant_of(event, "timestamp"),
            conversation=room or user,
            reply_to=text_of(message, "quotedMessageId"),
            text=_text(message) if kind in ("message", "edit") else None,
            attachments=_attachments(message),
            message_id=message_id,
            attributes={
                "event": text_of(event, "type"),
                "message_type": text_of(message, "type"),
                "provider_event_id": text_of(event, "webhookEventId"),
                "redelivery": "true" if member(event, "deliveryContext", "isRedelivery") is True else None,
                "postback": text_of(event, "postback", "data"),
                "sticker": text_of(message, "stickerId"),
                "sticker_keywords": ", ".join(k for k in list_of(message, "keywords") if isinstance(k, str)),
                "unblocked": "true" if member(event, "follow", "isUnblocked") is True else None,
            },
        )
    )


def _text(message: dict[str, Json]) -> str:
    return text_of(message, "text") or text_of(message, "title") or ""


def _attachments(message: dict[str, Json]) -> list[Attachment]:
    kind = str(message.get("type"))
    if kind in _MEDIA:
        return [
            attachment(
                text_of(message, "fileName") or kind,
                _MEDIA[kind],
                text_of(message, "contentProvider", "originalContentUrl"),
                number_of(message, "fileSize"),
            )
        ]
    if kind == "location":
        return [attachment(text_of(message, "address") or "location", "application/geo+json")]
    return []
