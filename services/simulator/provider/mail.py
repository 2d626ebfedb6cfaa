"""E-mail through SendGrid, Mailgun and Postmark: the customer's mails, and copies of the desk's answers."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from msgspec import Struct

from services.simulator.life.model import Person, Said
from services.simulator.provider.model import (
    Deliveries,
    Provider,
    Secrets,
    Signed,
    Unsigned,
    hex_hmac,
    hex_id,
    json_body,
    one_secret,
)
from shared.clock import from_ms

OWN_DOMAIN = "shop.example"
OWN_ADDRESS = f"help@{OWN_DOMAIN}"
_OWN_NAME = "Help desk"
_SETTINGS = {"own_addresses": [f"@{OWN_DOMAIN}"]}


class _Mail(Struct, frozen=True, kw_only=True):
    key: str
    sender: tuple[str, str]
    recipient: tuple[str, str]
    message_id: str
    thread_id: str
    date: str
    subject: str
    text: str


def _mail(person: Person, said: Said) -> _Mail:
    customer, desk = (person.name, person.email), (_OWN_NAME, OWN_ADDRESS)
    is_customer = said.speaker == "customer"
    key = f"{person.id}-m{said.turn}"
    return _Mail(
        key=key,
        sender=customer if is_customer else desk,
        recipient=desk if is_customer else customer,
        message_id=f"<{hex_id(key)}@{'mail.example' if is_customer else OWN_DOMAIN}>",
        thread_id=f"<{hex_id(person.id, 'talk', said.talk)}@mail.example>",
        date=format_datetime(from_ms(said.at_ms).astimezone(UTC)),
        subject=said.subject or "Re: your message",
        text=said.text,
    )


def _of(write: Callable[[_Mail], Unsigned]) -> Callable[[Person, Said], Deliveries]:
    def say(person: Person, said: Said) -> Deliveries:
        return [write(_mail(person, said))] if said.medium == "email" else []

    return say


def _address(party: tuple[str, str]) -> str:
    return formataddr(party)


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=10_000).encode()


def _sendgrid(mail: _Mail) -> Unsigned:
    boundary = f"xYzZY{hex_id(mail.key, size=8)}"
    headers = (
        f"From: {_address(mail.sender)}\nTo: {_address(mail.recipient)}\nSubject: {_encoded(mail.subject)}\n"
        f"Date: {mail.date}\nMessage-ID: {mail.message_id}\nReferences: {mail.thread_id}\nMIME-Version: 1.0\n"
    )
    envelope = json_body({"to": [mail.recipient[1]], "from": mail.sender[1]}).decode()
    fields = {
        "headers": headers,
        "from": _address(mail.sender),
        "to": _address(mail.recipient),
        "subject": mail.subject,
        "text": mail.text + "\n",
        "envelope": envelope,
        "charsets": '{"from":"UTF-8","subject":"UTF-8","text":"UTF-8"}',
        "SPF": "pass",
        "attachments": "0",
    }
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body = f"{parts}--{boundary}--\r\n".encode()
    return Unsigned(
        provider="sendgrid", key=mail.key, body=body, media_type=f"multipart/form-data; boundary={boundary}"
    )


def _sign_sendgrid(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    key = load_der_private_key(base64.b64decode(secrets["private_key"]), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the private key of SendGrid is of an elliptic curve")
    timestamp = str(int(now.timestamp()))
    signature = key.sign(timestamp.encode() + delivery.body, ec.ECDSA(SHA256(), deterministic_signing=True))
    return Signed(
        body=delivery.body,
        headers={
            "Content-Type": delivery.media_type,
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        },
    )


def _sendgrid_keys(random_bytes: Callable[[int], bytes]) -> tuple[dict[str, str], dict[str, str]]:
    """Return a key pair: the sender keeps the private key, the receiver is told the public one."""
    key = ec.derive_private_key(int.from_bytes(random_bytes(31), "big") + 1, ec.SECP256R1())
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"private_key": base64.b64encode(private).decode()}, {"public_key": base64.b64encode(public).decode()}


def _mailgun(mail: _Mail) -> Unsigned:
    fields = {
        "sender": mail.sender[1],
        "recipient": mail.recipient[1],
        "from": _address(mail.sender),
        "To": _address(mail.recipient),
        "subject": mail.subject,
        "Date": mail.date,
        "Message-Id": mail.message_id,
        "message-headers": json_body([["References", mail.thread_id]]).decode(),
        "body-plain": mail.text + "\r\n",
        "stripped-text": mail.text,
    }
    return Unsigned(
        provider="mailgun",
        key=mail.key,
        body=urlencode(fields).encode(),
        media_type="application/x-www-form-urlencoded",
    )


def _sign_mailgun(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    """The proof stands in the form; it covers timestamp and token, so each delivery has a token of its own."""
    timestamp, token = str(int(now.timestamp())), hex_id(delivery.key, "token", int(now.timestamp()), size=25)
    proof = {
        "timestamp": timestamp,
        "token": token,
        "signature": hex_hmac(secrets["signing_key"], f"{timestamp}{token}".encode()),
    }
    body = delivery.body + b"&" + urlencode(proof).encode()
    return Signed(body=body, headers={"Content-Type": delivery.media_type})


def _postmark(mail: _Mail) -> Unsigned:
    def full(party: tuple[str, str]) -> dict[str, str]:
        return {"Email": party[1], "Name": party[0], "MailboxHash": ""}

    document = {
        "FromName": mail.sender[0],
        "From": mail.sender[1],
        "FromFull": full(mail.sender),
        "To": _address(mail.recipient),
        "ToFull": [full(mail.recipient)],
        "OriginalRecipient": mail.recipient[1],
        "Subject": mail.subject,
        "MessageID": hex_id(mail.key, "postmark"),
        "Date": mail.date,
        "TextBody": mail.text,
        "HtmlBody": "",
        "StrippedTextReply": "",
        "Tag": "",
        "Attachments": [],
        "Headers": [{"Name": "Message-ID", "Value": mail.message_id}, {"Name": "References", "Value": mail.thread_id}],
    }
    return Unsigned(provider="postmark", key=mail.key, body=json_body(document))


def _sign_postmark(delivery: Unsigned, secrets: Secrets, _: str, _now: datetime) -> Signed:
    basic = base64.b64encode(f"{secrets['username']}:{secrets['password']}".encode()).decode()
    return Signed(body=delivery.body, headers={"Content-Type": delivery.media_type, "Authorization": f"Basic {basic}"})


def _postmark_login(random_bytes: Callable[[int], bytes]) -> tuple[dict[str, str], dict[str, str]]:
    login = {"username": "simulator", "password": random_bytes(24).hex()}
    return login, login


SENDGRID = Provider(
    name="sendgrid", sign=_sign_sendgrid, make_secrets=_sendgrid_keys, settings=_SETTINGS, say=_of(_sendgrid)
)
MAILGUN = Provider(
    name="mailgun", sign=_sign_mailgun, make_secrets=one_secret("signing_key"), settings=_SETTINGS, say=_of(_mailgun)
)
POSTMARK = Provider(
    name="postmark", sign=_sign_postmark, make_secrets=_postmark_login, settings=_SETTINGS, say=_of(_postmark)
)
