"""Who may send: the API key of a request, and how much it may send."""

import base64
import binascii
import math

from starlette.requests import Request
from starlette.responses import Response

from services.ingest.access.keys import KeyRing
from services.ingest.metrics import IngestMetrics
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.api_keys import ApiKeyRow
from shared.problem import problem
from shared.rate import RateLimit

_SENDERS = frozenset({"integrator", "admin"})


class Door:
    def __init__(self, keys: KeyRing, rate: RateLimit, metrics: IngestMetrics, clock: Clock) -> None:
        self._keys = keys
        self._rate = rate
        self._metrics = metrics
        self._clock = clock

    async def admit(self, request: Request) -> ApiKeyRow | Response:
        """Return the record of the request's API key, or the refusal to answer with.

        The key comes as a bearer token, as X-Api-Key, or as the user of basic auth (as Segment's libraries send it).
        """
        return await self.admit_key(presented_key(request))

    async def admit_key(self, key: str | None) -> ApiKeyRow | Response:
        """Return the record of an API key, or the refusal to answer with."""
        if key is None:
            return _unauthorized("send an API key: Authorization: Bearer <key>")
        try:
            active = await self._keys.admit(key, self._clock.now())
        except Unavailable as error:
            return problem(503, str(error), {"Retry-After": str(error.retry_after_s)})
        if active is None:
            return _unauthorized("the API key is unknown, revoked or expired")
        if active.role not in _SENDERS:
            return problem(403, f"a key with role {active.role} cannot send events; use one with role integrator")
        return active

    def limit(self, key: ApiKeyRow, units: int) -> Response | None:
        """Return the 429 answer when `units` more events are too many for the key now."""
        wait_s = self._rate.take(key.key_hash.hex(), self._clock.monotonic(), units)
        if wait_s <= 0:
            return None
        return problem(429, "this key sends too fast", {"Retry-After": str(math.ceil(wait_s))})

    def count_rejected(self, door: str, n: int) -> None:
        if n:
            self._metrics.rejected.labels(door=door).inc(n)


def presented_key(request: Request) -> str | None:
    """Return the API key a request carries, wherever it carries it."""
    if header := request.headers.get("x-api-key"):
        return header.strip()
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    return basic_user(request.headers.get("authorization", ""))


def basic_user(authorization: str) -> str | None:
    """Return the user of basic authentication, where Segment's libraries put the write key; None without one."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace").partition(":")[0]
    except (binascii.Error, ValueError):
        return None
    return user or None


def _unauthorized(detail: str) -> Response:
    return problem(401, detail, {"WWW-Authenticate": 'Bearer realm="pulseline"'})
