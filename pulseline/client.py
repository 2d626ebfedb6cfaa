"""A client for the ingest endpoint: batches, retries, and never loses or doubles an event.

Events are plain dictionaries in the published format (docs/reference/schemas/event.v1.json). The server knows an event
by its `source` and `id`, so sending one twice is harmless; the clients give an `id` to events that have none and keep
it through every retry.

    with Client("http://127.0.0.1:8001", api_key="pl_…") as client:
        client.send({"type": "interaction", "source": "shop", "occurred_at": "2026-11-22T10:00:00Z",
                     "customer": {"id": "c-17"}, "channel": "chat", "direction": "inbound", "text": "Where is it?"})
"""

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import msgspec

MAX_EVENTS = 5_000
MAX_BODY_BYTES = 5 * 1024 * 1024
_OVERHEAD_BYTES = 2

Event = Mapping[str, Any]

_SHOWN_OF_AN_ANSWER = 300
_API_KEY = re.compile(r"[A-Za-z0-9_-]+")


class ClientError(Exception):
    """Base of what the clients raise.

    ClientError
    ├── RefusedError       the server will never take the request (401, 403, 413, …): correct it
    └── UnreachableError   the server did not take it within all retries: send the same again later
    """


class RefusedError(ClientError):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"refused with {status}: {detail}")
        self.status = status


class UnreachableError(ClientError):
    pass


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the event at `index` of what was sent is not valid; `pointer` is a JSON pointer into it."""

    index: int
    pointer: str
    reason: str


@dataclass(slots=True)
class Receipt:
    """What became of the events sent: the broker has all but the rejected ones."""

    accepted: int = 0
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits up to base·2ⁿ seconds with full jitter, or what Retry-After says; gives up after `attempts`."""

    attempts: int = 8
    base_s: float = 0.25
    longest_s: float = 10.0

    def judge(self, attempt: int, outcome: httpx2.Response | httpx2.TransportError) -> httpx2.Response | float:
        """Return the answer to take, or the seconds to wait before the next attempt (`attempt` counts from 0).

        Raises UnreachableError when that was the last one.
        """
        if isinstance(outcome, httpx2.Response):
            if not _is_retryable(outcome):
                return outcome
            problem, retry_after = outcome.text, outcome.headers.get("retry-after")
        else:
            problem, retry_after = f"{type(outcome).__name__}: {outcome}", None
        if attempt + 1 >= self.attempts:
            raise UnreachableError(problem)
        return self.delay_s(attempt, retry_after)

    def delay_s(self, attempt: int, retry_after: str | None) -> float:
        if retry_after is not None and retry_after.isdigit():
            return float(retry_after)
        return random.uniform(0, min(self.longest_s, self.base_s * 2**attempt))  # noqa: S311  # jitter, not a secret


class Client:
    """Sends events, one request at a time; not for use by several threads at once."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=url, timeout=timeout_s, headers=_headers(api_key), trust_env=False, transport=transport
        )
        self._retry = retry or RetryPolicy()

    def send(self, events: Event | Iterable[Event]) -> Receipt:
        """Send one event or many, in batches, in order; returns once the broker has them.

        Raises RefusedError or UnreachableError; batches before the failing one are then already accepted.
        """
        receipt = Receipt()
        for start, body in _batches(events):
            _add(receipt, start, self._post(body))
        return receipt

    def _post(self, body: bytes) -> httpx2.Response:
        attempt = 0
        while True:
            outcome: httpx2.Response | httpx2.TransportError
            try:
                outcome = self._http.post("/v1/events", content=body)
            except httpx2.TransportError as error:
                outcome = error
            following = self._retry.judge(attempt, outcome)
            if isinstance(following, httpx2.Response):
                return following
            time.sleep(following)
            attempt += 1

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio. `send` calls may run concurrently; each awaits its own events' acknowledgement."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url, timeout=timeout_s, headers=_headers(api_key), trust_env=False, transport=transport
        )
        self._retry = retry or RetryPolicy()

    async def send(self, events: Event | Iterable[Event]) -> Receipt:
        """As `Client.send`."""
        receipt = Receipt()
        for start, body in _batches(events):
            _add(receipt, start, await self._post(body))
        return receipt

    async def _post(self, body: bytes) -> httpx2.Response:
        attempt = 0
        while True:
            outcome: httpx2.Response | httpx2.TransportError
            try:
                outcome = await self._http.post("/v1/events", content=body)
            except httpx2.TransportError as error:
                outcome = error
            following = self._retry.judge(attempt, outcome)
            if isinstance(following, httpx2.Response):
                return following
            await asyncio.sleep(following)
            attempt += 1

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _headers(api_key: str) -> dict[str, str]:
    if not _API_KEY.fullmatch(api_key):
        # Not the key itself: errors are logged.
        raise ValueError(
            "api_key is no key: a key is letters, digits, _ and -, as `pulseline up` and the console show it"
        )
    return {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}


def _is_retryable(response: httpx2.Response) -> bool:
    return response.status_code == 429 or response.status_code >= 500


def _batches(events: Event | Iterable[Event]) -> Iterator[tuple[int, bytes]]:
    """Yield (index of the first event, JSON array) within the server's limits."""
    batch: list[bytes] = []
    size, start, index = _OVERHEAD_BYTES, 0, -1
    for index, event in enumerate([events] if isinstance(events, Mapping) else events):
        encoded = _encoded(event)
        if batch and (len(batch) == MAX_EVENTS or size + len(encoded) + 1 > MAX_BODY_BYTES):
            yield start, b"[" + b",".join(batch) + b"]"
            batch, size, start = [], _OVERHEAD_BYTES, index
        batch.append(encoded)
        size += len(encoded) + 1
    if batch:
        yield start, b"[" + b",".join(batch) + b"]"


def _encoded(event: Event) -> bytes:
    if "id" in event:
        return msgspec.json.encode(event)
    # The content names the event: a retry, even by another process, gets the same id.
    content = msgspec.json.encode(event, order="sorted")
    return msgspec.json.encode({**event, "id": hashlib.blake2b(content, digest_size=16).hexdigest()})


def _add(receipt: Receipt, start: int, response: httpx2.Response) -> None:
    rejected: Sequence[Mapping[str, Any]]
    if response.status_code == 202:
        body = response.json()
        receipt.accepted += body["accepted"]
        rejected = body["rejected"]
    elif response.status_code == 422:
        rejected = response.json()["rejected"]
    else:
        raise RefusedError(response.status_code, _detail(response))
    receipt.rejected += [Rejection(start + one["index"], one["pointer"], one["reason"]) for one in rejected]


def _detail(response: httpx2.Response) -> str:
    """Return what a problem document says is wrong; of anything else its beginning."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:_SHOWN_OF_AN_ANSWER]
