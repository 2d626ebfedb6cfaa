"""Support desks: Zendesk (tickets, and the mails of those whose mails it handles), Intercom and Chatwoot."""

from datetime import datetime
from typing import Any

from services.simulator.life.model import Person, Rated, Said, Ticket
from services.simulator.life.person import CHATWOOT_ACCOUNT, INTERCOM_APP, ZENDESK_ACCOUNT, openid_of, requester_of
from services.simulator.provider.mail import OWN_ADDRESS
from services.simulator.provider.model import (
    Deliveries,
    Provider,
    Secrets,
    Signed,
    Unsigned,
    base64_hmac,
    hex_hmac,
    hex_id,
    json_body,
    one_secret,
)
from shared.clock import from_ms

_AGENT = {"type": "admin", "id": "501", "name": "Robin", "email": OWN_ADDRESS}
_BOT = {"type": "bot", "id": "502", "name": "Assistant"}


def _iso(at_ms: int) -> str:
    return from_ms(at_ms).isoformat().replace("+00:00", "Z")


# Zendesk


def _zendesk_say(person: Person, said: Said) -> Deliveries:
    """Mails that the desk handles come through a trigger, with the template that docs/channels/zendesk.md gives."""
    if said.medium != "email" or person.mail != "zendesk":
        return []
    key = f"{person.id}-m{said.turn}"
    is_agent = said.speaker != "customer"
    document = {
        "ticket_id": f"{person.key}{said.talk:03d}",
        "comment_id": hex_id(key, size=8),
        "account": ZENDESK_ACCOUNT,
        "comment": said.text,
        "created_at": _iso(said.at_ms),
        "requester_email": person.email,
        "channel": "email",
        "subject": said.subject,
        "is_agent": "true" if is_agent else "false",
        "author_name": "Robin" if is_agent else person.name,
    }
    return [Unsigned(provider="zendesk", key=key, body=json_body(document))]


def _zendesk_ticket(person: Person, ticket: Ticket) -> Deliveries:
    key = f"{person.id}-t{ticket.turn}"
    number = f"{person.key}{ticket.number:04d}"
    detail: dict[str, Any] = {
        "id": number,
        "requester_id": requester_of(person),
        "subject": "",
        "description": ticket.text,
        "priority": "NORMAL",
        "status": "SOLVED" if ticket.step == "resolved" else "OPEN",
        "via": {"channel": "web"},
    }
    document: dict[str, Any] = {
        "account_id": int(ZENDESK_ACCOUNT),
        "id": hex_id(key),
        "time": _iso(ticket.at_ms),
        "subject": f"zen:ticket:{number}",
        "zendesk_event_version": "2022-11-06",
        "detail": detail,
    }
    match ticket.step:
        case "opened":
            document |= {"type": "zen:event-type:ticket.created", "event": {}}
        case "resolved":
            document |= {
                "type": "zen:event-type:ticket.status_changed",
                "event": {"current": "SOLVED", "previous": "OPEN"},
            }
        case "reopened":
            document |= {
                "type": "zen:event-type:ticket.status_changed",
                "event": {"current": "OPEN", "previous": "SOLVED"},
            }
        case "replied":
            author = {"id": requester_of(person), "is_staff": ticket.speaker != "customer", "name": person.name}
            comment = {"id": hex_id(key, "comment", size=7), "is_public": True, "body": ticket.text, "author": author}
            document |= {"type": "zen:event-type:ticket.comment_added", "event": {"comment": comment}}
    return [Unsigned(provider="zendesk", key=key, body=json_body(document))]


def _sign_zendesk(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    timestamp = now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    signature = base64_hmac(secrets["signing_secret"], timestamp.encode() + delivery.body)
    headers = {
        "Content-Type": delivery.media_type,
        "X-Zendesk-Webhook-Signature": signature,
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }
    return Signed(body=delivery.body, headers=headers)


# Intercom


def _contact(person: Person) -> dict[str, Any]:
    return {
        "type": "user",
        "id": openid_of(person),
        "external_id": person.id,
        "email": person.email,
        "phone": person.phone,
        "name": person.name,
    }


def _intercom_say(person: Person, said: Said) -> Deliveries:
    if said.medium != "chat" or person.chat != "intercom":
        return []
    key = f"{person.id}-m{said.turn}"
    author, topic = {
        "customer": (_contact(person), "conversation.user.replied"),
        "agent": (_AGENT, "conversation.admin.replied"),
        "bot": (_BOT, "conversation.operator.replied"),
    }[said.speaker]
    at = said.at_ms // 1000
    part = {
        "type": "conversation_part",
        "id": hex_id(key, size=6),
        "part_type": "comment",
        "body": f"<p>{_html(said.text)}</p>",
        "created_at": at,
        "author": author,
    }
    item = {
        "type": "conversation",
        "id": f"{person.key}{said.talk:03d}",
        "created_at": at,
        "updated_at": at,
        "contacts": {"type": "contact.list", "contacts": [_contact(person)]},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [part]},
    }
    return [_notification(key, topic, at, item)]


def _intercom_rate(person: Person, rated: Rated) -> Deliveries:
    if rated.kind != "csat" or person.chat != "intercom":
        return []
    at = rated.at_ms // 1000
    item = {
        "type": "conversation",
        "id": f"{person.key}{rated.talk:03d}",
        "created_at": at,
        "contacts": {"type": "contact.list", "contacts": [_contact(person)]},
        "conversation_rating": {"rating": rated.score, "remark": "", "created_at": at},
    }
    return [_notification(f"{person.id}-s{rated.turn}", "conversation.rating.added", at, item)]


def _notification(key: str, topic: str, at: int, item: dict[str, Any]) -> Unsigned:
    document = {
        "type": "notification_event",
        "app_id": INTERCOM_APP,
        "topic": topic,
        "id": f"notif_{hex_id(key)}",
        "created_at": at,
        "delivery_attempts": 1,
        "data": {"type": "notification_event_data", "item": item},
    }
    return Unsigned(provider="intercom", key=key, body=json_body(document))


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sign_intercom(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    signature = "sha1=" + hex_hmac(secrets["client_secret"], delivery.body, "sha1")
    return Signed(body=delivery.body, headers={"Content-Type": delivery.media_type, "X-Hub-Signature": signature})


# Chatwoot


def _chatwoot_contact(person: Person) -> dict[str, Any]:
    return {
        "id": int(openid_of(person)),
        "name": person.name,
        "email": person.email,
        "phone_number": person.phone,
        "identifier": person.id,
        "type": "contact",
    }


def _chatwoot_frame(person: Person, talk: int, message_id: int, at_ms: int) -> dict[str, Any]:
    return {
        "id": message_id,
        "created_at": _iso(at_ms),
        "account": {"id": int(CHATWOOT_ACCOUNT), "name": "Shop"},
        "inbox": {"id": 1, "name": "Website"},
        "private": False,
        "content_type": "text",
        "conversation": {
            "id": int(f"{person.index}{talk:03d}"),
            "channel": "Channel::WebWidget",
            "meta": {"sender": _chatwoot_contact(person)},
        },
    }


def _chatwoot_say(person: Person, said: Said) -> Deliveries:
    if said.medium != "chat" or person.chat != "chatwoot":
        return []
    key = f"{person.id}-m{said.turn}"
    sender = {
        "customer": _chatwoot_contact(person),
        "agent": {"id": 3, "name": "Robin", "type": "user"},
        "bot": {"id": 4, "name": "Assistant", "type": "agent_bot"},
    }[said.speaker]
    document = {
        "event": "message_created",
        **_chatwoot_frame(person, said.talk, int(f"{person.key}{said.turn:04d}"), said.at_ms),
        "content": said.text,
        "message_type": "incoming" if said.speaker == "customer" else "outgoing",
        "sender": sender,
    }
    return [Unsigned(provider="chatwoot", key=key, body=json_body(document))]


def _chatwoot_rate(person: Person, rated: Rated) -> Deliveries:
    if rated.kind != "csat" or person.chat != "chatwoot":
        return []
    answer = {"csat_survey_response": {"rating": rated.score, "feedback_message": ""}}
    document = {
        "event": "message_updated",
        **_chatwoot_frame(person, rated.talk, int(f"{person.key}{rated.turn:04d}"), rated.at_ms),
        "content": "",
        "message_type": "template",
        "content_type": "input_csat",
        "updated_at": _iso(rated.at_ms),
        "content_attributes": {"submitted_values": answer},
    }
    return [Unsigned(provider="chatwoot", key=f"{person.id}-s{rated.turn}", body=json_body(document))]


def _sign_chatwoot(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    timestamp = str(int(now.timestamp()))
    signature = "sha256=" + hex_hmac(secrets["secret"], timestamp.encode() + b"." + delivery.body)
    headers = {
        "Content-Type": delivery.media_type,
        "X-Chatwoot-Signature": signature,
        "X-Chatwoot-Timestamp": timestamp,
    }
    return Signed(body=delivery.body, headers=headers)


ZENDESK = Provider(
    name="zendesk",
    sign=_sign_zendesk,
    make_secrets=one_secret("signing_secret"),
    say=_zendesk_say,
    ticket=_zendesk_ticket,
)
INTERCOM = Provider(
    name="intercom",
    sign=_sign_intercom,
    make_secrets=one_secret("client_secret"),
    say=_intercom_say,
    rate=_intercom_rate,
)
CHATWOOT = Provider(
    name="chatwoot", sign=_sign_chatwoot, make_secrets=one_secret("secret"), say=_chatwoot_say, rate=_chatwoot_rate
)
