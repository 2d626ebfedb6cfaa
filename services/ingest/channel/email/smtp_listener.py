"""The SMTP door: mail for allowed recipients becomes events, and is acknowledged after they are accepted.

An edge: sockets and TLS live here, reading mail does not. 250 is answered only once `accept` returned; a failing
`accept` is 451, so the sending server keeps the mail and tries again.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.ingest.channel.draft import at_most_present
from services.ingest.channel.email.smtp import ENVELOPE_HEADER, Smtp, is_allowed
from services.ingest.channel.ports import ChannelRequest, Credentials, PayloadError, setting_list
from shared.clock import Clock
from shared.contracts.event import EventBase
from shared.errors import Unavailable

log = logging.getLogger(__name__)

Accept = Callable[[Sequence[EventBase]], Awaitable[None]]
"""Take events and return once they are safe; raise `Unavailable` when they are not."""


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """What one mail and one session may cost."""

    size_bytes: int = 25_000_000
    n_recipients: int = 50
    timeout_s: float = 60.0


class SmtpListener:
    """Listens on one address. With a TLS context, STARTTLS is required before a mail is taken."""

    def __init__(
        self,
        accept: Accept,
        credentials: Credentials,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        limits: SmtpLimits | None = None,
        hostname: str = "pulseline",
    ) -> None:
        self._accept = accept
        self._credentials = credentials
        self._clock = clock
        self._tls = tls
        self._limits = limits or SmtpLimits()
        self._hostname = hostname
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port (a free one for 0)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections; sessions under way end by themselves or by their time-out."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _session(self) -> SMTP:
        return _QuietSMTP(
            self,
            data_size_limit=self._limits.size_bytes,
            hostname=self._hostname,
            ident="Pulseline",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            timeout=self._limits.timeout_s,
            enable_SMTPUTF8=True,
        )

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's hook
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= self._limits.n_recipients:
            return "452 4.5.3 Too many recipients"
        if not is_allowed(address, setting_list(self._credentials, "recipients")):
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        raw = content if isinstance(content, bytes) else str(content or "").encode("utf-8", "surrogateescape")
        recipients = ", ".join(str(address) for address in envelope.rcpt_tos)
        now = self._clock.now()
        request = ChannelRequest(body=raw, headers={ENVELOPE_HEADER: recipients}, received_at=now)
        try:
            events = await asyncio.to_thread(Smtp().parse, request, self._credentials)
            await self._accept([at_most_present(event, now) for event in events])
        except PayloadError as error:
            return f"554 5.6.0 {error.reason}"
        except Unavailable as error:
            log.warning("mail deferred", extra={"action": "mail_deferred", "reason": str(error)})
            return "451 4.3.0 Try again later"
        return "250 2.0.0 OK"


class _QuietSMTP(SMTP):
    """A session that says nothing about internal errors: they are logged, the sender is asked to come back."""

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail session failed", extra={"action": "mail_session_failed"}, exc_info=error)
        return "451 4.3.0 Try again later"
