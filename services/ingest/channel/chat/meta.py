"""Meta: WhatsApp Cloud API, Messenger and Instagram, which share one envelope and one signature.

Signature: https://developers.facebook.com/docs/graph-api/webhooks/getting-started (hex SHA-256 of the raw body; Meta
signs its escaped-unicode form, so the body is never re-serialised). The legacy SHA-1 header proves nothing here.
"""

import re
from collections.abc import Iterator

from services.ingest.channel.chat import meta_page, meta_whatsapp
from services.ingest.channel.payload import Json, json_object, list_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    secrets_of,
    setting_list,
)
from services.ingest.channel.signature import (
    equals_any,
    hex_digest,
    require_header,
    require_prefix,
    require_secrets_match,
    utf8,
)

SIGNATURE_HEADER = "X-Hub-Signature-256"
_PREFIX = "sha256="
_ECHOABLE = re.compile(r"^[A-Za-z0-9_.\-]{1,256}$")
_PAGES = {"page": "messenger", "instagram": "instagram"}


class Meta(Channel):
    name = "meta"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:
        """Return `hub.challenge` when the subscription names our verify token."""
        token, answer = request.parameter("hub.verify_token"), request.parameter("hub.challenge")
        if request.method != "GET" or request.parameter("hub.mode") != "subscribe" or not token or not answer:
            return None
        if not equals_any(setting_list(credentials, "verify_token"), token):
            return None
        return ChannelResponse(body=utf8(answer)) if _ECHOABLE.match(answer) else None

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        if self.challenge(request, credentials) is not None:
            return
        secrets = secrets_of(credentials, "app_secret")
        given = require_prefix(require_header(request, SIGNATURE_HEADER), _PREFIX, SIGNATURE_HEADER)
        require_secrets_match(secrets, given, lambda secret: hex_digest(secret, request.body))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        parse = ChannelParse()
        if request.method == "GET" and not request.body:
            parse.ignore("handshake")
            return parse
        body = json_object(request.body)
        kind = text_of(body, "object")
        if kind == "whatsapp_business_account":
            for change in _changes(body):
                meta_whatsapp.read_change(request, change, parse)
        elif kind in _PAGES:
            for entry in list_of(body, "entry"):
                meta_page.read_entry(request, _PAGES[kind], entry, parse)
        else:
            parse.ignore("unknown_kind")
        if not parse.events and not parse.ignored:
            parse.ignore("empty")
        return parse


def _changes(body: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for entry in list_of(body, "entry"):
        for change in list_of(entry, "changes"):
            if isinstance(change, dict):
                yield {**change, "account": text_of(entry, "id")}
