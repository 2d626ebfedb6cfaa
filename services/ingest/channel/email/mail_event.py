"""A mail as an event: the customer is who wrote, or, for the company's own mail, whom it was written to."""

from collections.abc import Mapping
from datetime import datetime

from services.ingest.channel.draft import draft
from services.ingest.channel.email.message import Address, Mail
from services.ingest.channel.ports import ChannelRequest, Credentials, setting_list
from shared.contracts.event import ActorKind, Interaction
from shared.handles import normalise


def mail_event(
    request: ChannelRequest,
    credentials: Credentials,
    mail: Mail,
    *,
    event_id: str | None = None,
    text: str | None = None,
    occurred_at: datetime | None = None,
    attributes: Mapping[str, str | None] | None = None,
) -> Interaction:
    """Return the interaction of one mail.

    `own_addresses` among the connection's settings (addresses, or "@domain") marks the company's own mail as outbound;
    but what it sends to itself for somebody else (a form of its site, a group that rewrites senders) is that person's.
    What colleagues write among themselves is about nobody.
    Auto-replies and bounces are kinds of their own, written by a system: nobody said anything.
    """
    own = setting_list(credentials, "own_addresses")
    sender = _writer(mail, own)
    is_own = sender is not None and _is_own(sender, own)
    customer = next((party for party in (*mail.to, *mail.cc) if not _is_own(party, own)), None) if is_own else sender
    kind = "bounce" if mail.is_bounce else ("auto_reply" if mail.is_auto_reply else "message")
    actor: ActorKind = "system" if kind != "message" else ("agent" if is_own else "customer")
    handle = mail.failed_recipient if mail.is_bounce else (customer.address if customer else None)
    return draft(
        request,
        platform="email",
        event_id=event_id or mail.message_id,
        kind=kind,
        channel="email",
        direction="outbound" if is_own else "inbound",
        handles=[normalise("mailto", handle or "")],
        actor_kind=actor,
        sender=sender.address if sender else None,
        sender_name=sender.name if sender else None,
        recipient=mail.to[0].address if mail.to else None,
        occurred_at=occurred_at or mail.date,
        conversation=mail.thread_id,
        reply_to=mail.in_reply_to,
        subject=mail.subject,
        text=mail.visible_text if text is None else text,
        attachments=mail.attachments,
        attributes={
            "rfc_message_id": mail.message_id,
            "envelope_sender": mail.return_path,
            "bulk": "true" if mail.is_bulk else None,
            "calendar": "true" if mail.has_calendar else None,
            "failed_recipient": mail.failed_recipient,
            "sent_by": mail.sender.address if mail.sender and mail.sender is not sender else None,
            **(attributes or {}),
        },
    )


def _writer(mail: Mail, own: list[str]) -> Address | None:
    """Return who wrote: whom to answer, where the company wrote to itself for a stranger; else the sender."""
    if mail.sender is None or mail.reply_to is None or not _is_own(mail.sender, own) or _is_own(mail.reply_to, own):
        return mail.sender
    return mail.reply_to if mail.to and all(_is_own(party, own) for party in mail.to) else mail.sender


def _is_own(sender: Address, own: list[str]) -> bool:
    address = sender.address.lower()
    return any(address.endswith(entry.lower()) if entry.startswith("@") else address == entry.lower() for entry in own)
