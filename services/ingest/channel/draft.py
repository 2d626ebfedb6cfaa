"""Drafting an event from what a provider said, always within the event contract's limits.

Every adapter ends here: texts are cleaned of what the contract refuses (NUL, lone surrogates) and clipped, so that an
event leaving `parse` always decodes again. What was clipped or renamed keeps its original in `attributes`.

Attributes every channel shares:
`kind`          message | edit | deletion | reaction | event | interaction | unsupported | call | call_started |
                recording | transcript | auto_reply | bounce | cloudevent | track | page | …
`platform`      the network the person used (whatsapp, messenger, sms, voice, …)
`message_id`    the provider's id of the message the event is about (equal to the event's id for a plain message)
`recipient`     the provider's id of the other side
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import structs

from services.ingest.channel.ports import ChannelRequest
from shared.contracts.event import (
    Actor,
    ActorKind,
    Attachment,
    Call,
    Channel,
    Customer,
    CustomerMerged,
    Direction,
    EventBase,
    Interaction,
    SurveyAnswered,
    SurveyKind,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.ids import digest_id
from shared.links import minted_id

MAX_TEXT = 200_000
MAX_SUBJECT = 2_000
MAX_ATTRIBUTE = 4_096
MAX_NAME = 256
MAX_ID = 128
MAX_ATTACHMENTS = 64
MAX_HANDLES = 16
MAX_ATTRIBUTES = 64
_FUTURE_TOLERANCE = timedelta(minutes=5)
# Nobody reads them, and each takes six bytes of JSON.
_CONTROL = re.compile("[\x01-\x08\x0b\x0e-\x1f]")
_LANGUAGE = re.compile(r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")
_HANDLE = re.compile(r"^[a-z][a-z0-9_+.-]*:.")


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return at most `limit` characters of `text` without NUL, with other controls and lone surrogates replaced."""
    if len(text) > limit:
        text = text[:limit]
    if "\x00" in text:
        text = text.replace("\x00", "")
    text = _CONTROL.sub(" ", text)
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")[:limit]
    return text


def named(value: str | None, limit: int = MAX_NAME) -> str | None:
    """Return a cleaned name, or None when nothing is left."""
    return (clean(value, limit).strip() or None) if value else None


def identifier(*parts: str | None) -> str:
    """Return the parts joined by ":" when they fit an event id, else a digest of them."""
    joined = ":".join(part for part in parts if part)
    cleaned = clean(joined, MAX_TEXT)
    return cleaned if 0 < len(cleaned) <= MAX_ID else digest_id("evt", joined)


def attachment(
    name: str | None = None, media_type: str | None = None, url: str | None = None, size_bytes: float | None = None
) -> Attachment:
    """Return an attachment's description; an over-long address is left out rather than cut."""
    address = clean(url, 4_000) if url else None
    return Attachment(
        name=clean(name or "", 512),
        media_type=clean(media_type or "", 128),
        size_bytes=int(size_bytes) if size_bytes is not None and 0 <= size_bytes < 2**53 else None,
        url=address if address and len(address) <= 2_048 else None,
    )


def draft(
    request: ChannelRequest,
    *,
    platform: str,
    event_id: str | None,
    kind: str = "message",
    channel: Channel = "chat",
    direction: Direction = "inbound",
    namespace: str | None = None,
    handles: Iterable[str | None] = (),
    customer_id: str | None = None,
    actor_kind: ActorKind = "customer",
    sender: str | None = None,
    sender_name: str | None = None,
    recipient: str | None = None,
    occurred_at: datetime | None = None,
    text: str | None = None,
    subject: str | None = None,
    conversation: str | None = None,
    reply_to: str | None = None,
    language: str | None = None,
    attachments: Iterable[Attachment] = (),
    call: Call | None = None,
    message_id: str | None = None,
    attributes: Mapping[str, str | None] | None = None,
) -> Interaction:
    """Return an interaction within the contract.

    `source` is `platform`, or `platform/namespace` where the provider's ids are unique inside the namespace only.
    `occurred_at` falls back to the arrival. A message without text has the text "". Without an id the event is known by
    all it says and when; without a time too, by the delivery's own bytes, so that the same delivery again is the same.
    """
    when = occurred_at or request.received_at
    original_id = message_id or event_id
    said = {**(attributes or {}), "subject": subject, "conversation": conversation}
    return Interaction(
        id=identifier(event_id)
        if event_id
        else _digest(platform, sender, _moment(request, occurred_at), text, kind, *_sorted(said)),
        source=clean(f"{platform}/{namespace}" if namespace else platform, MAX_NAME),
        occurred_at=when,
        customer=Customer(id=named(customer_id, MAX_ID), handles=_handles(handles)),
        channel=channel,
        direction=direction,
        conversation_id=named(conversation),
        actor=Actor(actor_kind, named(sender), named(sender_name)),
        text=clean(text) if text is not None else ("" if kind == "message" else None),
        subject=clean(subject, MAX_SUBJECT) if subject else None,
        language=language if language and _LANGUAGE.match(language) else None,
        attachments=list(attachments)[:MAX_ATTACHMENTS],
        attributes=_attributes(
            {
                "kind": kind,
                "platform": platform,
                "message_id": original_id,
                "recipient": recipient,
                **(attributes or {}),
            }
        ),
        call=call,
        reply_to=named(reply_to),
    )


def survey_answer(frame: EventBase, kind: SurveyKind, score: float, scale: tuple[float, float]) -> SurveyAnswered:
    """Return the answer that a drafted event tells of; `scale` is the least and the most that could be answered."""
    return SurveyAnswered(
        id=frame.id,
        source=frame.source,
        occurred_at=frame.occurred_at,
        customer=frame.customer,
        channel=frame.channel,
        direction="inbound",
        conversation_id=frame.conversation_id,
        actor=frame.actor,
        text=frame.text,
        attributes=frame.attributes,
        kind=kind,
        score=score,
        scale_min=scale[0],
        scale_max=scale[1],
    )


def merged(frame: EventBase, from_handle: str, into_handle: str) -> CustomerMerged:
    """Return that who had one handle is who has the other."""
    return CustomerMerged(
        id=frame.id,
        source=frame.source,
        occurred_at=frame.occurred_at,
        customer=Customer(minted_id(from_handle)),
        attributes=frame.attributes,
        from_id=minted_id(from_handle),
        into_id=minted_id(into_handle),
    )


def ticket_event(
    kind: type[TicketOpened | TicketResolved | TicketReopened],
    frame: EventBase,
    ticket: str,
    priority: str | None = None,
) -> EventBase:
    """Return the step in a ticket's life that a drafted event tells of."""
    return kind(
        id=frame.id,
        source=frame.source,
        occurred_at=frame.occurred_at,
        customer=frame.customer,
        channel=frame.channel,
        direction=frame.direction,
        conversation_id=frame.conversation_id,
        actor=frame.actor,
        text=frame.text,
        subject=frame.subject,
        attributes=frame.attributes,
        ticket_id=ticket[:MAX_ID],
        priority=priority[:MAX_NAME] if priority else None,
    )


def _digest(*parts: str | None) -> str:
    """Return an id for an event that came without one: all it says, so that two acts of one moment stay two."""
    return digest_id("evt", *(part or "" for part in parts))


def _moment(request: ChannelRequest, occurred_at: datetime | None) -> str:
    return str(occurred_at) if occurred_at else hashlib.blake2b(request.body, digest_size=16).hexdigest()


def _sorted(named_values: Mapping[str, str | None]) -> Iterable[str]:
    return (f"{name}={value}" for name, value in sorted(named_values.items()) if value)


def at_most_present(event: EventBase, now: datetime) -> EventBase:
    """Return the event, dated `now` when a sender's clock put it more than 5 minutes ahead (e-mail dates are claims).

    The claimed instant is kept as the attribute `stated_at`.
    """
    if event.occurred_at <= now + _FUTURE_TOLERANCE:
        return event
    attributes = {**event.attributes, "stated_at": event.occurred_at.isoformat()}
    return structs.replace(event, occurred_at=now, attributes=attributes)


def _handles(handles: Iterable[str | None]) -> list[str]:
    kept: list[str] = []
    for handle in handles:
        if handle and handle not in kept and 3 <= len(handle) <= 320 and _HANDLE.match(handle):
            kept.append(handle)
    return kept[:MAX_HANDLES]


def _attributes(attributes: Mapping[str, str | None]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in attributes.items():
        label = clean(name, MAX_NAME)
        if value and label and len(kept) < MAX_ATTRIBUTES:
            kept[label] = clean(value, MAX_ATTRIBUTE)
    return kept
