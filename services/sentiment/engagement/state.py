"""The bytes of a customer's engagement, `engagement/1`: JSON arrays in the order of model.py."""

import msgspec

from services.sentiment.engagement.model import EngagementState

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(EngagementState)


def encode_state(state: EngagementState) -> bytes:
    return _encoder.encode(state)


def decode_state(value: bytes) -> EngagementState:
    return _decoder.decode(value)
