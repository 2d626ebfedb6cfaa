"""WhatsApp Cloud API: one `change` of a delivery. Timestamps are texts of Unix seconds.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
"""

from collections.abc import Mapping

from services.ingest.channel.draft import attachment, draft, merged
from services.ingest.channel.payload import Json, instant_of, list_of, member, number_of, object_of, text_of
from services.ingest.channel.ports import ChannelParse, ChannelRequest
from shared.contracts.event import ActorKind, Attachment, Call, Direction
from shared.handles import normalise

_MEDIA = frozenset({"image", "audio", "video", "document", "sticker", "voice"})
_NUMBER_CHANGES = frozenset({"user_changed_number", "customer_changed_number"})
_NOTICES = frozenset({"system", "request_welcome", "group", "ephemeral"})
_KNOWN = ("messages", "message_echoes", "calls", "user_preferences", "statuses", "errors", "history")


def read_change(request: ChannelRequest, change: dict[str, Json], parse: ChannelParse) -> None:
    """Add what one change of a delivery holds: messages, echoes, calls; statuses and errors are counted only."""
    value = object_of(change, "value")
    contacts = [contact for contact in list_of(value, "contacts") if isinstance(contact, dict)]
    names = {
        text_of(contact, "wa_id") or text_of(contact, "user_id") or "": text_of(contact, "profile", "name")
        for contact in contacts
    }
    for message in list_of(value, "messages"):
        if isinstance(message, dict):
            _read_message(request, value, message, names, parse)
    for echo in list_of(value, "message_echoes"):
        if isinstance(echo, dict):
            _read_echo(request, value, echo, parse)
    for call in list_of(value, "calls"):
        if isinstance(call, dict):
            _read_call(request, value, call, parse)
    for preference in list_of(value, "user_preferences"):
        if isinstance(preference, dict):
            _read_preference(request, preference, names, parse)
    for name, reason in (("statuses", "receipt"), ("errors", "provider_error"), ("history", "history")):
        for _ in list_of(value, name):
            parse.ignore(reason)
    if not any(list_of(value, name) for name in _KNOWN):
        parse.ignore("unknown_kind")


def _read_message(
    request: ChannelRequest,
    value: dict[str, Json],
    message: dict[str, Json],
    names: Mapping[str, str | None],
    parse: ChannelParse,
) -> None:
    sender = text_of(message, "from") or text_of(message, "from_user_id")
    if sender is None:
        parse.ignore("without_sender")
    elif (new := _new_number(message)) is not None:
        _read_new_number(request, message, sender, new, parse)
    elif text_of(message, "type") in _NOTICES:
        parse.ignore("system_notice")
    else:
        name = names.get(sender) or (next(iter(names.values())) if len(names) == 1 else None)
        _add(request, value, message, parse, "inbound", "customer", sender, name, sender)


def _new_number(message: dict[str, Json]) -> str | None:
    """Return the number that a person goes by from now on, where a notice tells of one (`new_wa_id` before v12)."""
    if text_of(message, "system", "type") not in _NUMBER_CHANGES:
        return None
    return text_of(message, "system", "wa_id") or text_of(message, "system", "new_wa_id")


def _read_new_number(
    request: ChannelRequest, message: dict[str, Json], old: str, new: str, parse: ChannelParse
) -> None:
    """What the new number stands for joins what the old one does: the person stays who he was."""
    source, target = normalise("whatsapp", new), normalise("whatsapp", old)
    if source is None or target is None or source == target:
        parse.ignore("system_notice")
        return
    frame = draft(
        request,
        platform="whatsapp",
        event_id=text_of(message, "id") or f"{old}:number:{new}",
        kind="event",
        occurred_at=instant_of(message, "timestamp"),
        attributes={"event": "changed_number"},
    )
    parse.add(merged(frame, source, target))


def _read_echo(request: ChannelRequest, value: dict[str, Json], echo: dict[str, Json], parse: ChannelParse) -> None:
    """An echo is what a person of the company wrote in the WhatsApp Business app."""
    customer = text_of(echo, "to") or text_of(echo, "to_user_id")
    if customer is None:
        parse.ignore("without_sender")
    else:
        _add(request, value, echo, parse, "outbound", "agent", text_of(echo, "from"), None, customer)


def _read_preference(
    request: ChannelRequest, preference: dict[str, Json], names: Mapping[str, str | None], parse: ChannelParse
) -> None:
    """A person who stops (or resumes) the company's marketing messages has acted."""
    number, user_id = text_of(preference, "wa_id"), text_of(preference, "user_id")
    person, choice = number or user_id, text_of(preference, "value")
    if person is None or choice is None:
        parse.ignore("without_sender")
        return
    stamp = text_of(preference, "timestamp") or ""
    parse.add(
        draft(
            request,
            platform="whatsapp",
            event_id=f"{person}:{text_of(preference, 'category') or 'preference'}:{choice}:{stamp}",
            kind="event",
            handles=[normalise("whatsapp", person), normalise("whatsapp", user_id or "")],
            sender=person,
            sender_name=names.get(person),
            occurred_at=instant_of(stamp),
            conversation=person,
            attributes={"event": {"stop": "unsubscribe", "resume": "resubscribe"}.get(choice, choice)},
        )
    )


def _add(
    request: ChannelRequest,
    value: dict[str, Json],
    message: dict[str, Json],
    parse: ChannelParse,
    direction: Direction,
    actor: ActorKind,
    sender: str | None,
    name: str | None,
    customer: str,
) -> None:
    content = _content_of(message)
    kind = _kind_of(message)
    original = text_of(message, str(message.get("type")), "original_message_id")
    own_number = text_of(value, "metadata", "display_phone_number")
    parse.add(
        draft(
            request,
            platform="whatsapp",
            event_id=text_of(message, "id"),
            kind=kind,
            direction=direction,
            handles=[
                normalise("whatsapp", customer),
                normalise(
                    "whatsapp", text_of(message, "from_user_id" if direction == "inbound" else "to_user_id") or ""
                ),
            ],
            actor_kind=actor,
            sender=sender,
            sender_name=name,
            recipient=(own_number if direction == "inbound" else customer),
            occurred_at=instant_of(message, "timestamp"),
            conversation=text_of(message, "group_id") or customer,
            reply_to=text_of(message, "context", "id") or text_of(message, "reaction", "message_id"),
            text=_text_of(content) if kind in ("message", "edit") else None,
            attachments=_attachments(content) if kind in ("message", "edit") else (),
            message_id=original,
            attributes={
                "message_type": text_of(message, "type"),
                "original_message_id": original,
                "emoji": text_of(message, "reaction", "emoji"),
                "removed": "true" if kind == "reaction" and not text_of(message, "reaction", "emoji") else None,
                "forwarded": "true" if _is_forwarded(message) else None,
                "phone_number_id": text_of(value, "metadata", "phone_number_id"),
                "user_id": text_of(message, "from_user_id"),
                "group_id": text_of(message, "group_id"),
                "ad_source": text_of(message, "referral", "source_id"),
                "button_payload": _button_payload(message),
                "call_permission": text_of(message, "interactive", "call_permission_reply", "response"),
            },
        )
    )


def _is_forwarded(message: dict[str, Json]) -> bool:
    return any(member(message, "context", name) is True for name in ("forwarded", "frequently_forwarded"))


def _kind_of(message: dict[str, Json]) -> str:
    kind = message.get("type")
    if kind == "revoke":
        return "deletion"
    if kind in ("edit", "reaction"):
        return str(kind)
    if kind in ("unsupported", "unknown"):
        return "unsupported"
    is_permission = member(message, "interactive", "type") == "call_permission_reply"
    return "interaction" if is_permission else "message"


def _content_of(message: dict[str, Json]) -> dict[str, Json]:
    """Return what carries the text: an edit wraps the new message."""
    wrapped = member(message, "edit", "message")
    return wrapped if isinstance(wrapped, dict) else message


def _text_of(message: dict[str, Json]) -> str:
    """Return the words the person wrote or tapped; media and places may carry none."""
    kind = str(message.get("type"))
    for path in (
        ("text", "body"),
        ("button", "text"),
        ("interactive", "button_reply", "title"),
        ("interactive", "list_reply", "title"),
        ("interactive", "nfm_reply", "body"),
        ("order", "text"),
        (kind, "caption"),
    ):
        found = text_of(message, *path)
        if found is not None:
            return found
    if kind == "location":
        return ", ".join(
            t for t in (text_of(message, "location", "name"), text_of(message, "location", "address")) if t
        )
    return ""


def _attachments(message: dict[str, Json]) -> list[Attachment]:
    kind = str(message.get("type"))
    if kind in _MEDIA:
        media = object_of(message, kind)
        return [attachment(text_of(media, "filename") or kind, text_of(media, "mime_type"), text_of(media, "url"))]
    if kind == "location":
        return [attachment(text_of(message, "location", "name") or "location", "application/geo+json")]
    if kind == "contacts":
        return [attachment(text_of(c, "name", "formatted_name"), "text/vcard") for c in list_of(message, "contacts")]
    return []


def _button_payload(message: dict[str, Json]) -> str | None:
    return (
        text_of(message, "button", "payload")
        or text_of(message, "interactive", "button_reply", "id")
        or text_of(message, "interactive", "list_reply", "id")
    )


def _read_call(request: ChannelRequest, value: dict[str, Json], call: dict[str, Json], parse: ChannelParse) -> None:
    """`connect` starts a call, `terminate` ends it with its duration. Who goes by a username may hide the number."""
    call_id, event = text_of(call, "id"), text_of(call, "event") or "unknown"
    is_inbound = call.get("direction") != "BUSINESS_INITIATED"
    side = "from" if is_inbound else "to"
    user_id = text_of(call, f"{side}_user_id")
    customer = text_of(call, side) or user_id
    if call_id is None or customer is None:
        parse.ignore("call_without_party")
        return
    is_over = event == "terminate"
    parse.add(
        draft(
            request,
            platform="whatsapp",
            event_id=f"{call_id}:{event}" if is_over else call_id,
            kind="call" if is_over else "call_started",
            channel="phone",
            direction="inbound" if is_inbound else "outbound",
            handles=[normalise("whatsapp", customer), normalise("whatsapp", user_id or "")],
            actor_kind="customer" if is_inbound else "agent",
            sender=customer if is_inbound else text_of(call, "from"),
            recipient=text_of(call, "to") if is_inbound else customer,
            occurred_at=instant_of(call, "timestamp"),
            conversation=call_id,
            message_id=call_id,
            attributes={
                "status": text_of(call, "status"),
                "user_id": user_id,
                "phone_number_id": text_of(value, "metadata", "phone_number_id"),
            },
            call=Call(
                duration_s=number_of(call, "duration"),
                disposition=(text_of(call, "status") or event).lower()[:256],
            ),
        )
    )
