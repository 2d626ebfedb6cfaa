"""Who is asking and whether they may: keys, console sessions, rates, lockout. One object a process."""

import asyncio
import hmac
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from starlette.requests import HTTPConnection, Request

from services.api.auth import store
from services.api.auth.rights import Principal, Scope
from shared.clock import Clock
from shared.errors import Unavailable
from shared.postgres.api_keys import find_active_key, hash_key, parse_prefix
from shared.postgres.pool import reading
from shared.problem import ProblemError
from shared.proxies import TrustedProxies
from shared.rate import RateLimit

log = logging.getLogger(__name__)

SESSION_COOKIE = "pulseline_session"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A revoked key or session works at most this much longer.
_CACHE_S = 2.0
_CACHE_SIZE = 10_000
# Wrong credentials: ten at once, then one every 30 seconds, for each client address.
_FAILURES_PER_S = 1 / 30
_FAILURES_BURST = 10
_TOUCH_INTERVAL_S = 15.0
# ... and a stream that is open longer than one request is told so much later at most.
_RECHECK_S = 5.0

Dependency = Callable[[Request], Awaitable[Principal]]


class Guard:
    def __init__(
        self, pool: Any, clock: Clock, *, rate_per_s: float, rate_burst: int, proxies: TrustedProxies | None = None
    ) -> None:
        self._pool = pool
        self._proxies = proxies or TrustedProxies()
        self._clock = clock
        self._rates = RateLimit(rate_per_s, rate_burst)
        self._failures = RateLimit(_FAILURES_PER_S, _FAILURES_BURST)
        self._cache: dict[bytes, tuple[float, Principal]] = {}
        self._used: dict[str, datetime] = {}
        self._open: dict[tuple[str, bool], set[asyncio.Future[None]]] = {}

    def needs(self, scope: Scope | None) -> Dependency:
        """Return the dependency that lets only callers with the scope through; None lets in whoever is known."""

        async def authorize(request: Request) -> Principal:
            principal = await self.identify(request)
            if scope is not None and not principal.may(scope):
                raise ProblemError(403, f"this needs the scope {scope}, which {principal.role} keys do not have here")
            return principal

        return authorize

    async def identify(self, request: Request) -> Principal:
        """Return who is asking. Raises `ProblemError` 401, 403 (no CSRF proof) or 429.

        Wrong keys are not counted here: a key is 256 bits of chance. People type keys at login, so that is counted.
        """
        secret, is_session = _credentials(request)
        if secret is None:
            raise unauthorized("send an API key: Authorization: Bearer <key>, or log in")
        principal = await self._known(secret, is_session)
        if principal is None:
            raise unauthorized("the key or session is unknown, expired or revoked")
        if (wait := self._rates.take(principal.key_id, self._clock.monotonic())) > 0:
            raise rate_limited(wait, "this key makes too many requests")
        if is_session and request.method not in _SAFE_METHODS:
            _prove_same_page(request, principal)
        self._used[principal.key_id] = self._clock.now()
        return principal

    async def check_key(self, request: Request, key: str) -> Principal:
        """Return whose key this is, at login. Raises `ProblemError` 401, or 429 after too many wrong guesses."""
        address = self._address(request)
        if (wait := self._failures.wait_s(address, self._clock.monotonic())) > 0:
            raise rate_limited(wait, "too many wrong keys from this address")
        principal = await self._known(key, is_session=False)
        if principal is None:
            self._failures.take(address, self._clock.monotonic())
            raise unauthorized("the key is unknown, expired or revoked")
        return principal

    def _address(self, request: HTTPConnection) -> str:
        if request.client is None:
            return "unknown"
        return self._proxies.client(request.client.host, request.headers.getlist("x-forwarded-for"))

    def forget(self) -> None:
        """Drop what is cached, after a key or session was ended here."""
        self._cache.clear()

    @contextmanager
    def staying(self, request: Request) -> Iterator[asyncio.Future[None]]:
        """Yield what is done as soon as the caller's key or session is good no longer, for answers that do not end."""
        secret, is_session = _credentials(request)
        credential = (secret or "", is_session)
        ended = asyncio.get_running_loop().create_future()
        self._open.setdefault(credential, set()).add(ended)
        try:
            yield ended
        finally:
            self._open[credential].discard(ended)
            if not self._open[credential]:
                del self._open[credential]

    async def end_unwelcome(self) -> None:
        """End what `staying` watches over, once for all who use the same key; while PostgreSQL is away, nobody's."""
        while True:
            await asyncio.sleep(_RECHECK_S)
            with suppress(Unavailable):
                await self.recheck()

    async def recheck(self) -> None:
        """Ask once whether all who stay may, and end what others stay for. Raises `Unavailable`."""
        asked = list(self._open)
        if not asked:
            return
        keys = [secret for secret, is_session in asked if not is_session]
        sessions = [secret for secret, is_session in asked if is_session]
        async with reading(self._pool) as connection:
            good_keys, good_sessions = await store.good_credentials(connection, keys, sessions)
        for secret, is_session in asked:
            if secret not in (good_sessions if is_session else good_keys):
                for ended in self._open.get((secret, is_session), ()):
                    if not ended.done():
                        ended.set_result(None)

    async def keep_last_used(self) -> None:
        """Write down from time to time which keys were used; never more than a hint, so an outage is waited out."""
        while True:
            await asyncio.sleep(_TOUCH_INTERVAL_S)
            used, self._used = self._used, {}
            if not used:
                continue
            try:
                async with reading(self._pool) as connection:
                    await store.touch_keys(connection, used)
            except Unavailable:
                self._used = used | self._used

    async def _known(self, secret: str, is_session: bool) -> Principal | None:
        if "\x00" in secret or (not is_session and parse_prefix(secret) is None):
            return None
        now = self._clock.monotonic()
        cache_key = hash_key(("session/" if is_session else "key/") + secret)
        cached = self._cache.get(cache_key)
        if cached is not None and cached[0] > now:
            return cached[1]
        async with reading(self._pool) as connection:
            if is_session:
                principal = await store.find_session(connection, secret)
            else:
                key = await find_active_key(connection, hash_key(secret))
                principal = None if key is None else store.principal_of(key)
        if principal is not None:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache = {known: entry for known, entry in self._cache.items() if entry[0] > now}
            self._cache[cache_key] = (now + _CACHE_S, principal)
        return principal


def unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, detail, headers={"WWW-Authenticate": "Bearer"})


def rate_limited(wait_s: float, detail: str) -> ProblemError:
    return ProblemError(429, detail, headers={"Retry-After": str(max(1, math.ceil(wait_s)))})


def _credentials(request: HTTPConnection) -> tuple[str | None, bool]:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip(), False
    if key := request.headers.get("x-api-key"):
        return key, False
    return request.cookies.get(SESSION_COOKIE), True


def _prove_same_page(request: Request, principal: Principal) -> None:
    sent = request.headers.get(CSRF_HEADER, "").encode()
    if not hmac.compare_digest(sent, (principal.csrf_token or "\x00").encode()):
        raise ProblemError(403, f"a console session proves its writes with the header {CSRF_HEADER}")
