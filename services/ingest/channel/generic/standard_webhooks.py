"""Standard Webhooks from the company's own systems: `v1,` base64 HMAC-SHA256 of `id.timestamp.body`.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. The body is one of
our events, a list of them, or the specification's envelope {type, timestamp, data} with an event's type.
"""

import base64
import binascii
from datetime import timedelta

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
from services.ingest.channel.signature import digest, equals_any, require_header, require_unix_fresh, utf8

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
WINDOW = timedelta(minutes=5)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - a public prefix
_VERSION = "v1,"
_MAX_SIGNATURES = 20


class StandardWebhooks(Channel):
    name = "standard_webhooks"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        keys = [_key_of(secret) for secret in secrets_of(credentials, "secret")]
        message_id = require_header(request, ID_HEADER)
        timestamp = require_header(request, TIMESTAMP_HEADER)
        signatures = require_header(request, SIGNATURE_HEADER).split(" ")[:_MAX_SIGNATURES]
        require_unix_fresh(timestamp, request.received_at, WINDOW)
        message = utf8(message_id) + b"." + utf8(timestamp) + b"." + request.body
        expected = [_VERSION + base64.b64encode(digest(key, message)).decode("ascii") for key in keys]
        if not any([equals_any(expected, given) for given in signatures]):  # noqa: C419 - no early exit
            raise SignatureError("no signature matches")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        document = json_document(request.body)
        parse = ChannelParse()
        if isinstance(document, list):
            for index, item in enumerate(document):
                _read(request, item, f"/{index}", parse)
        else:
            _read(request, document, "", parse)
        return parse


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


def _read(request: ChannelRequest, document: Json, pointer: str, parse: ChannelParse) -> None:
    if not isinstance(document, dict):
        raise PayloadError("an event is a JSON object", pointer)
    kind = event_type_of(text_of(document, "type"))
    if kind is None:
        parse.ignore("unknown_kind")
        return
    defaults = {
        "id": request.header(ID_HEADER) if not pointer else None,
        "source": "standard_webhooks",
        "occurred_at": iso_or_none(document.get("timestamp")),
    }
    if isinstance(member(document, "data"), dict):
        data = {**object_of(document, "data"), "type": kind}
        parse.add(own_event(request, data, defaults, f"{pointer}/data"))
    else:
        bare = {name: value for name, value in document.items() if name != "timestamp"}
        parse.add(own_event(request, {**bare, "type": kind}, defaults, pointer))
