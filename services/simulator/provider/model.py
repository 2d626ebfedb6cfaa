"""What goes over the wire: a request before it is signed, and after."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from services.simulator.life.model import Person, Rated, Said, Ticket

Secrets = Mapping[str, str]


class Unsigned(Struct, frozen=True, kw_only=True):
    """A delivery whose content is settled: the same world gives the same bytes.

    `key` is unique in the world and settles what a provider draws at random (tokens, nonces).
    """

    provider: str
    key: str
    body: bytes
    media_type: str = "application/json"


class Signed(Struct, frozen=True, kw_only=True):
    """What is sent. `query` is put behind the connection's address."""

    body: bytes
    headers: dict[str, str]
    query: str = ""


Deliveries = list[Unsigned]
Sign = Callable[[Unsigned, Secrets, str, datetime], Signed]
"""(delivery, the connection's secrets, its public address, now) -> what is sent."""


class Provider(Struct, frozen=True, kw_only=True):
    """One provider: how it tells what happens (nothing, where it tells no such thing), and how it signs.

    `carries_time` says whether its messages carry their own time; those of the others are dated on arrival.
    `make_secrets` draws credentials: what the sender keeps, and what the receiver must know.
    """

    name: str
    sign: Sign
    make_secrets: Callable[[Callable[[int], bytes]], tuple[dict[str, str], dict[str, str]]]
    settings: dict[str, Any] = {}
    carries_time: bool = True
    say: Callable[[Person, Said], Deliveries] = lambda _person, _said: []
    rate: Callable[[Person, Rated], Deliveries] = lambda _person, _rated: []
    ticket: Callable[[Person, Ticket], Deliveries] = lambda _person, _ticket: []


def json_body(document: Any) -> bytes:
    return msgspec.json.encode(document)


def one_secret(name: str) -> Callable[[Callable[[int], bytes]], tuple[dict[str, str], dict[str, str]]]:
    """Return a maker of one shared secret under `name`."""

    def make(random_bytes: Callable[[int], bytes]) -> tuple[dict[str, str], dict[str, str]]:
        secret = random_bytes(24).hex()
        return {name: secret}, {name: secret}

    return make


def hex_hmac(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def base64_hmac(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(secret.encode(), message, algorithm).digest()).decode()


def hex_id(*parts: object, size: int = 16) -> str:
    """Return a made-up provider id that depends on the parts alone."""
    return hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=size).hexdigest()
