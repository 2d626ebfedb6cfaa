"""One delivery of each provider as the provider would make it, signed with the connection's own credentials. Pure.

Written from the providers' published rules (the pages are named in services/ingest/channel), apart from the code that
verifies them: a test of a connection is a test of both.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msgspec import Struct

from shared.connection.document import Secret
from shared.errors import Reject

_TEXT = "Pulseline test delivery"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_TENCENT_BLOCK = 32


class Sample(Struct, frozen=True, kw_only=True):
    """An HTTP request. `url` is the connection's address with the query the provider would add."""

    url: str
    headers: dict[str, str]
    body: bytes


class Moment(Struct, frozen=True, kw_only=True):
    """What differs between one delivery and the next: its id (hex digits) and its instant."""

    id: str
    at: datetime

    @property
    def unix(self) -> str:
        return str(int(self.at.timestamp()))

    @property
    def unix_ms(self) -> int:
        return int(self.at.timestamp() * 1000)

    @property
    def iso(self) -> str:
        return self.at.strftime("%Y-%m-%dT%H:%M:%SZ")


class CannotSignError(Reject):
    """Nobody but the provider can sign for it; `reason` says how to make it send a test."""


Values = Mapping[str, str]
Make = Callable[[str, Values, Moment], Sample]


def sample(provider: str, credentials: Mapping[str, Secret], url: str, moment: Moment) -> Sample:
    """Return a genuine delivery to `url`, signed with the newest credentials. Raises `CannotSignError`."""
    if (hint := _ONLY_THE_PROVIDER.get(provider)) is not None:
        raise CannotSignError(hint)
    newest = {name: value if isinstance(value, str) else value[0] for name, value in credentials.items()}
    return _MAKERS[provider](url, newest, moment)


_ONLY_THE_PROVIDER = {
    "sendgrid": "SendGrid signs with a key only it has: in Mail Settings, Event Webhook, press Test Integration",
    "amazon_connect": "Amazon signs with a key only it has: in SNS, open the topic and publish a message",
}


def _encoded(document: Any) -> bytes:
    return msgspec.json.encode(document)


def _hmac(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(key, message, algorithm)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _basic(user: str, password: str) -> str:
    return "Basic " + _b64(f"{user}:{password}".encode())


def _posted(url: str, body: bytes, headers: Mapping[str, str], media_type: str = _JSON) -> Sample:
    return Sample(url=url, body=body, headers={"Content-Type": media_type, **headers})


def _twilio(url: str, credentials: Values, moment: Moment) -> Sample:
    fields = {"MessageSid": f"SM{moment.id}", "From": "+15005550006", "To": "+15005550001", "Body": _TEXT}
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    signature = _b64(_hmac(credentials["auth_token"], signed.encode(), "sha1"))
    return _posted(url, urlencode(fields).encode(), {"X-Twilio-Signature": signature}, _FORM)


def _genesys(url: str, credentials: Values, moment: Moment) -> Sample:
    channel = {"to": {"id": "pulseline-test"}, "from": {"id": "pulseline"}, "time": moment.iso}
    body = _encoded({"id": moment.id, "channel": channel, "type": "Text", "text": _TEXT, "direction": "Outbound"})
    return _posted(url, body, {"X-Hub-Signature-256": "sha256=" + _b64(_hmac(credentials["secret"], body))})


def _mailgun(url: str, credentials: Values, moment: Moment) -> Sample:
    token = hashlib.sha256(moment.id.encode()).hexdigest()[:50]
    signature = _hmac(credentials["signing_key"], f"{moment.unix}{token}".encode()).hex()
    proof = {"timestamp": moment.unix, "token": token, "signature": signature}
    event = {"event": "complained", "id": moment.id, "timestamp": float(moment.unix), "recipient": "test@example.com"}
    return _posted(url, _encoded({"signature": proof, "event-data": event}), {})


def _postmark(url: str, credentials: Values, moment: Moment) -> Sample:
    body = _encoded({"MessageID": moment.id, "FromFull": {"Email": "test@example.com"}, "TextBody": _TEXT})
    return _posted(url, body, {"Authorization": _basic(credentials["username"], credentials["password"])})


def _slack(url: str, credentials: Values, moment: Moment) -> Sample:
    event = {"type": "message", "user": "UPULSELINE", "channel": "CTEST", "text": _TEXT, "ts": f"{moment.unix}.000100"}
    body = _encoded({"type": "event_callback", "team_id": "TTEST", "event_id": f"Ev{moment.id}", "event": event})
    signed = b"v0:" + moment.unix.encode() + b":" + body
    signature = "v0=" + _hmac(credentials["signing_secret"], signed).hex()
    return _posted(url, body, {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": moment.unix})


def _meta(url: str, credentials: Values, moment: Moment) -> Sample:
    message = {"from": "15005550006", "id": f"wamid.{moment.id}", "timestamp": moment.unix, "type": "text"}
    value = {"messaging_product": "whatsapp", "messages": [{**message, "text": {"body": _TEXT}}]}
    entry = {"id": "0", "changes": [{"field": "messages", "value": value}]}
    body = _encoded({"object": "whatsapp_business_account", "entry": [entry]})
    return _posted(url, body, {"X-Hub-Signature-256": "sha256=" + _hmac(credentials["app_secret"], body).hex()})


def _line(url: str, credentials: Values, moment: Moment) -> Sample:
    event = {
        "type": "message",
        "webhookEventId": moment.id,
        "timestamp": moment.unix_ms,
        "source": {"type": "user", "userId": "Upulselinetest"},
        "message": {"id": moment.unix, "type": "text", "text": _TEXT},
    }
    body = _encoded({"destination": "Upulseline", "events": [event]})
    return _posted(url, body, {"X-Line-Signature": _b64(_hmac(credentials["channel_secret"], body))})


def _telegram(url: str, credentials: Values, moment: Moment) -> Sample:
    message = {
        "message_id": 1,
        "date": int(moment.unix),
        "chat": {"id": 1, "type": "private"},
        "from": {"id": 1, "is_bot": False, "first_name": "Pulseline"},
        "text": _TEXT,
    }
    body = _encoded({"update_id": int(moment.id[:7], 16), "message": message})
    return _posted(url, body, {"X-Telegram-Bot-Api-Secret-Token": credentials["secret_token"]})


def _wechat(url: str, credentials: Values, moment: Moment) -> Sample:
    if "encoding_aes_key" in credentials:
        return _tencent_sealed(url, credentials, moment, credentials["app_id"])
    signature = _sha1_of_sorted(credentials["token"], moment.unix, moment.id)
    query = urlencode({"signature": signature, "timestamp": moment.unix, "nonce": moment.id})
    return _posted(f"{url}?{query}", _tencent_message(moment), {}, "text/xml")


def _wecom(url: str, credentials: Values, moment: Moment) -> Sample:
    return _tencent_sealed(url, credentials, moment, credentials["corp_id"])


def _tencent_sealed(url: str, credentials: Values, moment: Moment, receiver: str) -> Sample:
    message = _tencent_message(moment)
    key = base64.b64decode(credentials["encoding_aes_key"] + "=")
    plain = moment.id[:16].encode() + len(message).to_bytes(4, "big") + message + receiver.encode()
    pad = _TENCENT_BLOCK - len(plain) % _TENCENT_BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    ciphertext = _b64(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize())
    signature = _sha1_of_sorted(credentials["token"], moment.unix, moment.id, ciphertext)
    query = urlencode({"msg_signature": signature, "timestamp": moment.unix, "nonce": moment.id})
    body = f"<xml><ToUserName>{receiver}</ToUserName><Encrypt><![CDATA[{ciphertext}]]></Encrypt></xml>".encode()
    return _posted(f"{url}?{query}", body, {}, "text/xml")


def _tencent_message(moment: Moment) -> bytes:
    return (
        "<xml><ToUserName>pulseline</ToUserName><FromUserName>pulseline_test</FromUserName>"
        f"<CreateTime>{moment.unix}</CreateTime><MsgType>text</MsgType><Content><![CDATA[{_TEXT}]]></Content>"
        f"<MsgId>{int(moment.id[:12], 16)}</MsgId></xml>"
    ).encode()


def _sha1_of_sorted(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - the provider chose SHA-1


def _intercom(url: str, credentials: Values, moment: Moment) -> Sample:
    author = {"type": "user", "id": "pulseline-test", "email": "test@example.com"}
    item = {"type": "conversation", "id": moment.id, "source": {"id": moment.id, "body": _TEXT, "author": author}}
    notification = {"topic": "conversation.user.created", "id": f"notif_{moment.id}", "created_at": int(moment.unix)}
    body = _encoded({"type": "notification_event", **notification, "data": {"item": item}})
    return _posted(url, body, {"X-Hub-Signature": "sha1=" + _hmac(credentials["client_secret"], body, "sha1").hex()})


def _zendesk(url: str, credentials: Values, moment: Moment) -> Sample:
    comment = {"comment_id": moment.id, "comment": _TEXT, "requester_email": "test@example.com"}
    body = _encoded({"ticket_id": "0", **comment})
    signature = _b64(_hmac(credentials["signing_secret"], moment.iso.encode() + body))
    headers = {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": moment.iso}
    return _posted(url, body, headers)


def _chatwoot(url: str, credentials: Values, moment: Moment) -> Sample:
    sender = {"id": 1, "name": "Pulseline", "email": "test@example.com", "type": "contact"}
    message = {"id": int(moment.id[:7], 16), "content": _TEXT, "message_type": "incoming", "created_at": moment.iso}
    body = _encoded({"event": "message_created", **message, "sender": sender})
    signature = "sha256=" + _hmac(credentials["secret"], moment.unix.encode() + b"." + body).hex()
    return _posted(url, body, {"X-Chatwoot-Signature": signature, "X-Chatwoot-Timestamp": moment.unix})


def _x(url: str, credentials: Values, moment: Moment) -> Sample:
    user = {"id_str": "1", "screen_name": "pulseline_test", "name": "Pulseline"}
    post = {"id_str": str(int(moment.id[:15], 16)), "text": _TEXT, "timestamp_ms": str(moment.unix_ms), "user": user}
    body = _encoded({"for_user_id": "2", "tweet_create_events": [post]})
    signature = "sha256=" + _b64(_hmac(credentials["consumer_secret"], body))
    return _posted(url, body, {"X-Twitter-Webhooks-Signature": signature})


def _mastodon(url: str, credentials: Values, moment: Moment) -> Sample:
    account = {"acct": "pulseline_test", "url": "https://social.example/@pulseline_test"}
    status = {"id": moment.id, "content": f"<p>{_TEXT}</p>", "created_at": moment.iso, "account": account}
    return _pushed(url, credentials, {"event": "status.created", "created_at": moment.iso, "object": status})


def _bluesky(url: str, credentials: Values, moment: Moment) -> Sample:
    record = {"$type": "app.bsky.feed.post", "text": _TEXT, "createdAt": moment.iso}
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": moment.id, "record": record}
    document = {"did": "did:plc:pulselinetest", "time_us": moment.unix_ms * 1000, "kind": "commit", "commit": commit}
    return _pushed(url, credentials, document)


def _pushed(url: str, credentials: Values, document: Any) -> Sample:
    body = _encoded(document)
    return _posted(url, body, {"X-Hub-Signature": "sha256=" + _hmac(credentials["secret"], body).hex()})


def _standard_webhooks(url: str, credentials: Values, moment: Moment) -> Sample:
    if credentials["secret"].startswith("whpk_"):
        raise CannotSignError("Your system signs with a key only it has: make it send an event")
    encoded = credentials["secret"].removeprefix("whsec_")
    key = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    body = _encoded({"type": "interaction", "timestamp": moment.iso, "data": _own_event()})
    message_id = f"msg_{moment.id}"
    signature = "v1," + _b64(_hmac(key, f"{message_id}.{moment.unix}.".encode() + body))
    headers = {"webhook-id": message_id, "webhook-timestamp": moment.unix, "webhook-signature": signature}
    return _posted(url, body, headers)


def _cloudevents(url: str, credentials: Values, moment: Moment) -> Sample:
    context = {"specversion": "1.0", "id": moment.id, "source": "/pulseline/test", "type": "pulseline.interaction"}
    body = _encoded({**context, "time": moment.iso, "data": _own_event()})
    headers = {"Authorization": f"Bearer {credentials['bearer_token']}"}
    return _posted(url, body, headers, "application/cloudevents+json")


def _own_event() -> dict[str, Any]:
    return {"customer": {"id": "pulseline-test"}, "channel": "web", "direction": "inbound", "text": _TEXT}


def _segment(url: str, credentials: Values, moment: Moment) -> Sample:
    call = {"type": "track", "event": "Pulseline Test", "userId": "pulseline-test", "messageId": moment.id}
    body = _encoded({**call, "timestamp": moment.iso})
    return _posted(url, body, {"Authorization": _basic(credentials["write_key"], "")})


_MAKERS: dict[str, Make] = {
    "twilio": _twilio,
    "genesys": _genesys,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "slack": _slack,
    "meta": _meta,
    "line": _line,
    "telegram": _telegram,
    "wechat": _wechat,
    "wecom": _wecom,
    "intercom": _intercom,
    "zendesk": _zendesk,
    "chatwoot": _chatwoot,
    "x": _x,
    "mastodon": _mastodon,
    "bluesky": _bluesky,
    "standard_webhooks": _standard_webhooks,
    "cloudevents": _cloudevents,
    "segment": _segment,
}
