"""One test of a connection: a signed sample through ingest's public door, or a login to the mailbox it polls."""

import asyncio
import imaplib
import ssl
from collections.abc import Mapping
from typing import Any, Literal

import httpx2
import msgspec
from msgspec import Struct

from services.api.connection.decide import Credentials
from services.api.connection.sample import CannotSignError, Moment, Sample, sample
from services.api.connection.schemas import ConnectionTestResult
from shared.clock import Clock
from shared.connection.provider import port_of
from shared.connection.seal import TEST_HEADER, SecretsKey
from shared.ids import new_request_id

_TIMEOUT_S = 10.0
_IMAPS_PORT = 993
# Ingest may still be about to read what was just written; it does so every two seconds.
_PATIENCE_S = 8.0
_PAUSE_S = 0.5
_NOT_YET = frozenset({401, 404, 503})

Problem = Literal[
    "credentials_unreadable",
    "no_secrets_key",
    "cannot_sign",
    "unreachable",
    "not_known_to_ingest",
    "refused",
    "not_understood",
    "mailbox_refused",
    "mail_only",
]


class Subject(Struct, frozen=True, kw_only=True):
    """The connection to test, with its credentials and the address it is reached at."""

    id: str
    provider: str
    url: str
    credentials: Credentials
    settings: Mapping[str, Any]


class ConnectionTester:
    """Sends samples that ingest verifies and reads like any delivery, and then keeps nothing of."""

    def __init__(self, key: SecretsKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False)

    async def stop(self) -> None:
        await self._client.aclose()

    async def test(self, subject: Subject) -> ConnectionTestResult:
        """Return how it went; never raises for anything ingest, the network or the mailbox does."""
        if subject.provider == "smtp":
            return await self._test_mailbox(subject)
        deadline = self._clock.monotonic() + _PATIENCE_S
        while True:
            result, is_final = await self._attempt(subject)
            if is_final or self._clock.monotonic() >= deadline:
                return result
            await asyncio.sleep(_PAUSE_S)

    async def _attempt(self, subject: Subject) -> tuple[ConnectionTestResult, bool]:
        moment = Moment(id=new_request_id(), at=self._clock.now())
        hint = None
        try:
            made = sample(subject.provider, subject.credentials.current, subject.url, moment)
        except CannotSignError as error:
            # An unsigned delivery at least shows whether ingest is there and knows the connection.
            hint, made = error.reason, Sample(url=subject.url, headers={}, body=b"{}")
        headers = {**made.headers, TEST_HEADER: self._key.mark(subject.id, made.body)}
        try:
            response = await self._client.post(made.url, content=made.body, headers=headers)
        except httpx2.HTTPError as error:
            return failed("unreachable", f"{subject.url} does not answer: {type(error).__name__}: {error}"), True
        if hint is not None and response.status_code == 401:
            return failed("cannot_sign", f"Ingest knows the connection and refuses what is not signed. {hint}."), True
        return _judged(response), response.status_code not in _NOT_YET

    async def _test_mailbox(self, subject: Subject) -> ConnectionTestResult:
        if "imap_host" not in subject.settings:
            return failed("mail_only", "Mail comes in by SMTP: send one to an allowed recipient, then see the figures.")
        port = port_of(subject.settings.get("imap_port", _IMAPS_PORT))
        if port is None:
            return failed("mailbox_refused", "imap_port is a port, 1 to 65535: ingest leaves this mailbox alone.")
        try:
            n_mails = await asyncio.to_thread(_mails_in, subject, port)
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            # The last is a name or a password that the protocol cannot carry.
            return failed("mailbox_refused", f"{subject.settings['imap_host']}: {error}"[:500])
        return ConnectionTestResult(ok=True, detail=f"The mailbox opens; it holds {n_mails} mails.")


def failed(problem: Problem, detail: str) -> ConnectionTestResult:
    return ConnectionTestResult(ok=False, problem=problem, detail=detail)


def _judged(response: httpx2.Response) -> ConnectionTestResult:
    status, detail = response.status_code, _detail(response)
    if status == 200:
        return ConnectionTestResult(
            ok=True, detail="A signed sample came through the public address and was understood."
        )
    if status == 401:
        return failed("refused", f"Ingest refuses the sample's signature: {detail}")
    if status == 404:
        return failed("not_known_to_ingest", f"There is no such connection behind this address: {detail}")
    if status == 400:
        return failed("not_understood", f"Ingest does not understand the sample: {detail}")
    return failed("unreachable", f"The address answers {status}: {detail}")


def _detail(response: httpx2.Response) -> str:
    try:
        return str(msgspec.json.decode(response.content, type=_Problem).detail)[:500]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the answer is not Pulseline's; is the public base URL right?"


class _Problem(msgspec.Struct):
    detail: str


def _mails_in(subject: Subject, port: int) -> int:
    """Return how many mails the polled folder holds. Raises imaplib's errors and OSError."""
    settings = subject.settings
    password = subject.credentials.current.get("imap_password", "")
    with imaplib.IMAP4_SSL(
        str(settings["imap_host"]), port, ssl_context=ssl.create_default_context(), timeout=_TIMEOUT_S
    ) as client:
        client.login(str(settings.get("imap_username", "")), password if isinstance(password, str) else password[0])
        status, counted = client.select(_quoted(str(settings.get("imap_folder", "INBOX"))), readonly=True)
        if status != "OK":
            raise imaplib.IMAP4.error(f"the folder does not open: {counted!r}")
        return int(counted[0] or 0)


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
