"""The XML messages and events of WeChat and WeCom, once authenticated.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
"""

from xml.etree.ElementTree import Element

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import instant_of, xml_children, xml_texts
from services.ingest.channel.ports import ChannelParse, ChannelRequest
from shared.contracts.event import Attachment
from shared.handles import normalise

_MEDIA = {
    "image": "image/*",
    "voice": "audio/*",
    "video": "video/*",
    "shortvideo": "video/*",
    "file": "",
    "emotion": "image/*",
}
_WORDS = frozenset({"text", "location", "link", "miniprogrampage"})
_NOT_ACTS = frozenset(
    {
        "location",
        "templatesendjobfinish",
        "masssendjobfinish",
        "publishjobfinish",
        "batch_job_result",
        "update_invoice_status",
        "card_pass_check",
        "card_not_pass_check",
        "card_sku_remind",
        "poi_check_notify",
        "change_contact",
        "open_approval_change",
        "sys_approval_change",
        "qualification_verify_success",
        "qualification_verify_fail",
        "naming_verify_success",
        "naming_verify_fail",
        "annual_renew",
        "verify_expired",
        "add_calendar",
        "modify_calendar",
        "delete_calendar",
        "add_schedule",
        "modify_schedule",
        "delete_schedule",
        "respond_schedule",
        "book_meeting_room",
        "cancel_meeting_room",
        "share_agent_change",
        "share_chain_change",
        "modify_agent",
        "living_status_change",
        "subscribe_msg_sent_event",
        "kf_create_session",
        "kf_close_session",
        "kf_switch_session",
        "weapp_audit_success",
        "weapp_audit_fail",
        "weapp_audit_delay",
        "wxa_media_check",
    }
)
_EMPLOYEES_ACTS = frozenset({"edit_external_contact", "del_external_contact", "transfer_fail"})
_ACCOUNT_PREFIX = "gh_"


def read_message(request: ChannelRequest, root: Element, platform: str, parse: ChannelParse) -> None:
    """Add the message or the person's act in `root`; what the platform reports about itself is counted only."""
    fields = xml_texts(root)
    sender, recipient = fields.get("FromUserName"), fields.get("ToUserName")
    if not sender or not recipient:
        parse.ignore("without_sender")
        return
    kind = fields.get("MsgType", "").lower()
    if kind == "event":
        _read_event(request, root, fields, platform, sender, recipient, parse)
    elif kind in _MEDIA or kind in _WORDS:
        _add(request, fields, platform, sender, recipient, kind, parse)
    else:
        parse.ignore("unknown_kind")


def _add(
    request: ChannelRequest,
    fields: dict[str, str],
    platform: str,
    sender: str,
    recipient: str,
    kind: str,
    parse: ChannelParse,
) -> None:
    """An account (`gh_…`) that writes is the company answering."""
    is_own = sender.startswith(_ACCOUNT_PREFIX)
    account, person = (sender, recipient) if is_own else (recipient, sender)
    created = fields.get("CreateTime", "")
    parse.add(
        draft(
            request,
            platform=platform,
            namespace=account,
            event_id=fields.get("MsgId") or f"{sender}:{created}:{kind}",
            direction="outbound" if is_own else "inbound",
            handles=[normalise(platform, f"{account}/{person}")],
            actor_kind="bot" if is_own else "customer",
            sender=sender,
            recipient=recipient,
            occurred_at=instant_of(created),
            conversation=f"{account}/{person}",
            text=_text(fields, kind),
            attachments=_attachments(fields, kind),
            attributes={
                "message_type": kind,
                "agent": fields.get("AgentID"),
                "media": fields.get("MediaId"),
                "url": fields.get("Url"),
                "latitude": fields.get("Location_X"),
                "longitude": fields.get("Location_Y"),
            },
        )
    )


def _text(fields: dict[str, str], kind: str) -> str:
    if kind == "link":
        return "\n".join(t for t in dict.fromkeys((fields.get("Title"), fields.get("Description"))) if t)
    if kind == "voice":
        return fields.get("Recognition", "")
    return fields.get({"location": "Label", "miniprogrampage": "Title"}.get(kind, "Content"), "")


def _attachments(fields: dict[str, str], kind: str) -> list[Attachment]:
    if kind not in _MEDIA:
        return []
    media_type = _MEDIA[kind]
    if kind == "voice" and fields.get("Format"):
        media_type = f"audio/{fields['Format']}"
    return [attachment(fields.get("FileName") or fields.get("Title") or kind, media_type, fields.get("PicUrl"))]


def _read_event(
    request: ChannelRequest,
    root: Element,
    fields: dict[str, str],
    platform: str,
    sender: str,
    recipient: str,
    parse: ChannelParse,
) -> None:
    event = fields.get("Event", "")
    person = fields.get("ExternalUserID") or sender
    if event.lower() in _NOT_ACTS or person == "sys" or not event:
        parse.ignore("platform_event")
        return
    change = fields.get("ChangeType", "")
    if change in _EMPLOYEES_ACTS:
        parse.ignore("platform_event")
        return
    key = fields.get("EventKey", "")
    created = fields.get("CreateTime", "")
    parse.add(
        draft(
            request,
            platform=platform,
            namespace=recipient,
            event_id=f"{person}:{created}:{event}:{change or key}",
            kind="event",
            handles=[normalise(platform, f"{recipient}/{person}")],
            sender=person,
            recipient=recipient,
            occurred_at=instant_of(created),
            conversation=f"{recipient}/{person}",
            message_id=fields.get("MsgId"),
            attributes={
                "event": event,
                "event_key": key,
                "change": change,
                "agent": fields.get("AgentID"),
                "employee": fields.get("UserID"),
                "scan": _scan_result(root),
            },
        )
    )


def _scan_result(root: Element) -> str | None:
    for info in xml_children(root, "ScanCodeInfo"):
        return xml_texts(info).get("ScanResult")
    return None
