"""CloudEvents 1.0 and 0.3 over HTTP: binary, structured and batched.

Source: https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md and http-webhook.md.
An event whose type (or whose data's type) is ours becomes that event; any other is kept as an internal interaction with
its data as an attribute, about whomever the data names (nobody, often: the edge counts what it cannot key).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from services.ingest.channel.draft import draft, named
from services.ingest.channel.generic.own_event import event_type_of, iso_or_none, own_event
from services.ingest.channel.payload import Json, instant_of, json_document, list_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
)
from services.ingest.channel.signature import require_header, require_match
from shared.contracts.event import EventBase
from shared.handles import normalise

_VERSIONS = frozenset({"1.0", "0.3"})
_CONTEXT = frozenset(
    [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "datacontenttype",
        "dataschema",
        "schemaurl",
        "datacontentencoding",
    ]
)
_ORIGIN = re.compile(r"^[A-Za-z0-9.:\-]{1,253}$")
_JSON_TYPE = re.compile(r"^(application|text)/([a-z0-9.+-]+\+)?json$")


class CloudEvents(Channel):
    name = "cloudevents"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:  # noqa: ARG002
        """Return consent to a sender that asks by OPTIONS (the specification's abuse protection)."""
        origin = request.header("webhook-request-origin")
        if request.method != "OPTIONS" or origin is None or not _ORIGIN.match(origin):
            return None
        return ChannelResponse(headers=(("Allow", "POST"), ("WebHook-Allowed-Origin", origin)))

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        tokens = secrets_of(credentials, "bearer_token")
        scheme, _, given = require_header(request, "Authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise SignatureError("the Authorization header is no bearer token")
        require_match(tokens, given, "bearer token")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        parse = ChannelParse()
        if request.media_type == "application/cloudevents-batch+json":
            document = json_document(request.body)
            if not isinstance(document, list):
                raise PayloadError("a batch is a JSON array")
            parse.add_each(document, lambda item, at: parse.add(_event(request, *structured(item, at), at)))
        elif request.media_type.startswith("application/cloudevents") or request.header("ce-specversion") is None:
            parse.add(_event(request, *structured(json_document(request.body)), ""))
        else:
            parse.add(_event(request, *binary(request.headers, request.body), ""))
        return parse


def structured(document: Json, pointer: str = "") -> tuple[dict[str, Json], Json]:
    """Return the context attributes and the data of a CloudEvent that is a JSON document."""
    if not isinstance(document, dict):
        raise PayloadError("an event is a JSON object", pointer)
    context = {name: value for name, value in document.items() if name not in ("data", "data_base64")}
    if document.get("data_base64") is not None:
        raw = _decoded(document["data_base64"], f"{pointer}/data_base64")
        return context, _data(raw, text_of(context, "datacontenttype"))
    if text_of(context, "datacontentencoding") == "base64":  # version 0.3's way
        raw = _decoded(document.get("data"), f"{pointer}/data")
        return context, _data(raw, text_of(context, "datacontenttype"))
    return context, document.get("data")


def binary(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Json], Json]:
    """Return the context attributes and the data of a CloudEvent whose attributes are headers (lower-case names)."""
    context: dict[str, Json] = {
        name.removeprefix("ce-"): unquote(_unquoted(value), errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    content_type = headers.get("content-type")
    if content_type:
        context["datacontenttype"] = content_type
    return context, _data(body, content_type)


def _unquoted(value: str) -> str:
    """Return a header's value without the double quotes that senders may put around it (HTTP binding 3.1.3.2)."""
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if is_quoted else value


def required_attributes(context: Mapping[str, Json], pointer: str = "") -> dict[str, str]:
    """Return the attributes every CloudEvent has. Raises `PayloadError` at the one that is missing or wrong."""
    required: dict[str, str] = {}
    for name in ("specversion", "id", "source", "type"):
        value = text_of(context, name)
        if value is None:
            raise PayloadError("a CloudEvent needs this attribute", f"{pointer}/{name}")
        required[name] = value
    if required["specversion"] not in _VERSIONS:
        raise PayloadError("specversion must be 1.0 or 0.3", f"{pointer}/specversion")
    return required


def _decoded(value: Json, pointer: str) -> bytes:
    if not isinstance(value, str):
        raise PayloadError("base64 data is a text", pointer)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PayloadError("the data is no base64", pointer) from error


def _data(raw: bytes, content_type: str | None) -> Json:
    """Return JSON data as a document and any other as text; JSON that does not parse is text too."""
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if not raw:
        return None
    if _JSON_TYPE.match(media_type):
        try:
            return json_document(raw)
        except PayloadError:
            return raw.decode("utf-8", "replace")
    return raw.decode("utf-8", "replace")


def _event(request: ChannelRequest, context: dict[str, Json], data: Json, pointer: str) -> EventBase:
    required = required_attributes(context, pointer)
    time = context.get("time")
    if time is not None and instant_of(time) is None:
        raise PayloadError("time is no RFC 3339 instant", f"{pointer}/time")
    kind = event_type_of(required["type"]) or event_type_of(text_of(data, "type"))
    if kind is not None and isinstance(data, dict):
        defaults = {"id": required["id"], "source": required["source"], "occurred_at": iso_or_none(time)}
        return own_event(request, {**data, "type": kind}, defaults, f"{pointer}/data")
    return _foreign(request, context, required, data)


def _foreign(request: ChannelRequest, context: dict[str, Json], required: dict[str, str], data: Json) -> EventBase:
    """A foreign event happened to somebody, but nobody said anything: direction internal, actor system."""
    extensions = {f"ce_{name}": text_of(value) for name, value in context.items() if name not in _CONTEXT}
    frame = draft(
        request,
        platform="cloudevents",
        event_id=required["id"],
        kind="cloudevent",
        channel="web",
        direction="internal",
        handles=_handles(data),
        customer_id=text_of(data, "customer", "id"),
        actor_kind="system",
        occurred_at=instant_of(context.get("time")),
        attributes={
            "ce_type": required["type"],
            "ce_source": required["source"],
            "ce_specversion": required["specversion"],
            "ce_subject": text_of(context, "subject"),
            "ce_datacontenttype": text_of(context, "datacontenttype"),
            "data": _as_text(data),
            **extensions,
        },
    )
    return msgspec.structs.replace(frame, source=named(required["source"]) or "cloudevents")


def _handles(data: Json) -> list[str | None]:
    stated = [h for h in list_of(data, "customer", "handles") if isinstance(h, str)]
    split = [h.partition(":") for h in stated]
    return [
        *(normalise(kind, value) for kind, _, value in split),
        normalise("mailto", text_of(data, "email") or text_of(data, "customer", "email") or ""),
        normalise("tel", text_of(data, "phone") or text_of(data, "customer", "phone") or ""),
    ]


def _as_text(data: Json) -> str | None:
    if data is None or isinstance(data, str):
        return data
    try:
        return msgspec.json.encode(data).decode()
    except (RecursionError, TypeError, ValueError, OverflowError):
        return None
