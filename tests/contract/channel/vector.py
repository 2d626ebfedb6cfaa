"""Reading the shared provider vectors and saying what is wrong with an answer to one of them."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from services.ingest.channel import CHANNELS, ChannelParse, ChannelRequest
from services.ingest.channel.payload import instant_of
from shared.contracts.event import Actor, EventBase
from tests.shared_data import shared_data_dir

_SECRET_NAMES = {
    "twilio": "auth_token",
    "mailgun": "signing_key",
    "slack": "signing_secret",
    "meta": "app_secret",
    "line": "channel_secret",
    "telegram": "secret_token",
    "intercom": "client_secret",
    "zendesk": "signing_secret",
    "chatwoot": "secret",
    "x": "consumer_secret",
    "genesys": "secret",
    "standard_webhooks": "secret",
}
_KEY_NAMES = {"public_key_der_b64": "public_key"}
_UNSPOKEN = frozenset(
    {"suite_ignores", "not_a_message", "unknown", "other", "invalid", "status", "event", "page", "track"}
)


@dataclass(frozen=True)
class Vector:
    row: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def provider(self) -> str:
        return str(self.row["provider"])

    @property
    def expect(self) -> dict[str, Any]:
        return dict(self.row["expect"])

    @property
    def is_policy(self) -> bool:
        return self.row.get("policy") is True

    @property
    def is_signed(self) -> bool:
        return str(self.row["kind"]) == "signature"

    @property
    def credentials(self) -> dict[str, str]:
        channel = CHANNELS[self.provider]
        found = {_SECRET_NAMES[channel.name]: self.row["secret"]} if self.row["secret"] else {}
        for name, value in (self.row["keys"] or {}).items():
            own_name = {"wechat": "app_id", "wecom": "corp_id"}[channel.name] if name == "receive_id" else name
            found[_KEY_NAMES.get(own_name, own_name)] = value
        return found

    @property
    def request(self) -> ChannelRequest:
        now = self.row["now"]
        return ChannelRequest(
            method=self.row["method"],
            url=self.row["url"],
            headers=self.row["headers"],
            body=base64.b64decode(self.row["body_b64"] or ""),
            received_at=datetime.fromtimestamp(now, UTC) if now else datetime(2026, 11, 22, tzinfo=UTC),
        )


@cache
def vectors() -> list[Vector]:
    rows = json.loads((shared_data_dir() / "channels" / "vectors.json").read_bytes())
    return [Vector(row) for row in rows]


def ids(found: Iterable[Vector]) -> list[str]:
    return [vector.id for vector in found]


def faults(vector: Vector, parse: ChannelParse) -> list[str]:
    """Return what is wrong with the parse of a genuine delivery; nothing stated, nothing judged."""
    expect = vector.expect
    if "per_event" in expect:
        return [
            fault for e in expect["per_event"] for fault in _faults_of_one(e, parse, CHANNELS[vector.provider].name)
        ]
    return _faults_of_one(expect, parse, CHANNELS[vector.provider].name)


def _faults_of_one(expect: dict[str, Any], parse: ChannelParse, provider: str) -> list[str]:
    kind = expect.get("kind")
    if kind in _UNSPOKEN:
        if not parse.events and not parse.ignored and expect.get("suite_says") not in ("no entries found", "Handled"):
            return ["neither mapped nor counted"]
        return []
    if expect.get("events") == 0 or not (expect.keys() & {"text", "sender", "provider_message_id", "kind"}):
        return []
    if not parse.events:
        return [f"no event, ignored {dict(parse.ignored)}"]
    return min((_mismatches(expect, event, provider) for event in parse.events), key=len)


def _mismatches(expect: dict[str, Any], event: EventBase, provider: str) -> list[str]:
    attributes = event.attributes
    found: list[str] = []

    def judge(name: str, is_right: bool, got: object) -> None:
        if name in expect and expect[name] is not None and not is_right:
            found.append(f"{name}: {got!r} instead of {expect[name]!r}")

    texts = expect.get("text_alternatives") or [expect.get("text")]
    actor = event.actor or Actor("system")
    judge("text", (event.text or "") in texts, event.text)
    judge("text_contains", str(expect.get("text_contains")) in (event.text or ""), event.text)
    judge("sender", _number(actor.id or "") == _number(str(expect.get("sender"))), actor)
    judge("sender_name", actor.name == expect.get("sender_name"), actor)
    message_ids = (event.id, attributes.get("message_id"))
    judge("provider_message_id", expect.get("provider_message_id") in message_ids, message_ids)
    judge("rfc_message_id", attributes.get("rfc_message_id") == expect.get("rfc_message_id"), attributes)
    judge("direction", event.direction == expect.get("direction"), event.direction)
    judge("occurred_at", event.occurred_at == instant_of(expect.get("occurred_at")), event.occurred_at)
    judge("subject", event.subject == expect.get("subject"), event.subject)
    judge("recipient", _number(attributes.get("recipient", "")) == _number(str(expect.get("recipient"))), attributes)
    judge("conversation", event.conversation_id == expect.get("conversation"), event.conversation_id)
    judge("reply_to", getattr(event, "reply_to", None) == expect.get("reply_to"), event)
    judge("event_id", attributes.get("provider_event_id") == expect.get("event_id"), attributes)
    judge("envelope_sender", attributes.get("envelope_sender") == expect.get("envelope_sender"), attributes)
    judge("bot", (actor.kind == "bot") == expect.get("bot"), actor)
    judge("ce_type", attributes.get("ce_type") == expect.get("ce_type"), attributes)
    judge("ce_source", event.source == expect.get("ce_source"), event.source)
    judge("data", _document(attributes.get("data", "")) == expect.get("data"), attributes)
    count = len(event.attachments)
    is_place = any(item.media_type == "application/geo+json" for item in event.attachments)
    judge("attachments_count", is_place or count == expect.get("attachments_count"), event.attachments)
    if expect.get("kind") in ("message", "edit", "deletion", "reaction"):
        judge("kind", attributes.get("kind") == expect["kind"], attributes)
    return found


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _number(text: str) -> str:
    return text.removeprefix("whatsapp:").removeprefix("+")
