"""One genuine delivery of every provider, signed here by the provider's published rule: the ground for mutations."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from services.ingest.channel import ChannelRequest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNIX = str(int(NOW.timestamp()))
URL = "https://hooks.example.com/v1/channels/shop"
SECRET = "correct-horse-battery-staple"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem"


@dataclass(frozen=True)
class Delivery:
    """A delivery in parts that can be changed one at a time. `covers_body` is what the provider's scheme promises."""

    provider: str
    credentials: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = URL
    method: str = "POST"
    proof_headers: tuple[str, ...] = ()
    covers_body: bool = True
    window: timedelta | None = None

    def request(self, **changes: Any) -> ChannelRequest:
        parts = {"method": self.method, "url": self.url, "headers": self.headers, "body": self.body, "received_at": NOW}
        return ChannelRequest(**{**parts, **changes})

    def with_secret(self, value: str) -> "Delivery":
        """Return it with every text among the credentials replaced, the identities included."""
        return replace(self, credentials=dict.fromkeys(self.credentials, value))


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _hex(message: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(SECRET.encode(), message, algorithm).hexdigest()


def _b64(message: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), message, algorithm).digest()).decode()


def _twilio() -> Delivery:
    fields = {"MessageSid": "SM1", "From": "+4915112345678", "To": "+493012345", "Body": "Wo bleibt das Paket?"}
    signed = URL + "".join(name + fields[name] for name in sorted(fields))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": _b64(signed.encode(), "sha1")}
    return Delivery(
        "twilio", {"auth_token": SECRET}, headers, urlencode(fields).encode(), proof_headers=("X-Twilio-Signature",)
    )


def _twilio_json() -> Delivery:
    body = _json({"MessageSid": "SM1"})
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": _b64(url.encode(), "sha1")}
    return Delivery("twilio", {"auth_token": SECRET}, headers, body, url, proof_headers=("X-Twilio-Signature",))


def _sendgrid() -> Delivery:
    key = ec.derive_private_key(12345678901234567890, ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = b'[{"email":"a@example.com","event":"unsubscribe","sg_event_id":"e1","timestamp":1772366400}]\r\n'
    signature = base64.b64encode(key.sign(UNIX.encode() + body, ec.ECDSA(SHA256()))).decode()
    names = ("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp")
    headers = {"Content-Type": "application/json", names[0]: signature, names[1]: UNIX}
    credentials = {"public_key": base64.b64encode(public).decode()}
    return Delivery("sendgrid", credentials, headers, body, proof_headers=names, window=timedelta(hours=26))


def _mailgun() -> Delivery:
    token = "a" * 50
    proof = {"timestamp": UNIX, "token": token, "signature": _hex(f"{UNIX}{token}".encode())}
    body = _json({"signature": proof, "event-data": {"event": "complained", "id": "m1", "recipient": "a@example.com"}})
    return Delivery(
        "mailgun",
        {"signing_key": SECRET},
        {"Content-Type": "application/json"},
        body,
        covers_body=False,
        window=timedelta(hours=12),
    )


def _postmark() -> Delivery:
    basic = base64.b64encode(f"hook:{SECRET}".encode()).decode()
    body = _json({"FromFull": {"Email": "a@example.com"}, "TextBody": "Hi", "MessageID": "p1"})
    return Delivery(
        "postmark",
        {"username": "hook", "password": SECRET},
        {"Authorization": f"Basic {basic}"},
        body,
        proof_headers=("Authorization",),
        covers_body=False,
    )


def _slack() -> Delivery:
    body = _json(
        {
            "type": "event_callback",
            "team_id": "T1",
            "event": {"type": "message", "user": "U1", "text": "hi", "ts": "1.2"},
        }
    )
    names = ("X-Slack-Signature", "X-Slack-Request-Timestamp")
    headers = {names[0]: "v0=" + _hex(b"v0:" + UNIX.encode() + b":" + body), names[1]: UNIX}
    return Delivery(
        "slack", {"signing_secret": SECRET}, headers, body, proof_headers=names, window=timedelta(minutes=5)
    )


def _meta() -> Delivery:
    message = {"from": "4915112345678", "id": "wamid.1", "timestamp": UNIX, "type": "text", "text": {"body": "hi"}}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "messages": [message]}}
    body = _json({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
    headers = {"X-Hub-Signature-256": "sha256=" + _hex(body)}
    credentials = {"app_secret": SECRET, "verify_token": SECRET}
    return Delivery("meta", credentials, headers, body, proof_headers=("X-Hub-Signature-256",))


def _line() -> Delivery:
    message = {"id": "1", "type": "text", "text": "hi"}
    event = {
        "type": "message",
        "timestamp": 1772366400000,
        "source": {"type": "user", "userId": "U1"},
        "message": message,
    }
    body = _json({"destination": "U0", "events": [event]})
    return Delivery(
        "line", {"channel_secret": SECRET}, {"X-Line-Signature": _b64(body)}, body, proof_headers=("X-Line-Signature",)
    )


def _telegram() -> Delivery:
    chat = {"id": 7, "type": "private"}
    body = _json(
        {"update_id": 1, "message": {"message_id": 2, "date": int(UNIX), "chat": chat, "from": {"id": 7}, "text": "hi"}}
    )
    name = "X-Telegram-Bot-Api-Secret-Token"
    return Delivery(
        "telegram", {"secret_token": SECRET}, {name: SECRET}, body, proof_headers=(name,), covers_body=False
    )


def sealed(message: bytes, receiver: str) -> str:
    """Return the base64 ciphertext of Tencent's scheme, with a fixed random prefix."""
    key = base64.b64decode(AES_KEY + "=")
    plain = b"0123456789abcdef" + len(message).to_bytes(4, "big") + message + receiver.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()


def _tencent(provider: str, receiver: str) -> Delivery:
    text = (
        f"<xml><ToUserName>gh_1</ToUserName><FromUserName>o_1</FromUserName><CreateTime>{UNIX}</CreateTime>"
        "<MsgType>text</MsgType><Content><![CDATA[什么时候发货？]]></Content><MsgId>9</MsgId></xml>"
    )
    ciphertext = sealed(text.encode(), "own_1")
    signature = hashlib.sha1("".join(sorted([SECRET, UNIX, "nonce", ciphertext])).encode()).hexdigest()
    url = f"{URL}?msg_signature={signature}&timestamp={UNIX}&nonce=nonce"
    body = f"<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{ciphertext}]]></Encrypt></xml>".encode()
    credentials = {"token": SECRET, "encoding_aes_key": AES_KEY, receiver: "own_1"}
    return Delivery(provider, credentials, {"Content-Type": "text/xml"}, body, url, window=timedelta(hours=1))


def _intercom() -> Delivery:
    item = {"id": "c1", "source": {"id": "s1", "body": "<p>hi</p>", "author": {"type": "user", "id": "u1"}}}
    body = _json({"topic": "conversation.user.created", "app_id": "a1", "id": "n1", "data": {"item": item}})
    headers = {"X-Hub-Signature": "sha1=" + _hex(body, "sha1")}
    return Delivery("intercom", {"client_secret": SECRET}, headers, body, proof_headers=("X-Hub-Signature",))


def _zendesk() -> Delivery:
    body = _json({"ticket_id": 5, "comment": "still broken", "requester_email": "a@example.com", "comment_id": 6})
    names = ("X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp")
    stamp = "2026-03-01T12:00:00Z"
    headers = {names[0]: _b64(stamp.encode() + body), names[1]: stamp}
    return Delivery(
        "zendesk", {"signing_secret": SECRET}, headers, body, proof_headers=names, window=timedelta(hours=1)
    )


def _chatwoot() -> Delivery:
    sender = {"id": 3, "name": "Ana", "email": "ana@example.com"}
    body = _json({"event": "message_created", "id": 1, "content": "hi", "message_type": "incoming", "sender": sender})
    names = ("X-Chatwoot-Signature", "X-Chatwoot-Timestamp")
    headers = {names[0]: "sha256=" + _hex(UNIX.encode() + b"." + body), names[1]: UNIX}
    return Delivery("chatwoot", {"secret": SECRET}, headers, body, proof_headers=names, window=timedelta(minutes=5))


def _genesys() -> Delivery:
    channel = {"to": {"id": "u1"}, "from": {"id": "d1"}, "time": "2026-03-01T11:59:00Z"}
    body = _json({"id": "g1", "channel": channel, "type": "Text", "text": "hi", "direction": "Outbound"})
    headers = {"X-Hub-Signature-256": "sha256=" + _b64(body)}
    return Delivery("genesys", {"secret": SECRET}, headers, body, proof_headers=("X-Hub-Signature-256",))


@cache
def certificate() -> tuple[rsa.RSAPrivateKey, str]:
    """Return a throw-away key and its certificate (PEM), valid around NOW."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .sign(key, SHA256())
    )
    return key, built.public_bytes(Encoding.PEM).decode()


def _amazon_connect() -> Delivery:
    key, pem = certificate()
    contact = {"contactId": "c1", "channel": "VOICE", "eventType": "INITIATED", "initiationMethod": "INBOUND"}
    message = {
        "Type": "Notification",
        "MessageId": "n1",
        "TopicArn": "arn:aws:sns:eu-west-1:1:calls",
        "Message": json.dumps({"id": "e1", "detail": {**contact, "customerEndpoint": {"address": "+4915112345678"}}}),
        "Timestamp": "2026-03-01T12:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
    }
    names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{message[name]}\n" for name in names)
    message["Signature"] = base64.b64encode(key.sign(signed.encode(), PKCS1v15(), SHA256())).decode()
    credentials = {"topic_arn": message["TopicArn"], "signing_certificates": {CERTIFICATE_URL: pem}}
    return Delivery("amazon_connect", credentials, {}, _json(message), window=timedelta(hours=1))


def _x() -> Delivery:
    tweet = {"id_str": "1141033714818441216", "text": "hi", "user": {"id_str": "6", "screen_name": "someone"}}
    body = _json({"for_user_id": "1", "tweet_create_events": [tweet]})
    headers = {"X-Twitter-Webhooks-Signature": "sha256=" + _b64(body)}
    return Delivery("x", {"consumer_secret": SECRET}, headers, body, proof_headers=("X-Twitter-Webhooks-Signature",))


def _pushed(provider: str, document: dict[str, Any]) -> Delivery:
    body = _json(document)
    headers = {"X-Hub-Signature": "sha256=" + _hex(body)}
    return Delivery(provider, {"secret": SECRET}, headers, body, proof_headers=("X-Hub-Signature",))


def _standard_webhooks() -> Delivery:
    event = {"id": "e1", "source": "shop", "customer": {"id": "c1"}, "text": "hi"}
    body = _json({"type": "interaction", "timestamp": "2026-03-01T11:59:00Z", "data": event})
    key = base64.b64encode(SECRET.encode()).decode()
    signature = "v1," + _b64(b"msg_1." + UNIX.encode() + b"." + body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": UNIX, "webhook-signature": signature}
    return Delivery(
        "standard_webhooks",
        {"secret": f"whsec_{key}"},
        headers,
        body,
        proof_headers=tuple(headers),
        window=timedelta(minutes=5),
    )


def _cloudevents() -> Delivery:
    event = {"customer": {"id": "c1"}, "text": "hi"}
    envelope = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "pulseline.interaction", "data": event}
    headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {SECRET}"}
    return Delivery(
        "cloudevents",
        {"bearer_token": SECRET},
        headers,
        _json(envelope),
        proof_headers=("Authorization",),
        covers_body=False,
    )


def _segment() -> Delivery:
    basic = base64.b64encode(f"{SECRET}:".encode()).decode()
    body = _json({"type": "track", "event": "Cart Viewed", "userId": "c1", "messageId": "m1"})
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}
    return Delivery(
        "segment", {"write_key": SECRET}, headers, body, proof_headers=("Authorization",), covers_body=False
    )


def _smtp() -> Delivery:
    body = (
        b"From: a@example.com\r\nTo: help@shop.example\r\nMessage-ID: <1@example.com>\r\nSubject: Hi\r\n\r\nHello\r\n"
    )
    return Delivery("smtp", {"recipients": "help@shop.example"}, {}, body, covers_body=False)


_STATUS = {"id": "1", "content": "<p>hi</p>", "account": {"acct": "ana", "url": "https://m.example/@ana"}}
_POST = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "k1", "record": {"text": "hi"}}

MAKERS: dict[str, Callable[[], Delivery]] = {
    "twilio": _twilio,
    "twilio_json": _twilio_json,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "slack": _slack,
    "meta": _meta,
    "line": _line,
    "telegram": _telegram,
    "wechat": lambda: _tencent("wechat", "app_id"),
    "wecom": lambda: _tencent("wecom", "corp_id"),
    "intercom": _intercom,
    "zendesk": _zendesk,
    "chatwoot": _chatwoot,
    "genesys": _genesys,
    "amazon_connect": _amazon_connect,
    "x": _x,
    "mastodon": lambda: _pushed("mastodon", {"event": "status.created", "object": _STATUS}),
    "bluesky": lambda: _pushed("bluesky", {"did": "did:plc:1", "kind": "commit", "commit": _POST}),
    "standard_webhooks": _standard_webhooks,
    "cloudevents": _cloudevents,
    "segment": _segment,
    "smtp": _smtp,
}


@cache
def delivery(name: str) -> Delivery:
    return MAKERS[name]()
