"""Amazon Connect: contact events, chat messages and Contact Lens transcripts, through EventBridge and SNS over HTTPS.

Source: https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html. The case of members differs between
documents of different versions, so members are found without it.
"""

from datetime import datetime

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, text_of
from services.ingest.channel.phone.sns import CertificateSource, certificate_url, require_sns_signature, subscribe_url
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    setting,
    setting_list,
)
from services.ingest.channel.signature import equals_any, utf8
from shared.contracts.event import ActorKind, Call
from shared.contracts.event import Channel as EventChannel
from shared.handles import normalise

_CHANNELS: dict[str, EventChannel] = {"VOICE": "phone", "CHAT": "chat", "EMAIL": "email", "SMS": "sms", "TASK": "web"}
_OUTBOUND = frozenset({"OUTBOUND", "CALLBACK", "EXTERNAL_OUTBOUND", "AGENT_REPLY"})
_MAX_TRANSCRIPT = 150_000  # the words may stand twice in an event, at three bytes each, and Kafka takes 1 MB
_INTERACTIVE_ANSWER = "application/vnd.amazonaws.connect.message.interactive.response"
_ROLES: dict[str, ActorKind] = {"CUSTOMER": "customer", "AGENT": "agent", "SYSTEM": "system", "CUSTOM_BOT": "bot"}


class AmazonConnect(Channel):
    name = "amazon_connect"

    def __init__(self, certificate_source: CertificateSource | None = None) -> None:
        self._certificate_source = certificate_source

    def certificate_address(self, request: ChannelRequest, credentials: Credentials) -> str | None:
        """Return where the edge may fetch the certificate `verify` will ask for; Amazon's own address or None.

        None as well when the message is of no topic of the connection's: strangers make nobody fetch anything.
        """
        envelope = _envelope(request)
        is_ours = equals_any(setting_list(credentials, "topic_arn"), text_of(envelope, "TopicArn") or "")
        return certificate_url(envelope) if is_ours else None

    def confirmation_address(self, request: ChannelRequest) -> str | None:
        """Return the address whose call confirms a subscription; the edge calls it once `verify` returned."""
        return subscribe_url(_envelope(request))

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        try:
            message = json_object(request.body)
        except PayloadError as error:
            raise SignatureError(error.reason) from error
        require_sns_signature(message, credentials, request.received_at, self._certificate_source)

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        body = json_object(request.body)
        parse = ChannelParse()
        if isinstance(body.get("Message"), str) and "TopicArn" in body:
            if body.get("Type") != "Notification":
                parse.ignore("handshake")
                return parse
            body = json_object(utf8(body["Message"]))
        _read_document(request, body, setting(credentials, "default_region"), parse)
        return parse


def _envelope(request: ChannelRequest) -> dict[str, Json]:
    try:
        return json_object(request.body)
    except PayloadError:
        return {}


def _read_document(request: ChannelRequest, body: dict[str, Json], region: str | None, parse: ChannelParse) -> None:
    detail, contact = _at(body, "detail"), _at(body, "Details", "ContactData")
    if isinstance(contact, dict):
        _read_contact(request, contact, "INVOKED", None, region, parse)
    elif _at(body, "AWSContactTraceRecordFormatVersion") is not None:
        _read_contact(request, body, "DISCONNECTED", None, region, parse)  # the contact's record, told at its end
    elif isinstance(detail, dict) and _text(detail, "eventType"):
        kind = (_text(detail, "eventType") or "").upper()
        _read_contact(request, detail, kind, _text(body, "id"), region, parse)
    elif isinstance(_at(body, "Transcript"), list):
        _read_transcript(request, body, parse)
    elif _text(body, "ParticipantRole"):
        _read_chat(request, body, parse)
    else:
        parse.ignore("rule_matched" if isinstance(detail, dict) else "unknown_kind")


def _read_contact(
    request: ChannelRequest,
    contact: dict[str, Json],
    event: str,
    event_id: str | None,
    region: str | None,
    parse: ChannelParse,
) -> None:
    """A contact is counted when it starts and told whole when it ends; what lies between is progress."""
    contact_id = _text(contact, "contactId")
    if contact_id is None:
        parse.ignore("without_contact")
        return
    method = (_text(contact, "initiationMethod") or "").upper()
    if event not in ("INITIATED", "DISCONNECTED", "INVOKED") or method == "MONITOR":
        parse.ignore("call_progress")
        return
    is_over = event == "DISCONNECTED"
    channel = _channel_of(contact)
    # By the API a company calls somebody (StartOutboundVoiceContact), but a customer begins a chat (StartChatContact).
    is_outbound = method in _OUTBOUND or (method == "API" and channel == "phone")
    customer, own = _text(contact, "customerEndpoint", "address"), _text(contact, "systemEndpoint", "address")
    parse.add(
        draft(
            request,
            platform="amazon_connect",
            event_id=f"{contact_id}:disconnected" if is_over else contact_id,
            kind="call" if is_over else "call_started",
            channel=channel,
            direction="outbound" if is_outbound else "inbound",
            handles=[_handle(customer, channel, region)],
            customer_id=_text(contact, "customerId"),
            actor_kind="agent" if is_outbound else "customer",
            sender=own if is_outbound else customer,
            recipient=customer if is_outbound else own,
            occurred_at=_instant(contact, "disconnectTimestamp" if is_over else "initiationTimestamp"),
            conversation=_text(contact, "initialContactId") or contact_id,
            message_id=contact_id,
            attributes={
                "event": event,
                "provider_event_id": event_id,
                "previous_contact": _text(contact, "previousContactId"),
                "disconnect_reason": _text(contact, "disconnectReason"),
                "queue": _text(contact, "queue", "name") or _text(contact, "queueInfo", "queueArn"),
                "subtype": _text(contact, "segmentAttributes", "connect:Subtype", "valueString"),
            },
            call=_call(contact) if is_over else Call(disposition="ringing") if channel == "phone" else None,
        )
    )


def _channel_of(contact: dict[str, Json]) -> EventChannel:
    """Return the channel; a text message is a chat by its channel and told apart by its subtype alone."""
    if _text(contact, "segmentAttributes", "connect:Subtype", "valueString") == "connect:SMS":
        return "sms"
    return _CHANNELS.get((_text(contact, "channel") or "VOICE").upper(), "chat")


def _call(contact: dict[str, Json]) -> Call:
    """Return how long it took and how long the customer waited in the queue, where both ends are stated.

    Contact events write `agentInfo` and `queueInfo`, contact records `Agent` and `Queue`.
    """
    agent_at = _instant(contact, "agentInfo", "connectedToAgentTimestamp") or _instant(
        contact, "agent", "connectedToAgentTimestamp"
    )
    queued_at = _instant(contact, "queueInfo", "enqueueTimestamp") or _instant(contact, "queue", "enqueueTimestamp")
    ended_at = _instant(contact, "disconnectTimestamp")
    return Call(
        duration_s=_seconds(_instant(contact, "initiationTimestamp"), ended_at),
        wait_s=_seconds(queued_at, agent_at or ended_at),
        disposition="answered" if agent_at else "missed" if queued_at else "ended",
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return min(max(0.0, (end - start).total_seconds()), 1e9)


def _read_transcript(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    """Contact Lens: what the customer said becomes the text, the whole exchange the transcript."""
    roles = {
        _text(p, "ParticipantId"): (_text(p, "ParticipantRole") or "").upper() for p in _list(body, "Participants")
    }
    contact_id = _text(body, "CustomerMetadata", "ContactId") or _text(body, "ContactId")
    turns = [
        (roles.get(who := _text(t, "ParticipantId"), who or ""), _text(t, "Content") or "")
        for t in _list(body, "Transcript")
    ]
    said = "\n".join(words for role, words in turns if role == "CUSTOMER" and words)
    whole = "\n".join(f"{role}: {words}" for role, words in turns if words)
    if not whole:
        parse.ignore("empty_transcript")
        return
    total = number_of(_at(body, "ConversationCharacteristics", "TotalConversationDurationMillis"))
    channel = _CHANNELS.get((_text(body, "Channel") or "VOICE").upper(), "phone")
    parse.add(
        draft(
            request,
            platform="amazon_connect",
            event_id=f"{contact_id}:transcript" if contact_id else None,
            kind="transcript",
            channel=channel,
            customer_id=_text(body, "CustomerMetadata", "CustomerId"),
            conversation=contact_id,
            language=_text(body, "LanguageCode"),
            text=said[:_MAX_TRANSCRIPT],
            message_id=contact_id,
            call=Call(duration_s=total / 1_000 if total is not None else None, transcript=_plain(whole)),
        )
    )


def _plain(text: str) -> str:
    return text[:_MAX_TRANSCRIPT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _read_chat(request: ChannelRequest, body: dict[str, Json], parse: ChannelParse) -> None:
    role = (_text(body, "ParticipantRole") or "").upper()
    content_type = _text(body, "ContentType") or ""
    kind = (_text(body, "Type") or "").upper()
    is_answer = content_type == _INTERACTIVE_ANSWER
    is_said = kind == "MESSAGE" and (content_type.startswith("text/") or is_answer)
    if not is_said and kind != "ATTACHMENT":
        parse.ignore("chat_notice")
        return
    actor = _ROLES.get(role, "system")
    person = _text(body, "ParticipantId")
    contact_id = _text(body, "ContactId")
    parse.add(
        draft(
            request,
            platform="amazon_connect",
            event_id=_text(body, "Id") or _text(body, "MessageId"),
            direction="inbound" if actor == "customer" else "outbound",
            handles=[normalise("amazon_connect", person) if actor == "customer" and person else None],
            customer_id=_text(body, "CustomerId"),
            actor_kind=actor,
            sender=person,
            sender_name=_text(body, "DisplayName"),
            occurred_at=_instant(body, "AbsoluteTime"),
            conversation=_text(body, "InitialContactId") or contact_id,
            text=_chosen(body) if is_answer else _text(body, "Content") or "",
            attachments=[
                attachment(_text(file, "AttachmentName"), _text(file, "ContentType"))
                for file in _list(body, "Attachments")
            ],
            attributes={"contact": contact_id},
        )
    )


def _chosen(body: dict[str, Json]) -> str:
    """Return the title of what the customer chose from a list or a panel: the content is JSON in a text."""
    content = _text(body, "Content") or ""
    try:
        answer = json_object(utf8(content))
    except PayloadError:
        return content
    return _text(answer, "data", "content", "title") or ""


def _handle(address: str | None, channel: EventChannel, region: str | None) -> str | None:
    if address is None:
        return None
    if "@" in address:
        return normalise("mailto", address)
    is_telephone = channel in ("phone", "sms") or address.startswith("+")
    return normalise("tel" if is_telephone else "amazon_connect", address, region)


def _at(value: Json, *path: str) -> Json:
    """Return what stands at `path`, names compared without case."""
    for step in path:
        if not isinstance(value, dict):
            return None
        wanted = step.lower()
        value = next((found for name, found in value.items() if isinstance(name, str) and name.lower() == wanted), None)
    return value


def _text(value: Json, *path: str) -> str | None:
    return text_of(_at(value, *path))


def _instant(value: Json, *path: str) -> datetime | None:
    return instant_of(_at(value, *path))


def _list(value: Json, *path: str) -> list[Json]:
    return list_of(_at(value, *path))
