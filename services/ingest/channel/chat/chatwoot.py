"""Chatwoot. Signature: `sha256=` hex HMAC of `timestamp.body`; versions that send none are refused.

Source: https://www.chatwoot.com/hc/user-guide/articles/1677693021-how-to-use-webhooks
"""

from datetime import timedelta

from msgspec import structs

from services.ingest.channel.draft import MAX_NAME, attachment, clean, draft, identifier, survey_answer, ticket_event
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
from services.ingest.channel.signature import (
    hex_digest,
    require_header,
    require_secrets_match,
    require_unix_fresh,
    utf8,
)
from shared.contracts.event import ActorKind, Attachment, Interaction, TicketReopened, TicketResolved
from shared.handles import normalise

SIGNATURE_HEADER = "X-Chatwoot-Signature"
TIMESTAMP_HEADER = "X-Chatwoot-Timestamp"
WINDOW = timedelta(minutes=5)
_MEDIA = {"image": "image/*", "audio": "audio/*", "video": "video/*", "location": "application/geo+json"}
_TYPES = {"0": "incoming", "1": "outgoing", "2": "activity", "3": "template"}


class Chatwoot(Channel):
    name = "chatwoot"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "secret")
        timestamp = require_header(request, TIMESTAMP_HEADER)
        given = require_header(request, SIGNATURE_HEADER)
        require_unix_fresh(timestamp, request.received_at, WINDOW)
        message = utf8(timestamp) + b"." + request.body
        require_secrets_match(secrets, given, lambda secret: "sha256=" + hex_digest(secret, message))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        body = json_object(request.body)
        event = text_of(body, "event") or ""
        parse = ChannelParse()
        if event == "message_created":
            _read_message(request, body, "message", parse)
        elif event == "message_updated":
            _read_update(request, body, parse)
        elif event in ("conversation_status_changed", "conversation_resolved"):
            _read_status(request, body, parse)
        else:
            parse.ignore("unknown_kind")
        return parse


def _read_message(request: ChannelRequest, body: dict[str, Json], kind: str, parse: ChannelParse) -> None:
    message_type = _TYPES.get(text_of(body, "message_type") or "", text_of(body, "message_type") or "")
    if message_type == "activity" or body.get("private") is True:
        parse.ignore("private_note" if message_type != "activity" else "system_notice")
    elif message_type in ("incoming", "outgoing", "template"):
        parse.add(_message(request, body, kind, message_type))
    else:
        parse.ignore("unknown_kind")


def _message(request: ChannelRequest, body: dict[str, Json], kind: str, message_type: str) -> Interaction:
    is_inbound = message_type == "incoming"
    sender = object_of(body, "sender")
    contact = (sender if is_inbound else {}) or _contact(body)
    message_id = text_of(body, "id")
    updated = text_of(body, "updated_at") or text_of(body, "content_attributes", "edited_at") or ""
    return draft(
        request,
        platform="chatwoot",
        namespace=_account(body),
        event_id=message_id if kind == "message" else f"{message_id}:{kind}:{updated}",
        kind=kind,
        channel="email"
        if "Email" in (text_of(body, "conversation", "channel") or text_of(body, "channel") or "")
        else "chat",
        direction="inbound" if is_inbound else "outbound",
        handles=_handles(body, contact),
        customer_id=text_of(contact, "identifier"),
        actor_kind=_actor(message_type, sender),
        sender=text_of(sender, "id"),
        sender_name=text_of(sender, "name"),
        occurred_at=instant_of(body, "created_at"),
        conversation=text_of(body, "conversation", "id") or text_of(body, "conversation", "display_id"),
        subject=text_of(body, "content_attributes", "email", "subject"),
        text=None if kind == "deletion" else text_of(body, "content") or "",
        attachments=_attachments(body),
        message_id=message_id,
        attributes={"source_id": text_of(body, "source_id"), "inbox": text_of(body, "inbox", "name")},
    )


def _account(body: dict[str, Json]) -> str | None:
    """Return the account: a message names it, a conversation (of which a change of status tells) its last message."""
    return text_of(body, "account", "id") or text_of(body, "messages", 0, "account_id")


def _actor(message_type: str, sender: dict[str, Json]) -> ActorKind:
    if message_type == "incoming":
        return "customer"
    return "bot" if message_type == "template" or sender.get("type") in ("agent_bot", "captain_assistant") else "agent"


def _contact(body: dict[str, Json]) -> dict[str, Json]:
    return (
        object_of(body, "conversation", "meta", "sender")
        or object_of(body, "meta", "sender")
        or object_of(body, "contact")
        or object_of(body, "conversation", "contact_inbox")
    )


def _handles(body: dict[str, Json], contact: dict[str, Json]) -> list[str | None]:
    account = _account(body) or "account"
    own = text_of(contact, "contact_id") or text_of(contact, "id")
    return [
        normalise("mailto", text_of(contact, "email") or ""),
        normalise("tel", text_of(contact, "phone_number") or ""),
        normalise("chatwoot", f"{account}/{own}") if own else None,
    ]


def _attachments(body: dict[str, Json]) -> list[Attachment]:
    return [
        attachment(
            text_of(a, "file_name") or text_of(a, "fallback_title") or text_of(a, "file_type"),
            _MEDIA.get(text_of(a, "file_type") or ""),
            text_of(a, "data_url"),
            number_of(a, "file_size"),
        )
        for a in list_of(body, "attachments")
        if isinstance(a, dict)
    ]


def _read_update(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    """An update is a survey's answer, a deletion, an edit, or (mostly) a delivery status."""
    answer = object_of(body, "content_attributes", "submitted_values", "csat_survey_response")
    score = number_of(answer, "rating")
    if score is not None and 1 <= score <= 5:
        frame = _message(request, body, "event", "incoming")
        contact = _contact(body)
        customer = _message(request, body, "event", "outgoing").customer if contact else frame.customer
        note = text_of(answer, "feedback_message")
        told = structs.replace(frame, customer=customer, actor=None, text=clean(note) if note else None)
        parse.add(survey_answer(told, "csat", score, (1, 5)))
    elif object_of(body, "content_attributes").get("deleted") is True:
        _read_message(request, body, "deletion", parse)
    elif object_of(body, "content_attributes").get("edited_at") is not None:
        _read_message(request, body, "edit", parse)
    else:
        parse.ignore("receipt")


def _read_status(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    """A conversation is resolved, or no longer is. Its last activity is its last message, often hours before that."""
    changed = {name: pair for change in list_of(body, "changed_attributes") for name, pair in object_of(change).items()}
    is_resolved, was_resolved = (
        body.get("status") == "resolved",
        member(changed, "status", "previous_value") == "resolved",
    )
    if is_resolved == was_resolved:
        parse.ignore("status_change")
        return
    conversation = text_of(body, "id") or text_of(body, "display_id") or "conversation"
    at = instant_of(body, "updated_at") or instant_of(body, "last_activity_at") or instant_of(body, "timestamp")
    step = "resolved" if is_resolved else "reopened"
    frame = structs.replace(
        _message(request, body, "event", "outgoing" if is_resolved else "incoming"),
        id=identifier(conversation, step, at.isoformat() if at else None),
        occurred_at=at or request.received_at,
        conversation_id=conversation[:MAX_NAME],
        actor=None,
        text=None,
    )
    parse.add(ticket_event(TicketResolved if is_resolved else TicketReopened, frame, conversation))
