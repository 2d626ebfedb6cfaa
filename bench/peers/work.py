"""Work W1, the same for every engine: parse an event, count it for its customer, emit it enriched."""

import msgspec

EVENTS = 300_000
CUSTOMERS = 20_000
PARTITIONS = 4
CHANNELS = ("phone", "email", "chat", "social")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
encode = _encoder.encode
decode = _decoder.decode


def make_event(number: int, at_ms: int) -> bytes:
    """Return an event of about 280 bytes."""
    return _encoder.encode(
        {
            "id": f"event-{number:09d}",
            "customer": customer_of(number),
            "channel": CHANNELS[number % 4],
            "at_ms": at_ms,
            "text": "The parcel has not arrived yet and nobody answers the phone. " * 3,
        }
    )


def customer_of(number: int) -> str:
    return f"customer-{number * 7919 % CUSTOMERS:05d}"


def count(state: dict | None, event: dict) -> dict:
    """Return the customer's counters with the event in them; `state` is not changed."""
    channel, at_ms = event["channel"], event["at_ms"]
    if state is None:
        return {"n": 1, "channels": {channel: 1}, "last_at_ms": at_ms}
    channels = dict(state["channels"])
    channels[channel] = channels.get(channel, 0) + 1
    return {"n": state["n"] + 1, "channels": channels, "last_at_ms": max(state["last_at_ms"], at_ms)}


def enrich(event: dict, state: dict) -> bytes:
    return _encoder.encode({"event": event, "engagement": state})
