"""Chat networks: Slack, WhatsApp through Meta, LINE, Telegram. What a network does not echo (answers on LINE and
Telegram, agents' answers in Slack) is not told here.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from services.simulator.life.model import Person, Said
from services.simulator.life.person import SLACK_TEAM, openid_of, slack_room
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

_META_NUMBER = "12025550177"


def _document(name: str, make: Callable[[Person, Said, str], Any]) -> Callable[[Person, Said], Deliveries]:
    """Return a writer of chat messages of the people on that network; `make` returns None for what it does not tell."""

    def say(person: Person, said: Said) -> Deliveries:
        if said.medium != "chat" or person.chat != name:
            return []
        key = f"{person.id}-m{said.turn}"
        document = make(person, said, key)
        return [] if document is None else [Unsigned(provider=name, key=key, body=json_body(document))]

    return say


def _slack(person: Person, said: Said, key: str) -> Any:
    if said.speaker == "agent":
        return None
    # `ts` is unique in a channel: seconds, and the turn as its microseconds.
    event: dict[str, Any] = {
        "type": "message",
        "channel": slack_room(person),
        "channel_type": "im",
        "text": _escaped(said.text),
        "ts": f"{said.at_ms // 1000}.{said.turn:06d}",
        "event_ts": f"{said.at_ms // 1000}.{said.turn:06d}",
    }
    if said.speaker == "bot":
        event |= {"subtype": "bot_message", "bot_id": "B0SIMULATE", "username": "helper"}
    else:
        event |= {"user": openid_of(person), "client_msg_id": hex_id(key)}
    return {
        "token": "simulated",
        "team_id": SLACK_TEAM,
        "api_app_id": "A0SIMULATE",
        "event": event,
        "type": "event_callback",
        "event_id": "Ev" + hex_id(key, size=6),
        "event_time": said.at_ms // 1000,
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _sign_slack(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    timestamp = str(int(now.timestamp()))
    signature = "v0=" + hex_hmac(secrets["signing_secret"], b"v0:" + timestamp.encode() + b":" + delivery.body)
    headers = {
        "Content-Type": delivery.media_type,
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature,
    }
    return Signed(body=delivery.body, headers=headers)


def _meta(person: Person, said: Said, key: str) -> Any:
    if said.speaker == "bot":
        return None
    is_echo = said.speaker == "agent"
    customer = openid_of(person)
    message = {
        "from": _META_NUMBER if is_echo else customer,
        "id": f"wamid.{hex_id(key)}",
        "timestamp": str(said.at_ms // 1000),
        "type": "text",
        "text": {"body": said.text},
        **({"to": customer} if is_echo else {}),
    }
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": _META_NUMBER, "phone_number_id": "106540352242922"},
        "message_echoes" if is_echo else "messages": [message],
    }
    if not is_echo:
        value["contacts"] = [{"profile": {"name": person.name}, "wa_id": customer}]
    change = {"field": "smb_message_echoes" if is_echo else "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


def _sign_meta(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    signature = "sha256=" + hex_hmac(secrets["app_secret"], delivery.body)
    return Signed(body=delivery.body, headers={"Content-Type": delivery.media_type, "X-Hub-Signature-256": signature})


def _meta_secrets(random_bytes: Callable[[int], bytes]) -> tuple[dict[str, str], dict[str, str]]:
    secrets = {"app_secret": random_bytes(16).hex(), "verify_token": random_bytes(8).hex()}
    return secrets, secrets


def _line(person: Person, said: Said, key: str) -> Any:
    if said.speaker != "customer":
        return None
    event = {
        "type": "message",
        "mode": "active",
        "timestamp": said.at_ms,
        "replyToken": hex_id(key, "reply"),
        "webhookEventId": hex_id(key, "event").upper()[:26],
        "deliveryContext": {"isRedelivery": False},
        "source": {"type": "user", "userId": openid_of(person)},
        "message": {"id": str(int(hex_id(key, size=7), 16)), "type": "text", "text": said.text},
    }
    return {"destination": "U" + hex_id("account"), "events": [event]}


def _sign_line(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    signature = base64_hmac(secrets["channel_secret"], delivery.body)
    return Signed(body=delivery.body, headers={"Content-Type": delivery.media_type, "X-Line-Signature": signature})


def _telegram(person: Person, said: Said, key: str) -> Any:
    if said.speaker == "agent":
        return None
    own = int(openid_of(person))
    first, _, last = person.name.partition(" ")
    human = {"id": own, "is_bot": False, "first_name": first, "last_name": last, "language_code": person.language}
    bot = {"id": 5_000_000_001, "is_bot": True, "first_name": "Helper", "username": "helper_bot"}
    message = {
        "message_id": said.turn,
        "from": bot if said.speaker == "bot" else human,
        "date": said.at_ms // 1000,
        "chat": {"id": own, "first_name": first, "type": "private"},
        "text": said.text,
    }
    return {"update_id": int(hex_id(key, size=4), 16), "message": message}


def _sign_telegram(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    headers = {"Content-Type": delivery.media_type, "X-Telegram-Bot-Api-Secret-Token": secrets["secret_token"]}
    return Signed(body=delivery.body, headers=headers)


SLACK = Provider(
    name="slack", sign=_sign_slack, make_secrets=one_secret("signing_secret"), say=_document("slack", _slack)
)
META = Provider(name="meta", sign=_sign_meta, make_secrets=_meta_secrets, say=_document("meta", _meta))
LINE = Provider(name="line", sign=_sign_line, make_secrets=one_secret("channel_secret"), say=_document("line", _line))
TELEGRAM = Provider(
    name="telegram", sign=_sign_telegram, make_secrets=one_secret("secret_token"), say=_document("telegram", _telegram)
)
