"""Twilio: SMS, WhatsApp through Twilio, and voice.

Signature: https://www.twilio.com/docs/usage/webhooks/webhooks-security. It covers the public URL and the form's decoded
fields; a JSON body is bound by `bodySHA256` in the URL. There is no timestamp, so replays end at the SID.
"""

import hashlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode

from services.ingest.channel.draft import attachment, draft
from services.ingest.channel.payload import first, form_fields, instant_of, json_document, list_of, number_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
    setting,
)
from services.ingest.channel.signature import base64_digest, require_header, require_match, utf8
from shared.contracts.event import Attachment, Call, Direction, Interaction
from shared.handles import normalise
from shared.ids import digest_id

SIGNATURE_HEADER = "X-Twilio-Signature"
_URL = re.compile(r"^(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)$", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r":(?P<port>[0-9]{1,5})$")
_STANDARD_PORT = {"https": "443", "http": "80"}
_FINAL_CALL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_DISPOSITION = {"completed": "answered", "no-answer": "missed", "canceled": "missed"}
_MAX_MEDIA = 64
_CHATS = frozenset({"whatsapp", "messenger", "instagram", "line", "viber", "telegram"})
_WITHHELD = frozenset({"+7378742833", "+2562533", "+8566696", "+266696687", "+86282452253"})
"""What Twilio writes for restricted, blocked, unknown, anonymous and unavailable callers: many people, so nobody."""

_FORM = "application/x-www-form-urlencoded"


class Twilio(Channel):
    name = "twilio"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        secrets = secrets_of(credentials, "auth_token")
        given = require_header(request, SIGNATURE_HEADER)
        fields = self._signed_fields(request)
        expected = [
            base64_digest(secret, utf8(url + fields), "sha1")
            for secret in secrets
            for url in candidate_urls(request.url)
        ]
        require_match(expected, given)

    def _signed_fields(self, request: ChannelRequest) -> str:
        body_hash = request.sole_parameter("bodySHA256")
        if body_hash is not None:
            require_match([hashlib.sha256(request.body).hexdigest()], body_hash, "bodySHA256")
            return ""
        if not request.body:
            return ""
        if request.media_type not in ("", _FORM):
            raise SignatureError("a body that is no form needs bodySHA256 in the URL")
        # What is signed runs names and values together, so a name must not be able to pass for a value.
        if any(b"=" not in field for field in request.body.split(b"&")):
            raise SignatureError("the form holds a field without a value")
        try:
            return signed_form(form_fields(request.body))
        except PayloadError as error:
            raise SignatureError(error.reason) from error

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        parse = ChannelParse()
        fields = _fields_of(request)
        message_sid = first(fields, "MessageSid", "SmsMessageSid", "SmsSid")
        event_type = first(fields, "EventType") or ""
        if event_type.startswith("on"):
            _read_conversation(request, fields, event_type, parse)
        elif message_sid:
            self._read_message(request, fields, message_sid, parse)
        elif first(fields, "CallSid"):
            self._read_call(request, fields, setting(credentials, "default_region"), parse)
        else:
            parse.ignore("unknown_kind")
        return parse

    def _read_message(
        self, request: ChannelRequest, fields: dict[str, list[str]], sid: str, parse: ChannelParse
    ) -> None:
        status = first(fields, "MessageStatus", "SmsStatus")
        sender, recipient = first(fields, "From"), first(fields, "To")
        is_inbound = status in (None, "received", "receiving") and sender is not None
        if not is_inbound:
            parse.ignore("receipt" if status else "unknown_kind")
            return
        platform = _platform(sender)
        user_id = first(fields, "ExternalUserId") or ""
        parse.add(
            draft(
                request,
                platform=platform,
                event_id=sid,
                channel="sms" if platform == "sms" else "chat",
                handles=[_handle(sender, platform), _handle(user_id, platform) if platform == "whatsapp" else None],
                sender=_bare(sender),
                sender_name=first(fields, "ProfileName"),
                recipient=_bare(recipient),
                conversation=first(fields, "ConversationSid") or _pair(sender, recipient),
                reply_to=first(fields, "OriginalRepliedMessageSid"),
                text=_message_text(fields, platform),
                attachments=list(_media(fields)),
                attributes={
                    "opt_out": first(fields, "OptOutType"),
                    "button_payload": first(fields, "ButtonPayload"),
                    "account": first(fields, "AccountSid"),
                },
            )
        )

    def _read_call(
        self, request: ChannelRequest, fields: dict[str, list[str]], region: str | None, parse: ChannelParse
    ) -> None:
        sid = first(fields, "CallSid") or ""
        status = (first(fields, "CallStatus", "DialCallStatus") or "").lower()
        transcript = first(fields, "TranscriptionText")
        recording = first(fields, "RecordingSid")
        if first(fields, "From", "Caller") is None:
            parse.ignore("recording_without_party" if recording else "call_without_party")
        elif transcript:
            parse.add(_call(request, fields, region, f"{sid}:transcript", "transcript", text=transcript))
        elif first(fields, "TranscriptionSid"):
            parse.ignore("failed_transcription")
        elif recording:
            parse.add(_call(request, fields, region, f"{sid}:{recording}", "recording"))
        elif status in _FINAL_CALL:
            parse.add(_call(request, fields, region, f"{sid}:{status}", "call"))
        elif "SequenceNumber" in fields and status != "ringing":
            parse.ignore("call_progress")
        elif said := first(fields, "SpeechResult"):
            # Each answer to a question of the call, under the call's own SID: what is said tells it from the others.
            event_id = digest_id("evt", sid, said, first(fields, "Confidence") or "")
            parse.add(_call(request, fields, region, event_id, "transcript", text=said))
        else:
            parse.add(_call(request, fields, region, sid, "call_started"))


def _read_conversation(
    request: ChannelRequest, fields: dict[str, list[str]], event_type: str, parse: ChannelParse
) -> None:
    """Twilio Conversations: an author who is an address is the customer; agents and web visitors go by invented names.

    Source: https://www.twilio.com/docs/conversations/conversations-webhooks
    """
    author = first(fields, "Author")
    if event_type != "onMessageAdded" or author is None:
        parse.ignore("receipt" if event_type == "onDeliveryUpdated" else "unknown_kind")
        return
    platform = _platform(author)
    if not (_bare(author) or "").startswith("+") and ":" not in author:
        parse.ignore("author_without_address")
        return
    parse.add(
        draft(
            request,
            platform=platform,
            event_id=first(fields, "MessageSid"),
            channel="sms" if platform == "sms" else "chat",
            handles=[_handle(author, platform)],
            sender=_bare(author),
            occurred_at=instant_of(first(fields, "DateCreated")),
            conversation=first(fields, "ConversationSid"),
            text=first(fields, "Body") or "",
            attachments=_conversation_media(fields),
            attributes={"account": first(fields, "AccountSid")},
        )
    )


def _conversation_media(fields: dict[str, list[str]]) -> list[Attachment]:
    try:
        media = json_document(utf8(first(fields, "Media") or "[]"))
    except PayloadError:
        return []
    return [
        attachment(text_of(item, "Filename"), text_of(item, "ContentType"), size_bytes=number_of(item, "Size"))
        for item in list_of(media)
    ]


def candidate_urls(url: str) -> Iterator[str]:
    """Yield the forms of the URL that Twilio may have signed: with and without port, query as sent or re-coded."""
    for address in _port_variants(url):
        head, mark, query = address.partition("?")
        yield address
        if mark and ("'" in query or "+" in query or "%20" in query):
            yield head + mark + query.replace("'", "%27")
            yield head + mark + _recoded(query)


def _recoded(query: str) -> str:
    """Return the query decoded and encoded again the way `encodeURIComponent` does (twilio-node's second attempt)."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        return query
    return urlencode(pairs, quote_via=quote, safe="!'()*~")


def _port_variants(url: str) -> list[str]:
    match = _URL.match(url)
    if match is None:
        return [url]
    scheme, authority, rest = match["scheme"], match["authority"], match["rest"]
    port = _PORT.search(authority)
    if port is not None:
        return [url, f"{scheme}://{authority[: port.start()]}{rest}"]
    return [url, f"{scheme}://{authority}:{_STANDARD_PORT[scheme.lower()]}{rest}"]


def signed_form(fields: dict[str, list[str]]) -> str:
    """Return the fields sorted by name, each with its distinct values sorted, joined with nothing between."""
    return "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))


def _fields_of(request: ChannelRequest) -> dict[str, list[str]]:
    if request.method == "GET" or not request.body:
        return request.query
    if request.media_type not in ("", _FORM):
        json_document(request.body)
        return {}
    return form_fields(request.body)


def _bare(address: str | None) -> str | None:
    if address is None:
        return None
    scheme, colon, rest = address.partition(":")
    return rest if colon and scheme.isalpha() else address


def _pair(sender: str | None, recipient: str | None) -> str | None:
    return f"{_bare(recipient)}/{_bare(sender)}" if sender and recipient else None


def _platform(address: str | None) -> str:
    """Return the network an address belongs to; one without a scheme, or by RCS, is a telephone's."""
    scheme, colon, _ = (address or "").lower().partition(":")
    return scheme if colon and scheme in _CHATS else "sms"


def _handle(address: str | None, platform: str, region: str | None = None) -> str | None:
    if _bare(address) in _WITHHELD:
        return None
    if platform in _CHATS - {"whatsapp"}:
        return normalise(platform, _bare(address) or "")
    return normalise("whatsapp" if platform == "whatsapp" else "tel", address or "", region)


def _message_text(fields: dict[str, list[str]], platform: str) -> str:
    button = first(fields, "ButtonText") if platform == "whatsapp" else None
    return button or first(fields, "Body") or first(fields, "Label", "Address") or ""


def _media(fields: dict[str, list[str]]) -> Iterator[Attachment]:
    for index in range(_MAX_MEDIA):
        url = first(fields, f"MediaUrl{index}")
        if url is None:
            break
        yield attachment(media_type=first(fields, f"MediaContentType{index}"), url=url)
    if first(fields, "Latitude") and first(fields, "Longitude"):
        yield attachment(first(fields, "Label") or "location", "application/geo+json")


def _call(
    request: ChannelRequest,
    fields: dict[str, list[str]],
    region: str | None,
    event_id: str,
    kind: str,
    text: str | None = None,
) -> Interaction:
    sender, recipient = first(fields, "From", "Caller"), first(fields, "To", "Called")
    direction: Direction = "outbound" if (first(fields, "Direction") or "").startswith("outbound") else "inbound"
    customer = sender if direction == "inbound" else recipient
    status = (first(fields, "CallStatus", "DialCallStatus") or "").lower()
    sid = first(fields, "CallSid") or ""
    url = first(fields, "RecordingUrl")
    return draft(
        request,
        platform="voice",
        event_id=event_id,
        kind=kind,
        channel="phone",
        direction=direction,
        handles=[_handle(customer, "voice", region)],
        actor_kind="customer" if direction == "inbound" else "agent",
        sender=_bare(sender),
        sender_name=first(fields, "CallerName"),
        recipient=_bare(recipient),
        occurred_at=instant_of(first(fields, "Timestamp")),
        conversation=sid,
        text=text,
        attachments=[attachment(media_type="audio/x-wav", url=url)] if url else (),
        message_id=sid,
        attributes={
            "status": status or None,
            "digits": first(fields, "Digits"),
            "recording": first(fields, "RecordingSid"),
        },
        call=Call(
            duration_s=number_of(first(fields, "CallDuration", "DialCallDuration", "RecordingDuration")),
            disposition=_DISPOSITION.get(status, status) or None,
            transcript=text if kind == "transcript" else None,
        ),
    )
