"""Bluesky: posts and their deletions as Jetstream tells them, pushed by a relay that signs.

Source: https://github.com/bluesky-social/jetstream. A deletion carries no record; likes, reposts,
follows are counted.
"""

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, object_of, text_of
from services.ingest.channel.ports import Channel, ChannelParse, ChannelRequest, Credentials, setting
from services.ingest.channel.social.pushed import require_hub_signature
from shared.contracts.event import Attachment
from shared.handles import normalise

_POST = "app.bsky.feed.post"
_KINDS = {"create": "message", "update": "edit", "delete": "deletion"}


class Bluesky(Channel):
    name = "bluesky"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        require_hub_signature(request, credentials)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        body = json_object(request.body)
        parse = ChannelParse()
        author, commit = text_of(body, "did"), object_of(body, "commit")
        kind = _KINDS.get(text_of(commit, "operation") or "")
        if author is None:
            parse.ignore("unknown_kind")
        elif text_of(commit, "collection") != _POST or kind is None:
            parse.ignore("not_a_message")
        else:
            _read_post(request, body, author, kind, setting(credentials, "account"), parse)
        return parse


def _read_post(
    request: ChannelRequest, body: dict[str, Json], author: str, kind: str, own: str | None, parse: ChannelParse
) -> None:
    commit, record = object_of(body, "commit"), object_of(body, "commit", "record")
    uri = f"at://{author}/{_POST}/{text_of(commit, 'rkey') or ''}"
    is_own = author == own
    root = text_of(record, "reply", "root", "uri")
    parse.add(
        draft(
            request,
            platform="bluesky",
            event_id=uri if kind == "message" else f"{uri}:{kind}:{text_of(commit, 'rev') or ''}",
            kind=kind,
            channel="social",
            direction="outbound" if is_own else "inbound",
            handles=[] if is_own else [normalise("bluesky", author)],
            actor_kind="agent" if is_own else "customer",
            sender=author,
            occurred_at=instant_of(record, "createdAt") or instant_of(body, "time_us"),
            conversation=root or uri,
            reply_to=text_of(record, "reply", "parent", "uri"),
            language=text_of(record, "langs", 0),
            text=None if kind == "deletion" else text_of(record, "text") or "",
            attachments=_attachments(record),
            message_id=uri,
            attributes={"cid": text_of(commit, "cid"), "uri": uri},
        )
    )


def _attachments(record: dict[str, Json]) -> list[Attachment]:
    embed = object_of(record, "embed", "media") or object_of(record, "embed")
    found = [
        attachment(
            text_of(i, "alt") or "image", text_of(i, "image", "mimeType"), size_bytes=number_of(i, "image", "size")
        )
        for i in list_of(embed, "images")
        if isinstance(i, dict)
    ]
    video = object_of(embed, "video")
    if video:
        found.append(attachment("video", text_of(video, "mimeType"), size_bytes=number_of(video, "size")))
    return found
