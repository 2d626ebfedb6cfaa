"""What Amazon SNS wants fetched: certificates that sign its messages, and the address that confirms a subscription.

Only addresses that services/ingest/channel/phone/sns.py found to be Amazon's own come here (https, sns.<region>.
amazonaws.com). The name is proven by TLS, redirects are not followed, answers are bounded in time and size.
"""

import asyncio
import logging
import ssl
from collections import OrderedDict
from urllib.parse import urlsplit

import httpx2
from cryptography import x509

from shared.clock import Clock
from shared.errors import Unavailable

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
_LARGEST_ANSWER = 64 * 1024
_MOST_KEPT = 64
# Amazon rotates certificates about once a year; a day bounds how long a withdrawn one is believed.
_KEEP_S = 24 * 3600.0
# A name that does not exist is not asked for again at once, whoever sends it.
_KEEP_MISSING_S = 60.0
_MOST_AT_ONCE = 4


class AmazonSns:
    """Fetches from Amazon. `connect_to` (host, port) is where to connect in place of the named host, for tests."""

    def __init__(
        self, clock: Clock, tls: ssl.SSLContext | None = None, connect_to: tuple[str, int] | None = None
    ) -> None:
        self._clock = clock
        self._tls = tls
        self._connect_to = connect_to
        self._kept: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._fetching: dict[str, asyncio.Lock] = {}
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._client: httpx2.AsyncClient | None = None

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def certificate(self, url: str) -> str | None:
        """Return the certificate (PEM) at `url`, or None when Amazon has none there.

        Raises `Unavailable` when Amazon does not answer; SNS delivers again after a 503.
        """
        lock = self._fetching.setdefault(url, asyncio.Lock())
        try:
            async with lock:
                kept = self._kept.get(url)
                if kept is not None and kept[0] > self._clock.monotonic():
                    return kept[1]
                pem = await self._fetched_certificate(url)
                keep_s = _KEEP_S if pem is not None else _KEEP_MISSING_S
                self._kept[url] = (self._clock.monotonic() + keep_s, pem)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
                return pem
        finally:
            if not lock.locked():
                self._fetching.pop(url, None)

    async def confirm(self, url: str) -> None:
        """Confirm a subscription. Raises `Unavailable` when Amazon does not; it then asks again."""
        status, _ = await self._get(url)
        if status != httpx2.codes.OK:
            raise Unavailable("amazon sns", f"the confirmation was answered {status}")

    async def _fetched_certificate(self, url: str) -> str | None:
        status, body = await self._get(url)
        if status in (httpx2.codes.NOT_FOUND, httpx2.codes.FORBIDDEN):
            return None
        if status != httpx2.codes.OK:
            raise Unavailable("amazon sns", f"the certificate's address answers {status}")
        try:
            x509.load_pem_x509_certificate(body)
        except ValueError as error:
            raise Unavailable("amazon sns", "what lies at the certificate's address is no certificate") from error
        return body.decode("latin-1")

    async def _get(self, url: str) -> tuple[int, bytes]:
        host = urlsplit(url).hostname or ""
        address = url
        if self._connect_to is not None:
            address = urlsplit(url)._replace(netloc=f"{self._connect_to[0]}:{self._connect_to[1]}").geturl()
        try:
            async with self._slots, asyncio.timeout(_TIMEOUT_S):
                request = self._http().build_request(
                    "GET", address, headers={"Host": host}, extensions={"sni_hostname": host}
                )
                response = await self._http().send(request, stream=True)
                try:
                    return response.status_code, await _bounded(response)
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            log.warning("amazon sns does not answer", extra={"action": "sns_unreachable", "error": str(error)})
            raise Unavailable("amazon sns", type(error).__name__) from error

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            tls = self._tls or ssl.create_default_context()
            self._client = httpx2.AsyncClient(
                timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=tls, max_redirects=0
            )
        return self._client


async def _bounded(response: httpx2.Response) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise Unavailable("amazon sns", "the answer is too large")
    return body
