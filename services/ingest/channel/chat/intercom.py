"""Intercom. Signature: hex HMAC-SHA1 of the raw body, `X-Hub-Signature: sha1=…`.

Source: https://developers.intercom.com/docs/webhooks and …/webhooks/setting-up-webhooks (the HEAD request).
"""

import html
import re

from msgspec import structs

from services.ingest.channel.draft import attachment, draft, survey_answer
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, object_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    secrets_of,
)
from services.ingest.channel.signature import hex_digest, require_header, require_prefix, require_secrets_match
from services.ingest.identity.handles import normalise
from shared.contracts.event import ActorKind, Attachment, EventBase

SIGNATURE_HEADER = "X-Hub-Signature"
_PICTURE = re.compile(r'<img\b[^>]{0,2000}?\bsrc="([^"]{1,2048})"', re.IGNORECASE)
_MAX_BODY = 200_000
_CUSTOMERS = frozenset({"user", "lead", "contact", "visitor"})
_BOTS = frozenset({"bot", "operator"})
_MESSAGE_TOPICS = frozenset(
    {
        "conversation.user.created",
        "conversation.user.replied",
        "conversation.admin.replied",
        "conversation.admin.single.created",
        "conversation.operator.replied",
    }
)
_RATING_TOPICS = frozenset({"conversation.rating.added", "conversation.rating.created"})


class Intercom(Channel):
    name = "intercom"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:  # noqa: ARG002
        """Return the bare 200 to the HEAD request by which Intercom checks an address that is being set up."""
        return ChannelResponse() if request.method == "HEAD" else None

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "client_secret")
        given = require_prefix(require_header(request, SIGNATURE_HEADER), "sha1=", SIGNATURE_HEADER)
        require_secrets_match(secrets, given, lambda secret: hex_digest(secret, request.body, "sha1"))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        body = json_object(request.body)
        topic, item = text_of(body, "topic") or "", object_of(body, "data", "item")
        parse = ChannelParse()
        if topic in _MESSAGE_TOPICS:
            _read_conversation(request, body, item, topic, parse)
        elif topic in _RATING_TOPICS:
            _read_rating(request, body, item, parse)
        elif topic in ("contact.unsubscribed", "user.unsubscribed", "contact.lead.unsubscribed"):
            parse.add(_act(request, body, item, topic))
        else:
            parse.ignore("handshake" if topic == "ping" else "unknown_kind")
        return parse


def _read_conversation(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], topic: str, parse: ChannelParse
) -> None:
    """The newest part is what was said; a conversation just created says it in its source (or first message)."""
    conversation = text_of(item, "id")
    parts = [p for p in list_of(item, "conversation_parts", "conversation_parts") if isinstance(p, dict)]
    opening = object_of(item, "source") or object_of(item, "conversation_message")
    said = [p for p in parts if text_of(p, "body") or list_of(p, "attachments")]
    for part in said or ([opening] if opening else []):
        author = object_of(part, "author")
        actor = _actor_kind(text_of(author, "type") or ("user" if ".user." in topic else "admin"))
        person = _known(author, item) if actor == "customer" else _contact(item)
        parse.add(
            draft(
                request,
                platform="intercom",
                namespace=text_of(body, "app_id"),
                event_id=text_of(part, "id") or text_of(body, "id"),
                direction="inbound" if actor == "customer" else "outbound",
                handles=_handles(body, person),
                customer_id=text_of(person, "external_id") or text_of(person, "user_id"),
                actor_kind=actor,
                sender=text_of(author, "id"),
                sender_name=text_of(author, "name"),
                occurred_at=instant_of(part, "created_at")
                or instant_of(item, "created_at" if not said else "updated_at")
                or instant_of(body, "created_at"),
                conversation=conversation,
                subject=text_of_html(text_of(part, "subject") or "") or None,
                text=text_of_html(text_of(part, "body") or ""),
                attachments=_attachments(part),
                attributes={
                    "topic": topic,
                    "part_type": text_of(part, "part_type"),
                    "provider_event_id": text_of(body, "id"),
                },
            )
        )
    if not said and not opening:
        parse.ignore("without_text")


def _read_rating(request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], parse: ChannelParse) -> None:
    """A conversation's rating is a CSAT answer from 1 to 5."""
    rating = object_of(item, "conversation_rating")
    score = number_of(rating, "rating")
    if score is None or not 1 <= score <= 5:
        parse.ignore("without_score")
        return
    frame = _act(request, body, item, "rating", text_of(rating, "remark"))
    told = structs.replace(
        frame, occurred_at=instant_of(rating, "created_at") or frame.occurred_at, text=frame.text or None
    )
    parse.add(survey_answer(told, "csat", score, (1, 5)))


def _act(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], event: str, text: str | None = None
) -> EventBase:
    person = _contact(item)
    return draft(
        request,
        platform="intercom",
        namespace=text_of(body, "app_id"),
        event_id=text_of(body, "id") or f"{text_of(item, 'id')}:{event}",
        kind="event",
        handles=_handles(body, person),
        customer_id=text_of(person, "external_id") or text_of(person, "user_id"),
        sender=text_of(person, "id"),
        sender_name=text_of(person, "name"),
        occurred_at=instant_of(body, "created_at"),
        conversation=text_of(item, "id"),
        text=text,
        attributes={"event": event},
    )


def _contact(item: dict[str, Json]) -> dict[str, Json]:
    """Return the customer of a conversation, wherever this API version puts it; a contact item is its own."""
    return (
        object_of(item, "contacts", "contacts", 0)
        or object_of(item, "user")
        or object_of(item, "contact")
        or object_of(item, "source", "author")
        or item
    )


def _known(author: dict[str, Json], item: dict[str, Json]) -> dict[str, Json]:
    """Return the author with what the conversation's contact of the same id adds, the company's own id above all."""
    contact = _contact(item)
    return {**contact, **author} if text_of(contact, "id") == text_of(author, "id") else author


def _actor_kind(author_type: str) -> ActorKind:
    if author_type in _CUSTOMERS:
        return "customer"
    return "bot" if author_type in _BOTS else "agent"


def _handles(body: dict[str, Json], person: dict[str, Json]) -> list[str | None]:
    app = text_of(body, "app_id") or "app"
    own = text_of(person, "id")
    return [
        normalise("mailto", text_of(person, "email") or ""),
        normalise("tel", text_of(person, "phone") or ""),
        normalise("intercom", f"{app}/{own}") if own else None,
    ]


def _attachments(part: dict[str, Json]) -> list[Attachment]:
    """Return the files; pictures put between the words stand in the body alone."""
    files = [
        attachment(text_of(a, "name"), text_of(a, "content_type"), text_of(a, "url"), number_of(a, "filesize"))
        for a in list_of(part, "attachments")
        if isinstance(a, dict)
    ]
    pictures = _PICTURE.findall((text_of(part, "body") or "")[:_MAX_BODY])
    return files + [attachment("image", "image/*", html.unescape(address)) for address in pictures]
