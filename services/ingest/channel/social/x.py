"""X (Twitter) Account Activity. Signature: `x-twitter-webhooks-signature: sha256=` and base64; CRC handshake by GET.

Source: https://docs.x.com/x-api/account-activity. X signs the CRC token and the body with the same key, so a server
that answered any token would sign a forged body for whoever asks: only short tokens without JSON's characters pass.
"""

import html
import re

import msgspec

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, member, object_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    SignatureError,
    secrets_of,
)
from services.ingest.channel.signature import (
    base64_digest,
    require_header,
    require_prefix,
    require_secrets_match,
    utf8,
)
from shared.contracts.event import Attachment
from shared.handles import normalise

SIGNATURE_HEADER = "X-Twitter-Webhooks-Signature"
_CRC_TOKEN = re.compile(r"^[A-Za-z0-9_+/=.\-]{1,256}$")
_RECEIPTS = (
    ("direct_message_mark_read_events", "receipt"),
    ("direct_message_indicate_typing_events", "typing"),
    ("follow_events", "follow"),
    ("block_events", "block"),
    ("mute_events", "mute"),
    ("user_event", "revoked"),
    ("tweet_delete_events", "deletion_without_author"),
)


class X(Channel):
    name = "x"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:
        """Return the CRC answer as JSON, signed with the newest secret."""
        token = request.parameter("crc_token")
        if request.method != "GET" or not token or not _CRC_TOKEN.match(token):
            return None
        try:
            secret = secrets_of(credentials, "consumer_secret")[0]
        except SignatureError:
            return None
        answer = {"response_token": "sha256=" + base64_digest(secret, utf8(token))}
        return ChannelResponse(body=msgspec.json.encode(answer), media_type="application/json")

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        if self.challenge(request, credentials) is not None:
            return
        secrets = secrets_of(credentials, "consumer_secret")
        given = require_prefix(require_header(request, SIGNATURE_HEADER), "sha256=", SIGNATURE_HEADER)
        require_secrets_match(secrets, given, lambda secret: base64_digest(secret, request.body))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        parse = ChannelParse()
        if request.method == "GET" and not request.body:
            parse.ignore("handshake")
            return parse
        body = json_object(request.body)
        own = text_of(body, "for_user_id")
        for tweet in list_of(body, "tweet_create_events"):
            _read_tweet(request, tweet, own, parse)
        for message in list_of(body, "direct_message_events"):
            _read_direct(request, body, message, own, parse)
        for like in list_of(body, "favorite_events"):
            _read_like(request, like, own, parse)
        if isinstance(body.get("data"), dict):
            _read_filtered(request, body, parse)
        for name, reason in _RECEIPTS:
            if name in body:
                parse.ignore(reason)
        if not parse.events and not parse.ignored:
            parse.ignore("unknown_kind")
        return parse


def _read_tweet(request: ChannelRequest, tweet: Json, own: str | None, parse: ChannelParse) -> None:
    """A post that is ours is the company speaking; a repost says nothing new."""
    author, author_id = object_of(tweet, "user"), _id(tweet, "user")
    if isinstance(member(tweet, "retweeted_status"), dict):
        parse.ignore("repost")
        return
    if author_id is None:
        parse.ignore("without_sender")
        return
    is_own = author_id == own
    person = text_of(tweet, "in_reply_to_user_id_str") if is_own else author_id
    full = object_of(tweet, "extended_tweet")
    entities = object_of(full, "extended_entities") or object_of(tweet, "extended_entities")
    tweet_id = _id(tweet)
    parse.add(
        draft(
            request,
            platform="x",
            event_id=tweet_id,
            channel="social",
            direction="outbound" if is_own else "inbound",
            handles=[normalise("x", person) if person and person != (own if is_own else None) else None],
            actor_kind="agent" if is_own else "customer",
            sender=text_of(author, "screen_name") or author_id,
            sender_name=text_of(author, "name"),
            recipient=own,
            occurred_at=instant_of(tweet, "created_at") or instant_of(tweet, "timestamp_ms"),
            conversation=text_of(tweet, "in_reply_to_status_id_str") or tweet_id,
            reply_to=text_of(tweet, "in_reply_to_status_id_str"),
            language=text_of(tweet, "lang"),
            text=html.unescape(
                text_of(full, "full_text") or text_of(tweet, "full_text") or text_of(tweet, "text") or ""
            ),
            attachments=_media(list_of(entities, "media")),
            attributes={"author_id": author_id, "quoted": text_of(tweet, "quoted_status_id_str")},
        )
    )


def _id(value: Json, *path: str) -> str | None:
    """Return `id_str`: the number beside it may have lost its last digits on the way (ids exceed 2^53)."""
    return text_of(value, *path, "id_str") or text_of(value, *path, "id")


def _media(items: list[Json]) -> list[Attachment]:
    kinds = {"photo": "image/*", "video": "video/*", "animated_gif": "video/mp4"}
    return [
        attachment(text_of(m, "type"), kinds.get(text_of(m, "type") or "", ""), text_of(m, "media_url_https"))
        for m in items
        if isinstance(m, dict)
    ]


def _read_direct(
    request: ChannelRequest, body: dict[str, Json], message: Json, own: str | None, parse: ChannelParse
) -> None:
    content = object_of(message, "message_create")
    sender, recipient = text_of(content, "sender_id"), text_of(content, "target", "recipient_id")
    if member(message, "type") != "message_create" or sender is None:
        parse.ignore("unknown_kind")
        return
    is_own = sender == own
    person = recipient if is_own else sender
    media = object_of(content, "message_data", "attachment", "media")
    parse.add(
        draft(
            request,
            platform="x",
            event_id=text_of(message, "id"),
            channel="chat",
            direction="outbound" if is_own else "inbound",
            handles=[normalise("x", person or "")],
            actor_kind="agent" if is_own else "customer",
            sender=text_of(body, "users", sender, "screen_name") or sender,
            sender_name=text_of(body, "users", sender, "name"),
            recipient=recipient,
            occurred_at=instant_of(message, "created_timestamp"),
            conversation=f"dm/{person}",
            text=html.unescape(text_of(content, "message_data", "text") or ""),
            attachments=_media([media]) if media else (),
            attributes={"author_id": sender},
        )
    )


def _read_like(request: ChannelRequest, like: Json, own: str | None, parse: ChannelParse) -> None:
    person = _id(like, "user")
    if person is None or person == own:
        parse.ignore("own_like")
        return
    parse.add(
        draft(
            request,
            platform="x",
            event_id=text_of(like, "id"),
            kind="reaction",
            channel="social",
            handles=[normalise("x", person)],
            sender=text_of(like, "user", "screen_name") or person,
            sender_name=text_of(like, "user", "name"),
            occurred_at=instant_of(like, "timestamp_ms") or instant_of(like, "created_at"),
            reply_to=_id(like, "favorited_status"),
            attributes={"emoji": "❤", "author_id": person},
        )
    )


def _read_filtered(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    """API v2's filtered stream by webhook: one post, its author among `includes.users`."""
    post = object_of(body, "data")
    author = text_of(post, "author_id")
    if author is None or text_of(post, "text") is None:
        parse.ignore("unknown_kind")
        return
    users = {text_of(u, "id"): u for u in list_of(body, "includes", "users") if isinstance(u, dict)}
    user = users.get(author, {})
    parse.add(
        draft(
            request,
            platform="x",
            event_id=text_of(post, "id"),
            channel="social",
            handles=[normalise("x", author)],
            sender=text_of(user, "username") or author,
            sender_name=text_of(user, "name"),
            occurred_at=instant_of(post, "created_at"),
            conversation=text_of(post, "conversation_id"),
            language=text_of(post, "lang"),
            text=html.unescape(text_of(post, "text") or ""),
            attributes={"author_id": author},
        )
    )
