"""The JSON of providers and connections over HTTP. Credentials go in and never come out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from shared.connection.document import ConnectionId
from shared.connection.provider import ProviderSpec

Origin = Literal["file", "api"]
SecretText = Annotated[str, Meta(min_length=1, max_length=4_096)]
CredentialValue = SecretText | Annotated[list[SecretText], Meta(min_length=1, max_length=16)]
Settings = Annotated[dict[str, Any], Meta(max_length=32)]


class ProviderList(Struct, frozen=True, kw_only=True):
    items: list[ProviderSpec]


class ConnectionFigures(Struct, frozen=True, kw_only=True):
    """Deliveries since the connection was made; ingest writes them down every few seconds."""

    n_received: int = 0
    n_rejected_by_reason: dict[str, int] = {}
    last_received_at: datetime | None = None
    last_rejected_at: datetime | None = None
    last_rejection_reason: str | None = None


class ConnectionView(Struct, frozen=True, kw_only=True):
    """A connection without its credentials. `url` is what to paste at the provider's.

    `origin` "file" stands in ingest's YAML file and is changed there. `has_previous_secret` says that replaced
    credentials are still accepted.
    """

    id: str
    provider: str
    origin: Origin
    url: str
    settings: dict[str, Any]
    credential_names: list[str]
    has_previous_secret: bool
    created_at: datetime
    figures: ConnectionFigures


class ConnectionList(Struct, frozen=True, kw_only=True):
    """`ingest_url` is where events go that come through no connection: the base of `/v1/events`."""

    items: list[ConnectionView]
    ingest_url: str


class NewConnectionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`GET /v1/providers` says which credentials and settings a provider's connection has."""

    id: ConnectionId
    provider: Annotated[str, Meta(min_length=1, max_length=64)]
    credentials: Annotated[dict[str, CredentialValue], Meta(max_length=16)] = {}
    settings: Settings = {}


class ConnectionChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """New `credentials` are in force at once, and those they replace stay valid until `drop_previous`.

    `settings` replaces all settings.
    """

    credentials: Annotated[dict[str, CredentialValue], Meta(max_length=16)] | UnsetType = UNSET
    settings: Settings | UnsetType = UNSET
    drop_previous: bool = False


class ConnectionTestResult(Struct, frozen=True, kw_only=True):
    """How a test went. `problem` is a stable word when it did not go well; `detail` says what to do."""

    ok: bool
    detail: str
    problem: str | None = None
