"""Messenger and Instagram: one `entry` of a delivery. Timestamps are milliseconds (some referrals: seconds).

Source: https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
"""

from services.ingest.channel.draft import attachment, draft, survey_answer
from services.ingest.channel.payload import Json, instant_of, list_of, member, number_of, object_of, text_of
from services.ingest.channel.ports import ChannelParse, ChannelRequest
from shared.contracts.event import ActorKind, Attachment, Channel, Direction, SurveyKind
from shared.handles import normalise

THUMBS_UP_STICKERS = frozenset({"369239263222822", "369239343222814", "369239383222810"})
_RECEIPTS = frozenset({"delivery", "read"})
_ACTS = ("postback", "optin", "referral", "account_linking", "game_play", "policy_enforcement")
_SCALES: dict[str, tuple[SurveyKind, float, float]] = {
    "csat": ("csat", 1, 5),
    "nps": ("nps", 0, 10),
    "ces": ("ces", 1, 7),
}
# Hiding, blocking and the like are the company's own housekeeping with somebody's words.
_VERBS = {
    "add": "message",
    "edited": "edit",
    "edit": "edit",
    "update": "edit",
    "remove": "deletion",
    "delete": "deletion",
}
_COMMENT_FIELDS = frozenset({"feed", "comments", "live_comments", "mentions", "mention"})


def read_entry(request: ChannelRequest, platform: str, entry: Json, parse: ChannelParse) -> None:
    """Add what one entry of a page or an Instagram account holds; receipts are counted only.

    While another app holds the conversation, its messages come as `standby`, and as nothing else: they count as well.
    """
    for item in (*list_of(entry, "messaging"), *list_of(entry, "standby")):
        if isinstance(item, dict):
            _read_item(request, platform, item, parse)
    for change in list_of(entry, "changes"):
        value = object_of(change, "value")
        if object_of(value, "sender") and object_of(value, "recipient"):
            _read_item(request, platform, value, parse)  # Instagram's form of a message, and of its test button's
        else:
            _read_comment(request, platform, entry, change, parse)


def _read_item(request: ChannelRequest, platform: str, item: dict[str, Json], parse: ChannelParse) -> None:
    act = next((act for act in _ACTS if isinstance(item.get(act), dict)), None)
    if isinstance(item.get("message"), dict):
        _read_message(request, platform, item, object_of(item, "message"), parse)
    elif isinstance(item.get("message_edit"), dict):
        _add(request, platform, item, object_of(item, "message_edit"), "edit", parse)
    elif isinstance(item.get("reaction"), dict):
        _add(request, platform, item, object_of(item, "reaction"), "reaction", parse)
    elif isinstance(item.get("response_feedback"), dict):
        _read_thumb(request, platform, item, object_of(item, "response_feedback"), parse)
    elif isinstance(item.get("messaging_feedback"), dict):
        _read_survey(request, platform, item, parse)
    elif act is not None:
        _add(request, platform, item, object_of(item, act), "interaction", parse, act=act)
    else:
        parse.ignore("receipt" if _RECEIPTS & item.keys() else "unknown_kind")


def _read_message(
    request: ChannelRequest, platform: str, item: dict[str, Json], message: dict[str, Json], parse: ChannelParse
) -> None:
    kind = "deletion" if message.get("is_deleted") is True else "message"
    _add(request, platform, item, message, "unsupported" if message.get("is_unsupported") is True else kind, parse)


def _read_thumb(
    request: ChannelRequest, platform: str, item: dict[str, Json], feedback: dict[str, Json], parse: ChannelParse
) -> None:
    """A thumb on one of the company's answers; which way it points stands in English words."""
    is_good = (text_of(feedback, "feedback") or "").lower().startswith("good")
    _add(request, platform, item, {**feedback, "emoji": "👍" if is_good else "👎"}, "reaction", parse)


def _read_survey(request: ChannelRequest, platform: str, item: dict[str, Json], parse: ChannelParse) -> None:
    """Add the answers of the feedback template, each on the scale of its kind.

    Source: https://developers.facebook.com/docs/messenger-platform/send-messages/templates/customer-feedback-template
    """
    person, stamp = text_of(item, "sender", "id"), text_of(item, "timestamp") or ""
    n_answers = 0
    for screen in list_of(item, "messaging_feedback", "feedback_screens"):
        for name, question in object_of(screen, "questions").items():
            kind, score = text_of(question, "type"), number_of(question, "payload")
            scale = _SCALES.get(kind or "")
            if person is None or scale is None or score is None or not scale[1] <= score <= scale[2]:
                continue
            n_answers += 1
            frame = draft(
                request,
                platform=platform,
                event_id=f"{person}:{text_of(screen, 'screen_id') or '0'}:{name[:40]}:{stamp}",
                kind="event",
                handles=[normalise(platform, person)],
                sender=person,
                recipient=text_of(item, "recipient", "id"),
                occurred_at=instant_of(stamp),
                conversation=f"{text_of(item, 'recipient', 'id')}/{person}",
                text=text_of(question, "follow_up", "payload"),
            )
            parse.add(survey_answer(frame, scale[0], score, scale[1:]))
    if not n_answers:
        parse.ignore("without_score")


def _add(
    request: ChannelRequest,
    platform: str,
    item: dict[str, Json],
    part: dict[str, Json],
    kind: str,
    parse: ChannelParse,
    act: str | None = None,
) -> None:
    is_echo = part.get("is_echo") is True
    sender = text_of(item, "sender", "id") or text_of(item, "sender", "user_ref")
    recipient = text_of(item, "recipient", "id")
    customer = recipient if is_echo else sender
    if customer is None:
        parse.ignore("without_sender")
        return
    mid = text_of(part, "mid")
    direction: Direction = "outbound" if is_echo else "inbound"
    parse.add(
        draft(
            request,
            platform=platform,
            event_id=_event_id(kind, mid, part, item, sender),
            kind=kind,
            direction=direction,
            channel=_CHANNEL[platform],
            handles=[normalise(platform, customer)],
            actor_kind=_actor_of(part),
            sender=sender,
            recipient=recipient,
            occurred_at=instant_of(item, "timestamp"),
            conversation=f"{sender}/{recipient}" if is_echo else f"{recipient}/{sender}",
            reply_to=text_of(part, "reply_to", "mid") or (mid if kind == "reaction" else None),
            text=_text_of(part, kind, act),
            attachments=_attachments(part) if kind == "message" else (),
            message_id=mid,
            attributes={
                "act": act,
                "payload": text_of(part, "payload") or text_of(part, "quick_reply", "payload"),
                "emoji": text_of(part, "emoji"),
                "reaction": text_of(part, "reaction"),
                "removed": "true" if part.get("action") == "unreact" else None,
                "ref": text_of(part, "ref") or text_of(part, "referral", "ref"),
                "ad": text_of(part, "ad_id") or text_of(part, "referral", "ad_id"),
                "story": text_of(part, "reply_to", "story", "id"),
            },
        )
    )


_CHANNEL: dict[str, Channel] = {"messenger": "chat", "instagram": "chat"}


def _event_id(kind: str, mid: str | None, part: dict[str, Json], item: dict[str, Json], sender: str | None) -> str:
    if mid and kind in ("message", "unsupported"):
        return mid
    stamp = text_of(item, "timestamp") or ""
    extra = (
        text_of(part, "num_edit") or text_of(part, "action") or text_of(part, "payload") or text_of(part, "ref") or ""
    )
    return ":".join(piece for piece in (mid or sender, kind, extra[:40], stamp) if piece)


def _actor_of(part: dict[str, Json]) -> ActorKind:
    """An echo with an app id was sent by an app; one without was typed in the page's inbox by a person."""
    if part.get("is_echo") is not True:
        return "customer"
    return "bot" if part.get("app_id") is not None else "agent"


def _text_of(part: dict[str, Json], kind: str, act: str | None) -> str | None:
    if kind == "interaction":
        return text_of(part, "title") if act == "postback" else None
    if kind not in ("message", "edit"):
        return None
    text = text_of(part, "text")
    if text is None:
        text = next((emoji for item in list_of(part, "attachments") if (emoji := _emoji_of(item))), None)
    return text or ""


def _emoji_of(item: Json) -> str | None:
    """Return what a tapped thumb or heart says: both come as attachments without a file worth listing."""
    if text_of(item, "payload", "sticker_id") in THUMBS_UP_STICKERS:
        return "👍"
    return "❤️" if text_of(item, "type") == "like_heart" else None


def _attachments(part: dict[str, Json]) -> list[Attachment]:
    return [
        attachment(
            text_of(item, "title") or text_of(item, "type"),
            _MEDIA_TYPE.get(str(member(item, "type")), ""),
            text_of(item, "payload", "url") or text_of(item, "url"),
        )
        for item in list_of(part, "attachments")
        if isinstance(item, dict) and _emoji_of(item) is None
    ]


_MEDIA_TYPE = {"image": "image/*", "audio": "audio/*", "video": "video/*", "location": "application/geo+json"}


def _read_comment(request: ChannelRequest, platform: str, entry: Json, change: Json, parse: ChannelParse) -> None:
    """A comment or mention under the company's own posts is public: the social channel."""
    value = object_of(change, "value")
    author = text_of(value, "from", "id") or text_of(value, "sender_id")
    text = text_of(value, "message") or text_of(value, "text")
    verb = text_of(value, "verb") or "add"
    kind = _VERBS.get(verb)
    is_comment = text is not None or (kind == "deletion" and value.get("item") == "comment")
    if text_of(change, "field") not in _COMMENT_FIELDS or author is None or not is_comment:
        parse.ignore("unknown_kind")
        return
    if kind is None:
        parse.ignore("moderation")
        return
    is_own = author == text_of(entry, "id")
    comment = text_of(value, "comment_id") or text_of(value, "id") or text_of(value, "post_id")
    parse.add(
        draft(
            request,
            platform=platform,
            event_id=comment if verb == "add" else f"{comment}:{verb}:{text_of(value, 'created_time') or ''}",
            kind=kind,
            channel="social",
            direction="outbound" if is_own else "inbound",
            handles=[] if is_own else [normalise(platform, author)],
            actor_kind="agent" if is_own else "customer",
            sender=author,
            sender_name=text_of(value, "from", "name") or text_of(value, "from", "username"),
            occurred_at=instant_of(value, "created_time") or instant_of(entry, "time"),
            conversation=text_of(value, "post_id") or text_of(value, "media", "id"),
            reply_to=text_of(value, "parent_id"),
            text=text,
            message_id=comment,
        )
    )
