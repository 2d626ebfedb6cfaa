"""Standard Webhooks from the company's own systems: `v1,` base64 HMAC-SHA256 of `id.timestamp.body`, or `v1a,` ed25519.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; Svix, from which it
comes, names the headers `svix-*` and sends either set or both (https://docs.svix.com/receiving/verifying-payloads/how-manual).
The body is one of our events, a list of them, or the specification's envelope {type, timestamp, data} with an event's
type.
"""

import base64
import binascii
from datetime import timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.ingest.channel.generic.own_event import event_type_of, iso_or_none, own_event
from services.ingest.channel.payload import Json, json_document, member, object_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
)
from services.ingest.channel.signature import (
    digest,
    equals_any,
    require_header,
    require_unix_fresh,
    strict_base64,
    utf8,
)

WINDOW = timedelta(minutes=5)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - a public prefix
_VERSION = "v1,"
_PUBLIC_PREFIX = "whpk_"
_PUBLIC_VERSION = "v1a,"
_MAX_SIGNATURES = 20


class StandardWebhooks(Channel):
    name = "standard_webhooks"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "secret")
        keys = [_key_of(secret) for secret in secrets if not secret.startswith(_PUBLIC_PREFIX)]
        public_keys = [_public_key_of(secret) for secret in secrets if secret.startswith(_PUBLIC_PREFIX)]
        prefix = _prefix_of(request)
        message_id = require_header(request, prefix + "id")
        timestamp = require_header(request, prefix + "timestamp")
        signatures = require_header(request, prefix + "signature").split(" ")[:_MAX_SIGNATURES]
        require_unix_fresh(timestamp, request.received_at, WINDOW)
        message = utf8(message_id) + b"." + utf8(timestamp) + b"." + request.body
        expected = [_VERSION + base64.b64encode(digest(key, message)).decode("ascii") for key in keys]
        is_shared = any([equals_any(expected, given) for given in signatures])  # noqa: C419 - no early exit
        if not is_shared and not any(_is_signed(key, given, message) for key in public_keys for given in signatures):
            raise SignatureError("no signature matches")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        document = json_document(request.body)
        parse = ChannelParse()
        if isinstance(document, list):
            parse.add_each(document, lambda item, at: _read(request, item, at, parse))
        else:
            _read(request, document, "", parse)
        return parse


def _prefix_of(request: ChannelRequest) -> str:
    """Return what the headers' names begin with; a set counts whole, and the specification's where neither is."""
    return "svix-" if request.header("svix-signature") and not request.header("webhook-signature") else "webhook-"


def _key_of(secret: str) -> bytes:
    """Return the key's bytes: base64, with or without `whsec_` and padding."""
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the connection's secret is no base64") from error
    if not key:
        raise SignatureError("the connection's secret is empty")
    return key


def _public_key_of(secret: str) -> Ed25519PublicKey:
    """Return the sender's public key: base64 of its 32 bytes after `whpk_`."""
    encoded = secret.removeprefix(_PUBLIC_PREFIX)
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the connection's public key is no ed25519 key") from error


def _is_signed(key: Ed25519PublicKey, given: str, message: bytes) -> bool:
    signature = strict_base64(given.removeprefix(_PUBLIC_VERSION)) if given.startswith(_PUBLIC_VERSION) else None
    if signature is None:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _read(request: ChannelRequest, document: Json, pointer: str, parse: ChannelParse) -> None:
    if not isinstance(document, dict):
        raise PayloadError("an event is a JSON object", pointer)
    kind = event_type_of(text_of(document, "type"))
    if kind is None:
        parse.ignore("unknown_kind")
        return
    defaults = {
        "id": request.header(_prefix_of(request) + "id") if not pointer else None,
        "source": "standard_webhooks",
        "occurred_at": iso_or_none(document.get("timestamp")),
    }
    if isinstance(member(document, "data"), dict):
        data = {**object_of(document, "data"), "type": kind}
        parse.add(own_event(request, data, defaults, f"{pointer}/data"))
    else:
        bare = {name: value for name, value in document.items() if name != "timestamp"}
        parse.add(own_event(request, {**bare, "type": kind}, defaults, pointer))
