"""Telegram bots. The only proof is a shared token in a header: anyone who learns it can write, so keep it long.

Source: https://core.telegram.org/bots/api#update. `message_id` is unique within a chat only; an edit reuses it.
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
from services.ingest.channel.signature import require_header, require_match
from shared.contracts.event import ActorKind, Attachment
from shared.handles import normalise

TOKEN_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_MESSAGES = {
    "message": "message",
    "edited_message": "edit",
    "channel_post": "message",
    "edited_channel_post": "edit",
    "business_message": "message",
    "edited_business_message": "edit",
}
_MEDIA = {
    "document": "",
    "audio": "audio/*",
    "video": "video/mp4",
    "voice": "audio/ogg",
    "video_note": "video/mp4",
    "animation": "video/mp4",
    "sticker": "image/webp",
}
_CONTENT = (
    "text",
    "caption",
    "photo",
    *_MEDIA,
    "paid_media",
    "story",
    "location",
    "venue",
    "contact",
    "poll",
    "checklist",
    "dice",
    "game",
    "invoice",
    "web_app_data",
)
"""What a person sends; a message with none of it tells of joins, titles, payments, topics and other services."""


class Telegram(Channel):
    name = "telegram"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "secret_token")
        require_match(secrets, require_header(request, TOKEN_HEADER), "secret token")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        update = json_object(request.body)
        parse = ChannelParse()
        name = next((name for name in _MESSAGES if isinstance(update.get(name), dict)), None)
        if name is not None:
            _read_message(request, update[name], _MESSAGES[name], parse)
        elif isinstance(update.get("callback_query"), dict):
            _read_button(request, update["callback_query"], parse)
        elif isinstance(update.get("message_reaction"), dict):
            _read_reaction(request, update, update["message_reaction"], parse)
        elif isinstance(update.get("my_chat_member"), dict):
            _read_membership(request, update, update["my_chat_member"], parse)
        elif isinstance(update.get("deleted_business_messages"), dict):
            parse.ignore("deletion_without_author")
        else:
            parse.ignore("unknown_kind")
        return parse


def _read_message(request: ChannelRequest, message: dict[str, Json], kind: str, parse: ChannelParse) -> None:
    message_id, chat = text_of(message, "message_id"), text_of(message, "chat", "id")
    author = _author(message)
    writer = text_of(author, "id") or chat
    if message_id is None or writer is None:
        parse.ignore("without_sender")
        return
    if all(message.get(name) is None for name in _CONTENT):
        parse.ignore("system_notice")
        return
    actor = _actor(message, author)
    is_customer = actor == "customer"
    edited = text_of(message, "edit_date")
    parse.add(
        draft(
            request,
            platform="telegram",
            namespace=chat,
            event_id=f"{message_id}:edit:{edited or ''}" if kind == "edit" else message_id,
            kind=kind,
            direction="inbound" if is_customer else "outbound",
            handles=[normalise("telegram", (writer if is_customer else chat) or "")],
            actor_kind=actor,
            sender=writer,
            sender_name=_name(author),
            occurred_at=instant_of(message, "date"),
            conversation=chat,
            reply_to=text_of(message, "reply_to_message", "message_id"),
            language=text_of(author, "language_code"),
            text=_text(message),
            attachments=_attachments(message),
            message_id=message_id,
            attributes={
                "username": text_of(author, "username"),
                "chat_type": text_of(message, "chat", "type"),
                "chat_title": text_of(message, "chat", "title"),
                "edited_at": stamp.isoformat() if (stamp := instant_of(message, "edit_date")) else None,
                "forwarded": "true" if message.get("forward_origin") or message.get("forward_from") else None,
                "media_group": text_of(message, "media_group_id"),
                "thread": text_of(message, "message_thread_id"),
            },
        )
    )


def _author(message: dict[str, Json]) -> dict[str, Json]:
    """Return who wrote; for one who writes as a channel or as the group, `from` holds a stand-in of Telegram's."""
    return object_of(message, "sender_chat") or object_of(message, "from")


def _actor(message: dict[str, Json], author: dict[str, Json]) -> ActorKind:
    """Return whose side wrote.

    The group's or channel's own voice (an administrator, a post) is the company's, and so is, in the private chat of a
    business account, whoever is not that chat's person.
    """
    chat = object_of(message, "chat")
    if author.get("is_bot") is True or object_of(message, "sender_business_bot"):
        return "bot"
    is_own_voice = bool(object_of(message, "sender_chat")) and text_of(author, "id") == text_of(chat, "id")
    is_owner = (
        message.get("business_connection_id") is not None
        and chat.get("type") == "private"
        and text_of(author, "id") != text_of(chat, "id")
    )
    return "agent" if is_own_voice or is_owner or message.get("is_automatic_forward") is True else "customer"


def _name(author: dict[str, Json]) -> str | None:
    names = [text for key in ("first_name", "last_name") if (text := text_of(author, key))]
    return " ".join(names) or text_of(author, "title") or text_of(author, "username")


def _text(message: dict[str, Json]) -> str:
    """Return what was written; a web app's data counts unless it is a JSON document for a program."""
    written = text_of(message, "text") or text_of(message, "caption")
    if written is not None:
        return written
    if object_of(message, "venue"):
        return ", ".join(t for key in ("title", "address") if (t := text_of(message, "venue", key)))
    if object_of(message, "web_app_data"):
        data = text_of(message, "web_app_data", "data") or ""
        return text_of(message, "web_app_data", "button_text") or "" if data.lstrip().startswith(("{", "[")) else data
    if object_of(message, "contact"):
        names = [t for key in ("first_name", "last_name") if (t := text_of(message, "contact", key))]
        phone = text_of(message, "contact", "phone_number")
        return f"{' '.join(names)} ({phone})" if phone else " ".join(names)
    tasks = [text for task in list_of(message, "checklist", "tasks") if (text := text_of(task, "text"))]
    if tasks:
        return "\n".join((text_of(message, "checklist", "title") or "", *tasks)).strip()
    named = (("poll", "question"), ("dice", "emoji"), ("game", "title"), ("invoice", "title"))
    return next((text for path in named if (text := text_of(message, *path))), "")


def _attachments(message: dict[str, Json]) -> list[Attachment]:
    found: list[Attachment] = []
    photos = [photo for photo in list_of(message, "photo") if isinstance(photo, dict)]
    if photos:
        found.append(attachment("photo", "image/jpeg", size_bytes=number_of(photos[-1], "file_size")))
    for kind, media_type in _MEDIA.items():
        media = member(message, kind)
        if isinstance(media, dict) and not (kind == "document" and object_of(message, "animation")):
            found.append(
                attachment(
                    text_of(media, "file_name") or kind,
                    text_of(media, "mime_type") or media_type,
                    size_bytes=number_of(media, "file_size"),
                )
            )
    found += [attachment("paid media") for _ in list_of(message, "paid_media", "paid_media")]
    if object_of(message, "story"):
        found.append(attachment("story"))
    if object_of(message, "location") or object_of(message, "venue"):
        found.append(attachment("location", "application/geo+json"))
    return found


def _read_button(request: ChannelRequest, query: dict[str, Json], parse: ChannelParse) -> None:
    author, chat = object_of(query, "from"), text_of(query, "message", "chat", "id")
    writer = text_of(author, "id")
    if writer is None:
        parse.ignore("without_sender")
        return
    parse.add(
        draft(
            request,
            platform="telegram",
            namespace=chat,
            event_id=text_of(query, "id"),
            kind="interaction",
            handles=[normalise("telegram", writer)],
            sender=writer,
            sender_name=_name(author),
            conversation=chat or text_of(query, "chat_instance"),
            reply_to=text_of(query, "message", "message_id") or text_of(query, "inline_message_id"),
            language=text_of(author, "language_code"),
            attributes={"data": text_of(query, "data"), "username": text_of(author, "username")},
        )
    )


def _read_reaction(
    request: ChannelRequest, update: dict[str, Json], reaction: dict[str, Json], parse: ChannelParse
) -> None:
    author = object_of(reaction, "user") or object_of(reaction, "actor_chat")
    writer, chat, target = text_of(author, "id"), text_of(reaction, "chat", "id"), text_of(reaction, "message_id")
    if writer is None:
        parse.ignore("without_sender")
        return
    chosen = list_of(reaction, "new_reaction")
    emoji = "".join(text_of(item, "emoji") or "" for item in chosen)
    parse.add(
        draft(
            request,
            platform="telegram",
            namespace=chat,
            event_id=f"{target}:reaction:{text_of(update, 'update_id') or ''}",
            kind="reaction",
            handles=[normalise("telegram", writer)],
            sender=writer,
            sender_name=_name(author),
            occurred_at=instant_of(reaction, "date"),
            conversation=chat,
            reply_to=target,
            message_id=target,
            attributes={
                "emoji": emoji,
                "custom_emoji": text_of(chosen, 0, "custom_emoji_id"),
                "removed": None if chosen else "true",
            },
        )
    )


def _read_membership(
    request: ChannelRequest, update: dict[str, Json], change: dict[str, Json], parse: ChannelParse
) -> None:
    """A person who blocks the bot ("kicked" in a private chat) has left; coming back is "member" again."""
    status, writer = text_of(change, "new_chat_member", "status"), text_of(change, "from", "id")
    chat = text_of(change, "chat", "id")
    if text_of(change, "chat", "type") != "private" or writer is None:
        parse.ignore("system_notice")
        return
    parse.add(
        draft(
            request,
            platform="telegram",
            namespace=chat,
            event_id=f"membership:{text_of(update, 'update_id') or ''}",
            kind="event",
            handles=[normalise("telegram", writer)],
            sender=writer,
            sender_name=_name(object_of(change, "from")),
            occurred_at=instant_of(change, "date"),
            conversation=chat,
            attributes={"event": "blocked" if status == "kicked" else f"membership_{status}"},
        )
    )
