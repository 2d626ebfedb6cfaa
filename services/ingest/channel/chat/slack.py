"""Slack: messages of a workspace or a Slack Connect channel, through the Events API.

Signature: https://api.slack.com/authentication/verifying-requests-from-slack (`v0=` hex of `v0:timestamp:body`).
"""

from datetime import timedelta

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import (
    Json,
    first,
    form_fields,
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
    ChannelResponse,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
    setting_list,
)
from services.ingest.channel.signature import (
    hex_digest,
    require_header,
    require_secrets_match,
    require_unix_fresh,
    utf8,
)
from shared.contracts.event import Actor, Attachment, Interaction
from shared.handles import normalise

SIGNATURE_HEADER = "X-Slack-Signature"
TIMESTAMP_HEADER = "X-Slack-Request-Timestamp"
WINDOW = timedelta(seconds=300)
_USER_SUBTYPES = frozenset({"file_share", "thread_broadcast", "me_message", "document_mention"})
_SLACKBOT = "USLACKBOT"
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


class Slack(Channel):
    name = "slack"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:
        """Return the `challenge` of a `url_verification` delivery, which must be signed once we have a secret."""
        if b"url_verification" not in request.body:
            return None
        try:
            if setting_list(credentials, "signing_secret"):
                self.verify(request, credentials)
            body = json_object(request.body)
        except (SignatureError, PayloadError):
            return None
        answer = text_of(body, "challenge")
        if body.get("type") != "url_verification" or answer is None:
            return None
        return ChannelResponse(body=utf8(answer))

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "signing_secret")
        timestamp = require_header(request, TIMESTAMP_HEADER)
        given = require_header(request, SIGNATURE_HEADER)
        require_unix_fresh(timestamp, request.received_at, WINDOW)
        message = b"v0:" + utf8(timestamp) + b":" + request.body
        require_secrets_match(secrets, given, lambda secret: "v0=" + hex_digest(secret, message))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        parse = ChannelParse()
        if request.media_type == "application/x-www-form-urlencoded":
            _read_form(request, parse)
            return parse
        body = json_object(request.body)
        event = object_of(body, "event")
        if body.get("type") == "url_verification":
            parse.ignore("handshake")
        elif event.get("type") in ("message", "app_mention"):
            _read_message(request, body, event, parse)
        elif event.get("type") in ("reaction_added", "reaction_removed"):
            _read_reaction(request, body, event, parse)
        else:
            parse.ignore("unknown_kind")
        return parse


def _read_message(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    subtype = text_of(event, "subtype")
    if subtype == "message_changed":
        _read_change(request, body, event, parse)
    elif subtype == "message_deleted":
        _read_deletion(request, body, event, parse)
    elif subtype is None or subtype in _USER_SUBTYPES or subtype == "bot_message":
        ts = text_of(event, "ts") or text_of(event, "event_ts")
        message_id = ts or text_of(event, "client_msg_id") or text_of(body, "event_id")
        parse.add(_message(request, body, event, event, "message", message_id, message_id))
    else:
        parse.ignore("channel_notice")


def _read_change(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    message = object_of(event, "message")
    message_id = text_of(message, "ts") or text_of(event, "previous_message", "ts")
    if member(message, "subtype") == "tombstone":
        _read_deletion(request, body, event, parse)
    elif message.get("text") == member(event, "previous_message", "text") and "edited" not in message:
        parse.ignore("link_preview")
    else:
        edited = text_of(message, "edited", "ts") or text_of(event, "ts")
        event_id = f"{message_id}:edit:{edited}" if message_id else text_of(body, "event_id")
        parse.add(_message(request, body, event, message, "edit", event_id, message_id))


def _read_deletion(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    previous = object_of(event, "previous_message")
    message_id = text_of(event, "deleted_ts") or text_of(previous, "ts")
    parse.add(
        _message(
            request,
            body,
            event,
            {name: previous.get(name) for name in ("user", "bot_id", "user_team", "source_team", "team")},
            "deletion",
            f"{message_id}:deletion" if message_id else text_of(body, "event_id"),
            message_id,
        )
    )


def _read_reaction(request: ChannelRequest, body: dict[str, Json], event: dict[str, Json], parse: ChannelParse) -> None:
    user, emoji = text_of(event, "user"), text_of(event, "reaction")
    target = text_of(event, "item", "ts")
    conversation = text_of(event, "item", "channel")
    parse.add(
        draft(
            request,
            platform="slack",
            namespace=_namespace(body, conversation),
            event_id=text_of(body, "event_id") or f"{target}:{emoji}:{event.get('type')}",
            kind="reaction",
            handles=[_handle(body, user)],
            sender=user,
            occurred_at=instant_of(event, "event_ts"),
            conversation=conversation,
            reply_to=target,
            message_id=target,
            attributes={"emoji": emoji, "removed": "true" if event.get("type") == "reaction_removed" else None},
        )
    )


def _message(
    request: ChannelRequest,
    body: dict[str, Json],
    event: dict[str, Json],
    message: dict[str, Json],
    kind: str,
    event_id: str | None,
    message_id: str | None,
) -> Interaction:
    conversation = text_of(event, "channel")
    actor = _actor(body, event, message)
    instant = instant_of(event, "ts") or instant_of(event, "event_ts") or instant_of(body, "event_time")
    return draft(
        request,
        platform="slack",
        namespace=_namespace(body, conversation),
        event_id=event_id,
        kind=kind,
        direction="inbound" if actor.kind == "customer" else "outbound",
        handles=[_handle(body, actor.id if actor.kind == "customer" else conversation)],
        actor_kind=actor.kind,
        sender=actor.id,
        sender_name=actor.name,
        occurred_at=instant,
        conversation=conversation,
        reply_to=text_of(event, "thread_ts") if text_of(event, "thread_ts") != message_id else None,
        text=None if kind == "deletion" else _plain(text_of(message, "text") or ""),
        attachments=_files(message),
        message_id=message_id,
        attributes={
            "provider_event_id": text_of(body, "event_id"),
            "subtype": text_of(event, "subtype"),
            "thread": text_of(event, "thread_ts"),
            "channel_type": text_of(event, "channel_type"),
        },
    )


def _actor(body: dict[str, Json], event: dict[str, Json], message: dict[str, Json]) -> Actor:
    """Return who wrote; `bot_id` (also on messages of apps that act for a user) and `bot_message` are bots."""
    user, bot = text_of(message, "user"), text_of(message, "bot_id")
    if bot or message.get("subtype") == "bot_message" or user == _SLACKBOT:
        return Actor("bot", bot or user, text_of(message, "username") or text_of(message, "bot_profile", "name"))
    is_own = _is_own_staff(body, {**event, **message})
    return Actor("agent" if is_own else "customer", user, text_of(message, "user_profile", "real_name"))


def _is_own_staff(body: dict[str, Json], message: dict[str, Json]) -> bool:
    """Return whether, in a channel shared with another company, one of ours wrote: the app's workspace is the author's.

    In a channel of one workspace alone nothing tells staff from customers.
    """
    home = text_of(body, "authorizations", 0, "team_id") or text_of(body, "team_id")
    written_from = text_of(message, "user_team") or text_of(message, "source_team") or text_of(message, "team")
    return body.get("is_ext_shared_channel") is True and written_from is not None and written_from == home


def _files(message: dict[str, Json]) -> list[Attachment]:
    return [
        attachment(
            text_of(file, "name") or text_of(file, "title"),
            text_of(file, "mimetype"),
            text_of(file, "url_private_download") or text_of(file, "url_private"),
            number_of(file, "size"),
        )
        for file in list_of(message, "files")
        if isinstance(file, dict)
    ]


def _namespace(body: dict[str, Json], conversation: str | None) -> str:
    return "/".join(part for part in (text_of(body, "team_id"), conversation) if part)


def _handle(body: dict[str, Json], user: str | None) -> str | None:
    team = text_of(body, "team_id") or text_of(body, "event", "team")
    return normalise("slack", f"{team}/{user}" if team else user) if user else None


def _plain(text: str) -> str:
    """Undo the three entities Slack escapes; mentions and links stay in Slack's own form."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _read_form(request: ChannelRequest, parse: ChannelParse) -> None:
    """A slash command is a message to an app; interactive payloads are clicks in the team's own messages."""
    fields = form_fields(request.body)
    user, team = first(fields, "user_id"), first(fields, "team_id")
    if first(fields, "command") is None or user is None:
        parse.ignore("interactive" if "payload" in fields else "unknown_kind")
        return
    parse.add(
        draft(
            request,
            platform="slack",
            namespace=f"{team}/{first(fields, 'channel_id')}",
            event_id=first(fields, "trigger_id"),
            kind="interaction",
            handles=[normalise("slack", f"{team}/{user}")],
            sender=user,
            sender_name=first(fields, "user_name"),
            conversation=first(fields, "channel_id"),
            text=first(fields, "text") or "",
            attributes={"command": first(fields, "command")},
        )
    )
