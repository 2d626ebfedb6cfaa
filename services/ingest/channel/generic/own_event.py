"""Reading the product's own events out of somebody else's envelope: the envelope fills what the event leaves out."""

import msgspec

from services.ingest.channel.draft import clean
from services.ingest.channel.payload import Json, instant_of
from services.ingest.channel.ports import ChannelRequest, PayloadError
from shared.contracts.codec import decode_event
from shared.contracts.event import EVENT_TYPES, EventBase
from shared.errors import Reject

_PREFIXES = ("pulseline.", "com.pulseline.", "io.pulseline.")


def event_type_of(name: str | None) -> str | None:
    """Return the event type that `name` stands for, with or without the product's prefix; None for foreign types."""
    if name is None:
        return None
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name if name in EVENT_TYPES else None


def own_event(
    request: ChannelRequest, document: dict[str, Json], defaults: dict[str, Json], pointer: str = ""
) -> EventBase:
    """Return the event in `document`, completed from `defaults` (id, source, type, occurred_at).

    Raises `PayloadError` with the pointer of the offending member.
    """
    complete = {**{name: value for name, value in defaults.items() if value is not None}, **document}
    complete.setdefault("occurred_at", request.received_at.isoformat())
    complete.pop("received_at", None)
    try:
        return decode_event(msgspec.json.encode(_cleaned(complete)))
    except Reject as error:
        raise PayloadError(error.reason, pointer + error.pointer) from error
    except (RecursionError, TypeError, ValueError, OverflowError) as error:
        raise PayloadError("the event cannot be read", pointer) from error


def _cleaned(document: dict[str, Json]) -> dict[str, Json]:
    return {clean(name, 256): clean(value) if isinstance(value, str) else value for name, value in document.items()}


def iso_or_none(value: Json) -> str | None:
    """Return an instant in ISO 8601, or None when `value` is no date."""
    instant = instant_of(value)
    return instant.isoformat() if instant else None
