"""Mastodon: public posts and mentions, from the server's webhooks or a relay of its streaming API.

Source: https://docs.joinmastodon.org/entities/Status/ and https://docs.joinmastodon.org/admin/webhooks/
"""

from urllib.parse import urlsplit

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, object_of, text_of
from services.ingest.channel.ports import Channel, ChannelParse, ChannelRequest, Credentials, setting
from services.ingest.channel.signature import utf8
from services.ingest.channel.social.pushed import require_hub_signature
from shared.contracts.event import Attachment
from shared.handles import normalise

_MEDIA = {"image": "image/*", "gifv": "video/mp4", "video": "video/*", "audio": "audio/*"}


class Mastodon(Channel):
    name = "mastodon"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        require_hub_signature(request, credentials)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        body = json_object(request.body)
        parse = ChannelParse()
        event = text_of(body, "event")
        kind = "edit" if event in ("status.updated", "status.update") else "message"
        inner = body.get("payload")
        if isinstance(inner, str) and event != "delete":  # the streaming API wraps JSON in JSON
            body = json_object(utf8(inner))
        elif isinstance(body.get("object"), dict):
            body = object_of(body, "object")
        status = object_of(body, "status") or object_of(body, "last_status") or body
        if event in ("delete", "status.deleted"):
            parse.ignore("deletion_without_author")
        elif object_of(status, "reblog"):
            parse.ignore("repost")
        elif not object_of(status, "account") or "content" not in status:
            parse.ignore("unknown_kind")
        elif object_of(body, "status"):
            _read_notification(request, body, setting(credentials, "account"), parse)
        else:
            _read_status(request, status, kind, setting(credentials, "account"), parse)
        return parse


def _read_notification(request: ChannelRequest, body: dict[str, Json], own: str | None, parse: ChannelParse) -> None:
    """What somebody did: a mention or a quotation speaks; a favourite is about the company's own post."""
    status, event = object_of(body, "status"), text_of(body, "type")
    if event in (None, "mention", "status", "quote", "update"):
        _read_status(request, status, "edit" if event == "update" else "message", own, parse)
    elif event == "favourite":
        _read_favourite(request, body, status, parse)
    else:
        parse.ignore("repost" if event == "reblog" else "unknown_kind")


def _read_favourite(
    request: ChannelRequest, body: dict[str, Json], status: dict[str, Json], parse: ChannelParse
) -> None:
    account = object_of(body, "account")
    name = text_of(account, "acct") or text_of(account, "username")
    parse.add(
        draft(
            request,
            platform="mastodon",
            event_id=f"favourite:{text_of(body, 'id') or text_of(status, 'id')}",
            kind="reaction",
            channel="social",
            handles=[normalise("mastodon", _address(name or "", text_of(account, "url")))],
            sender=name,
            sender_name=text_of(account, "display_name"),
            occurred_at=instant_of(body, "created_at"),
            reply_to=text_of(status, "id"),
            message_id=text_of(status, "id"),
            attributes={"emoji": "⭐"},
        )
    )


def _read_status(
    request: ChannelRequest, status: dict[str, Json], kind: str, own: str | None, parse: ChannelParse
) -> None:
    account = object_of(status, "account")
    name = text_of(account, "acct") or text_of(account, "username")
    address = _address(name or "", text_of(account, "url") or text_of(status, "url"))
    is_own = own is not None and address.lower() == own.lower().lstrip("@")
    status_id, edited = text_of(status, "id"), text_of(status, "edited_at")
    parse.add(
        draft(
            request,
            platform="mastodon",
            event_id=status_id if kind == "message" else f"{status_id}:edit:{edited or ''}",
            kind=kind,
            channel="social",
            direction="outbound" if is_own else "inbound",
            handles=[] if is_own else [normalise("mastodon", address)],
            actor_kind="agent" if is_own else ("bot" if account.get("bot") is True else "customer"),
            sender=name,
            sender_name=text_of(account, "display_name"),
            occurred_at=instant_of(status, "created_at"),
            conversation=text_of(status, "in_reply_to_id") or status_id,
            reply_to=text_of(status, "in_reply_to_id"),
            language=text_of(status, "language"),
            subject=text_of(status, "spoiler_text"),
            text=text_of_html(text_of(status, "content") or ""),
            attachments=_attachments(status),
            message_id=status_id,
            attributes={
                "url": text_of(status, "url"),
                "uri": text_of(status, "uri"),
                "visibility": text_of(status, "visibility"),
            },
        )
    )


def _address(name: str, url: str | None) -> str:
    """Return name@host; accounts of the server itself carry no host in `acct`."""
    if "@" in name or not url:
        return name
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return f"{name}@{host}" if host else name


def _attachments(status: dict[str, Json]) -> list[Attachment]:
    return [
        attachment(
            text_of(a, "description") or text_of(a, "type"), _MEDIA.get(text_of(a, "type") or "", ""), text_of(a, "url")
        )
        for a in list_of(status, "media_attachments")
        if isinstance(a, dict)
    ]
