"""What a channel adapter is: the request it is given, the errors it may raise, and the answer it returns.

No provider lives here. Adapters are pure: no clock, no network, no disk; "now" is `request.received_at`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from shared.contracts.codec import encode
from shared.contracts.event import EventBase
from shared.errors import Reject

CredentialValue: TypeAlias = str | Sequence[str] | Mapping[str, str] | None
Credentials: TypeAlias = Mapping[str, CredentialValue]
HeaderValue: TypeAlias = str | bytes | Sequence[str]
HeaderSource: TypeAlias = Mapping[str, HeaderValue] | Iterable[tuple[str | bytes, str | bytes]] | None
QuerySource: TypeAlias = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]] | None

MAX_QUERY_FIELDS = 1_000


class SignatureError(Reject):
    """The request is not proven to come from the provider: answer 401, log the reason, keep nothing."""


class PayloadError(Reject):
    """The request is genuine and cannot be understood: answer 400, log the reason."""


class ChannelRequest:
    """One HTTP request as the provider sent it.

    `url` is the public one the provider called (behind a proxy: rebuilt from the public base URL). `headers` compare
    without case and keep repetitions. `query` is taken from `url` when not given. `body` is the raw bytes, never
    re-serialised. `received_at` is aware (naive values are read as UTC) and is the only "now" an adapter knows.
    """

    __slots__ = ("_headers", "body", "method", "query", "received_at", "url")

    def __init__(
        self,
        method: str = "POST",
        url: str | None = "",
        headers: HeaderSource = None,
        query: QuerySource = None,
        body: bytes | bytearray | memoryview | str | None = b"",
        received_at: datetime | float | None = None,
    ) -> None:
        self.method = str(method).upper()
        self.url = url or ""
        self._headers = _header_lists(headers)
        self.query = _query_of(self.url) if query is None else _query_lists(query)
        self.body = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body or b"")
        self.received_at = _aware(received_at)

    @property
    def headers(self) -> dict[str, str]:
        """Return every header by lower-case name; repeated ones joined by ", " as RFC 9110 does."""
        return {name: ", ".join(values) for name, values in self._headers.items()}

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        values = self._headers.get(name.lower())
        return values[0] if values else None

    def sole_header(self, name: str) -> str | None:
        """Return a header that proves something; a repeated one raises `SignatureError`, for which would count?"""
        values = self._headers.get(name.lower(), [])
        if len(values) > 1:
            raise SignatureError(f"header {name} is repeated")
        return values[0] if values else None

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        values = self.query.get(name)
        return values[0] if values else None

    def sole_parameter(self, name: str) -> str | None:
        """Return a query parameter that proves something; a repeated one raises `SignatureError`."""
        values = self.query.get(name, [])
        if len(values) > 1:
            raise SignatureError(f"query parameter {name} is repeated")
        return values[0] if values else None

    @property
    def media_type(self) -> str:
        """Return the lower-case content type without its parameters ("" when absent)."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class ChannelResponse:
    """What to answer to a handshake, as it is."""

    status: int = 200
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(slots=True)
class ChannelParse:
    """What one delivery held: events, how many things were left out on purpose, by reason, and what was not readable.

    Reasons are a closed set of short names (`receipt`, `typing`, `unknown_kind`, …), fit for a metric's label.
    `refused` are the elements of a list that cannot be understood, with their pointers; their neighbours are taken.
    """

    events: list[EventBase] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    refused: list[PayloadError] = field(default_factory=list)
    _first: dict[tuple[str, str], EventBase] = field(default_factory=dict, repr=False)
    _twins: dict[tuple[str, str], set[bytes]] = field(default_factory=dict, repr=False)

    def add(self, event: EventBase) -> None:
        """Keep `event`, unless the very same one is already here (a message repeated inside one delivery)."""
        key = (event.source, event.id)
        first = self._first.setdefault(key, event)
        if first is not event:
            twins = self._twins.setdefault(key, {encode(first)})
            if (encoded := encode(event)) in twins:
                self.ignored["duplicate"] += 1
                return
            twins.add(encoded)
        self.events.append(event)

    def ignore(self, reason: str) -> None:
        self.ignored[reason] += 1

    def add_each(self, items: Sequence[object], read: Callable[[object, str], None]) -> None:
        """Read every element of a list under its pointer, keeping what cannot be understood in `refused`.

        Raises `PayloadError`, the first one, when not a single element could be.
        """
        for index, item in enumerate(items):
            try:
                read(item, f"/{index}")
            except PayloadError as error:
                self.refused.append(error)
        if items and len(self.refused) == len(items):
            raise self.refused[0]


class Channel(ABC):
    """One provider. The edge calls `challenge`, then `verify`, then `read` (or `parse`), and awaits the broker."""

    name: str

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:  # noqa: ARG002
        """Return the handshake's answer, or None when this is no genuine handshake. Never raises."""
        return None

    def replay_key(self, request: ChannelRequest) -> str | None:  # noqa: ARG002
        """Return what the edge must let vouch for one body only, where a signature does not cover the body."""
        return None

    @abstractmethod
    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        """Return when the request is proven genuine and fresh; else raise `SignatureError` with the reason."""

    @abstractmethod
    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        """Return the delivery's events and what was left out; raise `PayloadError` when it cannot be understood."""

    def parse(self, request: ChannelRequest, credentials: Credentials) -> list[EventBase]:
        """Return the delivery's events in order; raise `PayloadError` when it cannot be understood."""
        return self.read(request, credentials).events


def secrets_of(credentials: Credentials, name: str) -> list[str]:
    """Return every secret in force under `name` (several during a rotation); none at all raises `SignatureError`."""
    secrets = setting_list(credentials, name)
    if not secrets:
        raise SignatureError(f"the connection has no {name}")
    return secrets


def setting_list(credentials: Credentials, name: str) -> list[str]:
    """Return the non-empty texts under `name`; a single text counts as a list of one."""
    value = credentials.get(name)
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, Sequence):
        return [item for item in value if isinstance(item, str) and item]
    return []


def setting(credentials: Credentials, name: str) -> str | None:
    """Return the first text under `name`, or None."""
    values = setting_list(credentials, name)
    return values[0] if values else None


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _header_lists(source: HeaderSource) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    pairs: Iterable[tuple[object, object]] = source.items() if isinstance(source, Mapping) else (source or ())
    for name, value in pairs:
        values = value if isinstance(value, list | tuple) else [value]
        headers.setdefault(_text(name).strip().lower(), []).extend(_text(item) for item in values)
    return headers


def _query_lists(source: Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    pairs: Iterable[tuple[object, object]] = source.items() if isinstance(source, Mapping) else source
    for name, value in pairs:
        values = value if isinstance(value, list | tuple) else [value]
        query.setdefault(_text(name), []).extend(_text(item) for item in values)
    return query


def _query_of(url: str) -> dict[str, list[str]]:
    try:
        return _query_lists(parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        return {}


def _aware(instant: datetime | float | None) -> datetime:
    if isinstance(instant, datetime):
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return datetime.fromtimestamp(instant or 0, UTC)
