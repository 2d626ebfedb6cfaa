"""Channels: every provider's deliveries verified, then read into the product's events. Pure; the edge does the rest."""

from services.ingest.channel.catalogue import ALIASES, CHANNELS, CREDENTIALS, PROVIDERS
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    PayloadError,
    SignatureError,
)

__all__ = [
    "ALIASES",
    "CHANNELS",
    "CREDENTIALS",
    "PROVIDERS",
    "Channel",
    "ChannelParse",
    "ChannelRequest",
    "ChannelResponse",
    "Credentials",
    "PayloadError",
    "SignatureError",
]
