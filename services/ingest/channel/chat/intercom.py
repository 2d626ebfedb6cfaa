"""Intercom. Signature: hex HMAC-SHA1 of the raw body, `X-Hub-Signature: sha1=…`.

Source: https://developers.intercom.com/docs/webhooks, …/webhooks/setting-up-webhooks (the HEAD request) and
…/docs/references/2.16/webhooks/webhook-models (topics, where a ticket stands, `merged_from`).
"""

import html
import re
from datetime import datetime

from msgspec import structs

from services.ingest.channel.draft import (
    MAX_SUBJECT,
    attachment,
    clean,
    draft,
    identifier,
    merged,
    named,
    survey_answer,
    ticket_event,
)
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
from shared.contracts.event import (
    Actor,
    ActorKind,
    Attachment,
    Customer,
    CustomerIdentified,
    EventBase,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.contracts.event import Channel as EventChannel
from shared.handles import normalise

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
_TICKET_REPLIES: dict[str, frozenset[ActorKind]] = {
    "ticket.contact.replied": frozenset({"customer"}),
    "ticket.admin.replied": frozenset({"agent", "bot"}),
}
_CONVERSATION_STEPS: dict[str, type[TicketResolved | TicketReopened]] = {
    "conversation.admin.closed": TicketResolved,
    "conversation.admin.opened": TicketReopened,
}
_CHANNELS: dict[str, EventChannel] = {"email": "email", "sms": "sms", "phone_call": "phone"}
# Notes and hand-overs are for colleagues, also with what they do besides (note_and_reopen, assign_and_unsnooze, …).
_AMONG_COLLEAGUES = ("note", "assign", "away_mode_assign", "default_assign")
# The last two tell of a resolution once more, or of a ticket put away unresolved.
_TICKET_STATES = frozenset({"ticket.state.updated", "ticket.resolved", "ticket.closed"})


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
        elif topic in _CONVERSATION_STEPS:
            _read_conversation_step(request, body, item, topic, parse)
        elif topic == "contact.merged":
            _read_merge(request, body, item, parse)
        elif topic in _RATING_TOPICS:
            _read_rating(request, body, item, object_of(item, "conversation_rating"), parse)
        elif topic.startswith("ticket."):
            _read_ticket(request, body, item, topic, parse)
        elif topic in ("contact.unsubscribed", "user.unsubscribed", "contact.lead.unsubscribed"):
            parse.add(_act(request, body, item, topic))
        else:
            parse.ignore("handshake" if topic == "ping" else "unknown_kind")
        return parse


def _read_conversation(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], topic: str, parse: ChannelParse
) -> None:
    """The newest part is what was said; a conversation just created says it in its source (or first message)."""
    parts = [p for p in list_of(item, "conversation_parts", "conversation_parts") if isinstance(p, dict)]
    opening = object_of(item, "source") or object_of(item, "conversation_message")
    said = [p for p in parts if _is_said(p)]
    for part in said or ([opening] if opening else []):
        actor = _actor_kind(text_of(part, "author", "type") or ("user" if ".user." in topic else "admin"))
        near = instant_of(item, "created_at" if not said else "updated_at")
        parse.add(_part(request, body, item, part, actor, near, topic))
    if not said and not opening:
        parse.ignore("without_text")


def _read_conversation_step(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], topic: str, parse: ChannelParse
) -> None:
    """A conversation is closed or opened again by the company, perhaps with a last word. A ticket's tells its state."""
    parts = [p for p in list_of(item, "conversation_parts", "conversation_parts") if isinstance(p, dict)]
    for part in parts:
        if _is_said(part):
            actor = _actor_kind(text_of(part, "author", "type") or "admin")
            parse.add(_part(request, body, item, part, actor, instant_of(item, "updated_at"), topic))
    conversation = text_of(item, "id")
    if conversation is None or object_of(item, "ticket"):
        parse.ignore("status_change")
        return
    last = parts[-1] if parts else {}
    frame = structs.replace(
        _act(request, body, item, topic),
        id=identifier("conversation", conversation, topic, text_of(last, "id") or text_of(item, "updated_at")),
        direction="outbound",
        actor=Actor(_actor_kind(text_of(last, "author", "type") or "admin"), named(text_of(last, "author", "id"))),
    )
    parse.add(ticket_event(_CONVERSATION_STEPS[topic], frame, conversation))


def _read_merge(request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], parse: ChannelParse) -> None:
    """A contact was absorbed into another; versions before 2.15 do not say which one.

    Where the company knows the survivor by an id of its own, the absorbed contact's handle is that customer's. Where it
    does not, what the one handle stands for joins what the other does.
    """
    app, absorbed = text_of(body, "app_id") or "app", text_of(item, "merged_from", "id")
    source = normalise("intercom", f"{app}/{absorbed}") if absorbed else None
    target = normalise("intercom", f"{app}/{text_of(item, 'id')}")
    frame = _act(request, body, item, "contact.merged")
    if source is None or target is None or source == target:
        parse.ignore("merge_without_source")
    elif frame.customer.id is not None:
        known = Customer(frame.customer.id, [*frame.customer.handles, source])
        parse.add(
            CustomerIdentified(
                id=frame.id,
                source=frame.source,
                occurred_at=frame.occurred_at,
                customer=known,
                attributes=frame.attributes,
                name=named(text_of(item, "name")),
            )
        )
    else:
        parse.add(merged(frame, source, target))


def _is_said(part: dict[str, Json]) -> bool:
    """Return whether a part holds words or files for the other side: colleagues' notes are theirs alone."""
    is_internal = (text_of(part, "part_type") or "").startswith(_AMONG_COLLEAGUES)
    return not is_internal and bool(text_of(part, "body") or list_of(part, "attachments"))


def _part(
    request: ChannelRequest,
    body: dict[str, Json],
    item: dict[str, Json],
    part: dict[str, Json],
    actor: ActorKind,
    near: datetime | None,
    topic: str,
) -> EventBase:
    """Return what one part of a conversation or ticket says; `near` is when, if the part itself does not tell."""
    author = object_of(part, "author")
    person = _known(author, item) if actor == "customer" else _contact(item)
    return draft(
        request,
        platform="intercom",
        namespace=text_of(body, "app_id"),
        event_id=text_of(part, "id") or text_of(body, "id"),
        channel=_CHANNELS.get(text_of(item, "source", "type") or text_of(item, "channel") or "", "chat"),
        direction="inbound" if actor == "customer" else "outbound",
        handles=_handles(body, person),
        customer_id=text_of(person, "external_id") or text_of(person, "user_id"),
        actor_kind=actor,
        sender=text_of(author, "id"),
        sender_name=text_of(author, "name"),
        occurred_at=instant_of(part, "created_at") or near or instant_of(body, "created_at"),
        conversation=text_of(item, "id"),
        subject=text_of_html(text_of(part, "subject") or "") or None,
        text=text_of_html(text_of(part, "body") or ""),
        attachments=_attachments(part),
        attributes={
            "topic": topic,
            "part_type": text_of(part, "part_type"),
            "provider_event_id": text_of(body, "id"),
        },
    )


def _read_ticket(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], topic: str, parse: ChannelParse
) -> None:
    """A ticket is the item itself, or stands inside it with the part that was added."""
    ticket = object_of(item, "ticket") or item
    number = text_of(ticket, "id")
    if number is None:
        parse.ignore("without_ticket")
    elif topic == "ticket.note.created" or (text_of(ticket, "category") or "Customer").lower() != "customer":
        parse.ignore("private_note")
    elif topic == "ticket.created":
        about = object_of(ticket, "ticket_attributes")
        told = _act(request, body, ticket, topic, text_of(about, "_default_description_") or "")
        titled = structs.replace(told, subject=clean(text_of(about, "_default_title_") or "", MAX_SUBJECT) or None)
        parse.add(ticket_event(TicketOpened, titled, number))
    elif topic in _TICKET_REPLIES:
        _read_ticket_reply(request, body, item, ticket, topic, parse)
    elif topic in _TICKET_STATES:
        _read_ticket_state(request, body, ticket, number, parse)
    elif topic == "ticket.rating.provided":
        _read_rating(request, body, ticket, _ticket_rating(ticket) or _ticket_rating(item), parse)
    else:
        parse.ignore("unknown_kind")


def _read_ticket_reply(
    request: ChannelRequest,
    body: dict[str, Json],
    item: dict[str, Json],
    ticket: dict[str, Json],
    topic: str,
    parse: ChannelParse,
) -> None:
    """The newest comment of the side that replied; all the ticket's older parts come along each time."""
    added = object_of(item, "ticket_part")
    parts = [added] if added else list_of(ticket, "ticket_parts", "ticket_parts")
    for part in reversed([p for p in parts if isinstance(p, dict)]):
        actor = _actor_kind(text_of(part, "author", "type") or "")
        if _is_said(part) and actor in _TICKET_REPLIES[topic]:
            parse.add(_part(request, body, ticket, part, actor, instant_of(ticket, "updated_at"), topic))
            return
    parse.ignore("without_text")


def _read_ticket_state(
    request: ChannelRequest, body: dict[str, Json], ticket: dict[str, Json], number: str, parse: ChannelParse
) -> None:
    """A ticket is resolved, or no longer is. The event is known by the change, of which several topics may tell."""
    changes = [p for p in list_of(ticket, "ticket_parts", "ticket_parts") if text_of(p, "previous_ticket_state")]
    change = changes[-1] if changes else {}
    now, before = _state(ticket), text_of(change, "previous_ticket_state")
    is_solved = now == "resolved"
    if before == now or not (is_solved or before == "resolved"):
        parse.ignore("status_change")
        return
    frame = _act(request, body, ticket, f"ticket_{now}")
    at = text_of(change, "id") or text_of(ticket, "updated_at")
    known = structs.replace(frame, id=identifier("ticket", number, now, at))
    if is_solved:
        by_company = structs.replace(known, direction="outbound", actor=Actor("agent"))
        parse.add(ticket_event(TicketResolved, by_company, number))
    else:
        parse.add(ticket_event(TicketReopened, known, number))


def _ticket_rating(item: dict[str, Json]) -> dict[str, Json]:
    """Return a ticket's rating. The reference shows none: the conversation's own name is tried, then likely ones."""
    for name in ("conversation_rating", "ticket_rating", "rating"):
        if rating := object_of(item, name):
            return rating
    return item if number_of(item, "rating") is not None else {}


def _state(ticket: dict[str, Json]) -> str:
    """Return a ticket's state: a text in some versions of the API, an object with a category in others."""
    return text_of(ticket, "ticket_state") or text_of(ticket, "ticket_state", "category") or "unknown"


def _read_rating(
    request: ChannelRequest, body: dict[str, Json], item: dict[str, Json], rating: dict[str, Json], parse: ChannelParse
) -> None:
    """A conversation's or ticket's rating is a CSAT answer from 1 to 5."""
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
        or (item if text_of(item, "type") not in ("conversation", "ticket") else {})
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
