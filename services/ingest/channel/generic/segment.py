"""Segment's HTTP API from the company's libraries: the write key is the basic-auth user (or in the body).

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ and its e-commerce events.
`userId` is the company's own customer id; `anonymousId` is a handle.
"""

import re
from datetime import date, datetime, timedelta

from services.ingest.channel.draft import clean, draft, identifier, named
from services.ingest.channel.payload import Json, instant_of, json_object, list_of, number_of, object_of, text_of
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
)
from services.ingest.channel.signature import require_header, require_match, strict_base64
from shared.contracts.event import CustomerIdentified, EventBase, Interaction, OrderItem, OrderPlaced, OrderReturned
from shared.handles import normalise

_ORDER_PLACED = frozenset({"order completed", "completed order", "order placed"})
_ORDER_RETURNED = frozenset({"order refunded", "order cancelled", "order canceled", "order returned"})
_AMOUNT = re.compile(r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")
_MAX_BATCH = 5_000
# A clock that is no more off is let be: what was on its way, or waited to be sent again, is not a clock's fault.
_TOLERATED = timedelta(minutes=5)


class Segment(Channel):
    name = "segment"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        keys = secrets_of(credentials, "write_key")
        if request.header("authorization") is not None:
            require_match(keys, _basic_user(require_header(request, "Authorization")), "write key")
            return
        try:
            given = text_of(json_object(request.body), "writeKey")
        except PayloadError as error:
            raise SignatureError("no write key") from error
        if given is None:
            raise SignatureError("header Authorization is missing")
        require_match(keys, given, "write key")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:  # noqa: ARG002
        body = json_object(request.body)
        parse = ChannelParse()
        if "batch" not in body and not _path(request.url).endswith("/batch"):
            _read_call(request, body, {}, _path_kind(request.url), parse)
            return parse
        calls = body.get("batch")
        if not isinstance(calls, list) or len(calls) > _MAX_BATCH:
            raise PayloadError(f"batch must be a list of at most {_MAX_BATCH} calls", "/batch")
        for call in calls:
            if isinstance(call, dict):
                sent = {"sentAt": body.get("sentAt"), **call}
                _read_call(request, sent, object_of(body, "context"), None, parse)
            else:
                parse.ignore("unknown_kind")
        return parse


def _basic_user(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    raw = strict_base64(encoded) if scheme.lower() == "basic" else None
    if raw is None:
        raise SignatureError("the Authorization header is no basic authentication")
    user, colon, _ = raw.decode("utf-8", "replace").partition(":")
    if not colon:
        raise SignatureError("the Authorization header holds no user")
    return user


def _path(url: str) -> str:
    return url.partition("?")[0].rstrip("/")


def _path_kind(url: str) -> str | None:
    last = _path(url).rpartition("/")[2]
    return last if last in ("track", "identify", "page", "screen", "alias", "group") else None


def _read_call(
    request: ChannelRequest,
    call: dict[str, Json],
    shared_context: dict[str, Json],
    path_kind: str | None,
    parse: ChannelParse,
) -> None:
    kind = text_of(call, "type") or path_kind
    user, anonymous = text_of(call, "userId"), text_of(call, "anonymousId")
    if user is None and anonymous is None:
        parse.ignore("without_user")
    elif kind == "identify":
        _read_identity(request, call, shared_context, user, text_of(call, "traits", "anonymousId") or anonymous, parse)
    elif kind == "alias":
        _read_identity(request, call, shared_context, user, text_of(call, "previousId"), parse)
    elif kind in ("track", "page", "screen", "group"):
        parse.add(_act(request, call, shared_context, kind))
    else:
        parse.ignore("unknown_kind")


def _frame(
    request: ChannelRequest, call: dict[str, Json], shared_context: dict[str, Json], kind: str, *more: str | None
) -> Interaction:
    context = object_of(call, "context") or shared_context
    user, anonymous = text_of(call, "userId"), text_of(call, "anonymousId")
    is_app = kind == "screen" or bool(object_of(context, "device")) or bool(object_of(context, "app"))
    return draft(
        request,
        platform="segment",
        event_id=text_of(call, "messageId"),
        kind=kind,
        channel="app" if is_app else "web",
        customer_id=user,
        handles=[normalise("anonymous", anonymous or ""), *more],
        sender=user or anonymous,
        occurred_at=_instant(request, call),
        attributes={
            "event": text_of(call, "event"),
            "name": text_of(call, "name"),
            "group": text_of(call, "groupId"),
            "category": text_of(call, "category"),
            "url": text_of(call, "properties", "url") or text_of(context, "page", "url"),
            "title": text_of(call, "properties", "title"),
        },
    )


def _instant(request: ChannelRequest, call: dict[str, Json]) -> datetime | None:
    """Return when it happened, by our clock where the device's is plainly wrong.

    Source: https://segment.com/docs/connections/spec/common/#timestamps, receivedAt - (sentAt - originalTimestamp); a
    call that Segment passed on has a `receivedAt` and was put right there.
    """
    stated = instant_of(call, "timestamp") or instant_of(call, "originalTimestamp")
    sent_at = instant_of(call, "sentAt")
    if stated is None or sent_at is None or "receivedAt" in call:
        return stated or sent_at
    ahead = sent_at - request.received_at
    return stated - ahead if abs(ahead) > _TOLERATED and stated <= sent_at else stated


def _read_identity(
    request: ChannelRequest,
    call: dict[str, Json],
    shared_context: dict[str, Json],
    user: str | None,
    other: str | None,
    parse: ChannelParse,
) -> None:
    """Who `userId` is: only the company's own id makes an identity; an anonymous visitor's traits wait for one."""
    if user is None:
        parse.ignore("anonymous_identity")
        return
    traits = object_of(call, "traits")
    frame = _frame(
        request,
        {**call, "userId": user},
        shared_context,
        text_of(call, "type") or "identify",
        normalise("anonymous", other or ""),
        normalise("mailto", text_of(traits, "email") or ""),
        normalise("tel", text_of(traits, "phone") or ""),
    )
    names = [t for key in ("firstName", "lastName") if (t := text_of(traits, key))]
    parse.add(
        CustomerIdentified(
            id=frame.id,
            source=frame.source,
            occurred_at=frame.occurred_at,
            customer=frame.customer,
            channel=frame.channel,
            actor=frame.actor,
            attributes=frame.attributes,
            name=named(text_of(traits, "name") or " ".join(names)),
            birthday=_day(text_of(traits, "birthday") or ""),
        )
    )


def _day(text: str) -> str | None:
    """Return the date that a text begins with, or None where no calendar has it."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None


def _act(request: ChannelRequest, call: dict[str, Json], shared_context: dict[str, Json], kind: str) -> EventBase:
    event = (text_of(call, "event") or "").lower()
    frame = _frame(request, call, shared_context, kind)
    order_id, amount = named(text_of(call, "properties", "order_id"), 128), _amount(object_of(call, "properties"))
    if kind != "track" or order_id is None or amount is None:
        return frame
    if event in _ORDER_PLACED:
        return _order(OrderPlaced, frame, object_of(call, "properties"), order_id, amount)
    if event in _ORDER_RETURNED:
        return _order(OrderReturned, frame, object_of(call, "properties"), order_id, amount)
    return frame


def _order(
    kind: type[OrderPlaced | OrderReturned], frame: Interaction, properties: dict[str, Json], order_id: str, amount: str
) -> EventBase:
    """Return the order. It is placed once, however often the page that thanks for it is loaded again or a server tells.

    Of returns there may be several to an order.
    """
    currency = (text_of(properties, "currency") or "USD").upper()
    return kind(
        id=identifier("order", order_id) if kind is OrderPlaced else frame.id,
        source=frame.source,
        occurred_at=frame.occurred_at,
        customer=frame.customer,
        channel=frame.channel,
        direction=frame.direction,
        actor=frame.actor,
        attributes=frame.attributes,
        order_id=order_id,
        amount=amount,
        currency=currency if _CURRENCY.match(currency) else "USD",
        items=[item for product in list_of(properties, "products")[:500] if (item := _item(product)) is not None],
    )


def _item(product: Json) -> OrderItem | None:
    sku = text_of(product, "sku") or text_of(product, "product_id") or text_of(product, "name")
    if sku is None or not clean(sku, 256).strip():
        return None
    quantity = number_of(product, "quantity")
    return OrderItem(
        sku=clean(sku, 256).strip(),
        category=named(text_of(product, "category")),
        quantity=1 if quantity is None else quantity,
        price=_decimal(object_of(product).get("price")),
    )


def _amount(properties: dict[str, Json]) -> str | None:
    for name in ("total", "revenue", "value"):
        amount = _decimal(properties.get(name))
        if amount is not None:
            return amount
    return None


def _decimal(value: Json) -> str | None:
    """Return money as the contract's decimal text, from a number or its digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and abs(value) < 1e15:
        value = f"{value:.6f}".rstrip("0").rstrip(".")
    text = str(value) if isinstance(value, int) and abs(value) < 10**15 else value
    return text if isinstance(text, str) and _AMOUNT.match(text) else None
