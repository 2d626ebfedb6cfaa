"""Genesys Cloud open messaging. Signature: `X-Hub-Signature-256: sha256=` and BASE64 (Meta's header, another encoding).

Source: https://developer.genesys.cloud/commdigital/digital/openmessaging/. "Outbound" is company to customer.
Genesys retries up to 5 times; the message's id ends the replays.
"""

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, object_of, text_of
from services.ingest.channel.ports import Channel, ChannelParse, ChannelRequest, Credentials, secrets_of
from services.ingest.channel.signature import base64_digest, require_header, require_prefix, require_secrets_match
from shared.contracts.event import ActorKind, Attachment
from shared.handles import normalise

SIGNATURE_HEADER = "X-Hub-Signature-256"
_SPOKEN = frozenset({"Text", "Structured"})
_ID_KINDS = {"email": "mailto", "phone": "tel"}


class Genesys(Channel):
    name = "genesys"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "secret")
        given = require_prefix(require_header(request, SIGNATURE_HEADER), "sha256=", SIGNATURE_HEADER)
        require_secrets_match(secrets, given, lambda secret: base64_digest(secret, request.body))

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        body = json_object(request.body)
        parse = ChannelParse()
        kind = text_of(body, "type")
        if kind in _SPOKEN:
            _read_message(request, body, parse)
        else:
            parse.ignore({"Receipt": "receipt", "Event": "typing"}.get(kind or "", "unknown_kind"))
        return parse


def _read_message(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    channel = object_of(body, "channel")
    is_inbound = body.get("direction") == "Inbound"
    customer = object_of(channel, "from" if is_inbound else "to")
    own_side = object_of(channel, "to" if is_inbound else "from")
    person = text_of(customer, "id")
    actor: ActorKind = "customer" if is_inbound else ("bot" if body.get("originatingEntity") == "Bot" else "agent")
    writer = customer if is_inbound else own_side
    parse.add(
        draft(
            request,
            platform="genesys",
            namespace=text_of(own_side, "id"),
            event_id=text_of(body, "id") or text_of(channel, "messageId"),
            direction="inbound" if is_inbound else "outbound",
            handles=[_handle(customer, own_side)],
            actor_kind=actor,
            sender=text_of(writer, "id"),
            sender_name=text_of(writer, "nickname") or text_of(writer, "firstName"),
            recipient=text_of(own_side if is_inbound else customer, "id"),
            occurred_at=instant_of(channel, "time"),
            conversation=text_of(body, "conversationId") or person,
            text=text_of(body, "text") or "",
            attachments=_attachments(body),
            attributes={
                "platform_message_id": text_of(channel, "messageId"),
                "entity": text_of(body, "originatingEntity"),
            },
        )
    )


def _handle(customer: dict[str, Json], own_side: dict[str, Json]) -> str | None:
    person = text_of(customer, "id")
    if person is None:
        return None
    kind = _ID_KINDS.get((text_of(customer, "idType") or "").lower())
    if kind is not None:
        return normalise(kind, person)
    return normalise("genesys", f"{text_of(own_side, 'id') or 'deployment'}/{person}")


def _attachments(body: dict[str, Json]) -> list[Attachment]:
    files = [object_of(item, "attachment") for item in list_of(body, "content")]
    return [
        attachment(
            text_of(f, "filename") or text_of(f, "mediaType"),
            text_of(f, "mime"),
            text_of(f, "url"),
            number_of(f, "size"),
        )
        for f in files
        if f
    ]
