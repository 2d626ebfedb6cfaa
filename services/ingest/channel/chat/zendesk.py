"""Zendesk tickets and messaging. Signature: base64 HMAC-SHA256 of timestamp and raw body with nothing between.

Source: https://developer.zendesk.com/documentation/webhooks/verifying/ - the secret is used as text, not decoded.
The body may be empty (a GET-like trigger); an empty delivery holds no event. Webhooks of Sunshine Conversations sign
nothing: https://developer.zendesk.com/documentation/conversations/messaging-platform/programmable-conversations/webhooks/
has their secret in X-API-Key, which vouches for messaging alone.
"""

from datetime import timedelta

from services.ingest.channel.draft import attachment, draft, survey_answer, ticket_event
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
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
)
from services.ingest.channel.signature import (
    base64_digest,
    require_fresh,
    require_header,
    require_match,
    require_secrets_match,
    utf8,
)
from shared.contracts.event import (
    ActorKind,
    Attachment,
    Interaction,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.contracts.event import Channel as EventChannel
from shared.handles import normalise

SIGNATURE_HEADER = "X-Zendesk-Webhook-Signature"
TIMESTAMP_HEADER = "X-Zendesk-Webhook-Signature-Timestamp"
CONVERSATIONS_HEADER = "X-API-Key"
WINDOW = timedelta(hours=1)
_PREFIX = "zen:event-type:"
_DONE = frozenset({"SOLVED", "CLOSED"})
# As events name them, and as a trigger's {{ticket.via}} does.
_CHANNELS: dict[str, EventChannel] = {
    "email": "email",
    "mail": "email",
    "voice": "phone",
    "phone_call_inbound": "phone",
    "phone_call_outbound": "phone",
    "voicemail": "phone",
    "web": "web",
    "web_form": "web",
    "sms": "sms",
    "text_message": "sms",
    "twitter": "social",
    "facebook": "social",
}
_CHATTERS: dict[str, ActorKind] = {"end_user": "customer", "agent": "agent"}
_SATISFIED = {"GOOD": 1.0, "BAD": 0.0}
_SCORES = frozenset(
    {"ticket.csat_received", "ticket.customer_satisfaction_score_changed", "ticket.csat_rating_changed"}
)


class Zendesk(Channel):
    name = "zendesk"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        if _is_unsigned_messaging(request):
            secrets = secrets_of(credentials, "conversations_secret")
            require_match(secrets, require_header(request, CONVERSATIONS_HEADER), "secret")
            return
        secrets = secrets_of(credentials, "signing_secret")
        timestamp = require_header(request, TIMESTAMP_HEADER)
        given = require_header(request, SIGNATURE_HEADER)
        message = utf8(timestamp) + request.body
        require_secrets_match(secrets, given, lambda secret: base64_digest(secret, message))
        instant = instant_of(timestamp)
        if instant is None:
            raise SignatureError("the timestamp is no date")
        require_fresh(instant, request.received_at, WINDOW)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        parse = ChannelParse()
        if not request.body.strip():
            parse.ignore("empty")
            return parse
        body = json_object(request.body)
        kind = (text_of(body, "type") or "").removeprefix(_PREFIX)
        if isinstance(body.get("events"), list):
            for event in list_of(body, "events"):
                _read_messaging(request, body, event, parse)
        elif kind.startswith("ticket."):
            _read_ticket(request, body, kind, parse)
        elif kind == "messaging_ticket.message_added":
            _read_chat(request, body, object_of(body, "event"), parse)
        elif text_of(body, "ticket_id") and text_of(body, "comment"):
            _read_trigger(request, body, parse)
        else:
            parse.ignore("unknown_kind")
        return parse


def _is_unsigned_messaging(request: ChannelRequest) -> bool:
    if request.header(SIGNATURE_HEADER) is not None or request.header(CONVERSATIONS_HEADER) is None:
        return False
    try:
        return isinstance(json_object(request.body).get("events"), list)
    except PayloadError:
        return False


def _frame(request: ChannelRequest, body: dict[str, Json], event_id: str | None, **parts: object) -> Interaction:
    detail = object_of(body, "detail")
    account, requester = text_of(body, "account_id") or "account", text_of(detail, "requester_id")
    return draft(
        request,
        platform="zendesk",
        namespace=account,
        event_id=event_id,
        kind=str(parts.get("kind") or "event"),
        channel=_channel_of(text_of(detail, "via", "channel")),
        direction="inbound" if parts.get("is_customer", True) else "outbound",
        handles=[normalise("zendesk", f"{account}/{requester}") if requester else None],
        customer_id=text_of(detail, "external_id") if parts.get("use_external_id") else None,
        actor_kind="customer" if parts.get("is_customer", True) else "agent",
        sender=text_of(parts.get("sender")) or requester,
        sender_name=text_of(parts.get("sender_name")),
        occurred_at=instant_of(body, "time"),
        conversation=text_of(detail, "id"),
        subject=text_of(detail, "subject"),
        text=text if isinstance(text := parts.get("text"), str) else None,
        attachments=[
            attachment(
                text_of(a, "filename"), text_of(a, "content_type"), text_of(a, "content_url"), number_of(a, "size")
            )
            for a in list_of(parts.get("attachments"))
        ],
        attributes={
            "ticket": text_of(detail, "id"),
            "status": text_of(detail, "status"),
            "provider_event_id": text_of(body, "id"),
        },
    )


def _channel_of(via: str | None) -> EventChannel:
    name = (via or "").lower().replace(" ", "_").replace("(", "").replace(")", "")
    return _CHANNELS.get(name, "chat")


def _read_ticket(request: ChannelRequest, body: dict[str, Json], kind: str, parse: ChannelParse) -> None:
    detail, event = object_of(body, "detail"), object_of(body, "event")
    ticket = text_of(detail, "id")
    event_id = text_of(body, "id")
    if ticket is None:
        parse.ignore("without_ticket")
    elif kind == "ticket.comment_added":
        _read_comment(request, body, object_of(event, "comment"), parse)
    elif kind == "ticket.created":
        parse.add(ticket_event(TicketOpened, _opening(request, body, event_id), ticket, text_of(detail, "priority")))
    elif kind == "ticket.status_changed":
        now, before = str(event.get("current")).upper(), str(event.get("previous")).upper()
        if now in _DONE and before not in _DONE:
            parse.add(ticket_event(TicketResolved, _frame(request, body, event_id, is_customer=False), ticket, None))
        elif before in _DONE and now not in _DONE:
            parse.add(ticket_event(TicketReopened, _frame(request, body, event_id), ticket, None))
        else:
            parse.ignore("status_change")
    elif kind in _SCORES:
        _read_score(request, body, event, parse)
    else:
        parse.ignore("unknown_kind")


def _opening(request: ChannelRequest, body: dict[str, Json], event_id: str | None) -> Interaction:
    """Return who opened a ticket with which words: its submitter wrote them, who may be an agent with a note of a call.

    Source: https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/ (the
    submitter is the first comment's author). By the API a form submits its customers' words under the company's name.
    """
    detail = object_of(body, "detail")
    submitter, requester = text_of(detail, "submitter_id"), text_of(detail, "requester_id")
    is_customer = submitter in (None, requester) or text_of(detail, "via", "channel") == "api"
    is_note = detail.get("is_public") is False
    return _frame(
        request,
        body,
        event_id,
        is_customer=is_customer,
        sender=None if is_customer else submitter,
        text=None if is_note else text_of(detail, "description"),
    )


def _read_comment(
    request: ChannelRequest, body: dict[str, Json], comment: dict[str, Json], parse: ChannelParse
) -> None:
    if comment.get("is_public") is False:
        parse.ignore("private_note")
        return
    author = object_of(comment, "author")
    parse.add(
        _frame(
            request,
            body,
            text_of(comment, "id") or text_of(body, "id"),
            kind="message",
            is_customer=author.get("is_staff") is not True,
            sender=author.get("id"),
            sender_name=author.get("name"),
            text=text_of(comment, "body") or "",
            attachments=comment.get("attachments"),
        )
    )


def _read_score(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    """Zendesk's good/bad answers are a two-point scale; newer surveys answer with a number from 1 to 5."""
    current = event.get("satisfaction_score", event.get("current"))
    label = str(member(current, "score") if isinstance(current, dict) else current).upper()
    number = number_of(current) if not isinstance(current, dict) else number_of(current, "score")
    score = _SATISFIED.get(label.removesuffix("_WITH_COMMENT"), number)
    if score is None or score > 5:
        parse.ignore("without_score")
        return
    is_binary = number is None
    frame = _frame(request, body, text_of(body, "id"), text=text_of(current, "comment"))
    parse.add(survey_answer(frame, "csat", score, (0, 1) if is_binary else (1, 5)))


def _read_messaging(request: ChannelRequest, body: dict[str, Json], event: Json, parse: ChannelParse) -> None:
    """Messaging (Sunshine Conversations): `conversation:message` with an author of type user or business."""
    message = object_of(event, "payload", "message")
    author = object_of(message, "author")
    if member(event, "type") == "conversation:postback":
        _read_tap(request, body, event, parse)
        return
    if member(event, "type") != "conversation:message":
        parse.ignore("unknown_kind")
        return
    is_customer = author.get("type") == "user"
    user = text_of(author, "userId") or text_of(author, "user", "id")
    content = object_of(message, "content")
    parse.add(
        draft(
            request,
            platform="zendesk",
            namespace=text_of(body, "app", "id"),
            event_id=text_of(message, "id"),
            direction="inbound" if is_customer else "outbound",
            handles=[normalise("zendesk", user) if is_customer and user else None],
            customer_id=(text_of(author, "userExternalId") or text_of(author, "user", "externalId"))
            if is_customer
            else None,
            actor_kind="customer" if is_customer else ("bot" if author.get("subtypes") == ["AI"] else "agent"),
            sender=user,
            sender_name=text_of(author, "displayName"),
            occurred_at=instant_of(message, "received"),
            conversation=text_of(event, "payload", "conversation", "id"),
            text=text_of(content, "text") or text_of(content, "textFallback") or "",
            attachments=_shown(content),
            attributes={"network": text_of(message, "source", "type")},
        )
    )


def _read_chat(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    """Messaging as a ticket's event. What agents and bots write names no customer, so the edge counts it as nobody's.

    Source: https://developer.zendesk.com/api-reference/webhooks/event-types/messaging-events
    """
    actor = object_of(event, "actor")
    if not object_of(event, "message"):
        parse.ignore("unknown_kind")
        return
    kind: ActorKind = _CHATTERS.get(text_of(actor, "type") or "", "bot")
    account, person = text_of(body, "account_id") or "account", text_of(actor, "id")
    ticket = text_of(body, "detail", "id")
    parse.add(
        draft(
            request,
            platform="zendesk",
            namespace=account,
            event_id=text_of(event, "message", "id") or text_of(body, "id"),
            direction="inbound" if kind == "customer" else "outbound",
            handles=[normalise("zendesk", f"{account}/{person}") if kind == "customer" and person else None],
            actor_kind=kind,
            sender=person,
            sender_name=text_of(actor, "name"),
            occurred_at=instant_of(body, "time"),
            conversation=text_of(event, "conversation_id") or ticket,
            text=text_of(event, "message", "body") or "",
            attributes={"ticket": ticket, "provider_event_id": text_of(body, "id")},
        )
    )


def _shown(content: dict[str, Json]) -> list[Attachment]:
    media = text_of(content, "mediaUrl")
    if media:
        size = number_of(content, "mediaSize")
        return [attachment(text_of(content, "altText"), text_of(content, "mediaType"), media, size)]
    if content.get("type") == "location":
        return [attachment(text_of(content, "location", "name") or "location", "application/geo+json")]
    return []


def _read_tap(request: ChannelRequest, body: dict[str, Json], event: Json, parse: ChannelParse) -> None:
    payload = object_of(event, "payload")
    user = text_of(payload, "user", "id")
    if user is None:
        parse.ignore("without_sender")
        return
    parse.add(
        draft(
            request,
            platform="zendesk",
            namespace=text_of(body, "app", "id"),
            event_id=text_of(event, "id"),
            kind="interaction",
            handles=[normalise("zendesk", user)],
            customer_id=text_of(payload, "user", "externalId"),
            sender=user,
            occurred_at=instant_of(event, "createdAt"),
            conversation=text_of(payload, "conversation", "id"),
            text=text_of(payload, "postback", "displayName"),
            attributes={"payload": text_of(payload, "postback", "payload")},
        )
    )


def _read_trigger(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    """The template our page gives for a trigger: ticket_id, comment, requester_email, author, is_agent, …"""
    is_agent = str(body.get("is_agent")).lower() in ("true", "1", "yes")
    email = text_of(body, "requester_email")
    ticket = text_of(body, "ticket_id")
    parse.add(
        draft(
            request,
            platform="zendesk",
            namespace=text_of(body, "account"),
            event_id=text_of(body, "comment_id") or None,
            channel=_channel_of(text_of(body, "channel")),
            direction="outbound" if is_agent else "inbound",
            handles=[
                normalise("mailto", email or ""),
                normalise("tel", text_of(body, "requester_phone") or ""),
            ],
            customer_id=text_of(body, "requester_external_id"),
            actor_kind="agent" if is_agent else "customer",
            sender=text_of(body, "author") or email,
            sender_name=text_of(body, "author_name"),
            occurred_at=instant_of(body, "created_at"),
            conversation=ticket,
            subject=text_of(body, "subject"),
            text=text_of(body, "comment"),
            attributes={"ticket": ticket, "status": text_of(body, "status")},
        )
    )
