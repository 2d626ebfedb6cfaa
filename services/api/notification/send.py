"""One attempt to tell one endpoint: to the address that was checked, without following redirects, in bounded time."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Protocol

import httpx2
import msgspec

from services.api.alert.schemas import AlertEventRow
from services.api.notification import render
from services.api.notification.address import AddressGuard
from services.api.notification.model import Endpoint, Outcome, secret_owner
from services.api.notification.sign import dingtalk_query, feishu_fields, webhook_headers
from services.api.vault import Vault
from shared.clock import Clock, to_ms
from shared.connection.seal import SealError
from shared.errors import Reject

_TIMEOUT_S = 15.0
_LARGEST_ANSWER = 64 * 1024
_GONE = 410


class Mailer(Protocol):
    async def send(self, recipient: str, subject: str, text: str, message_id: str) -> None: ...


class Sender:
    """Sends over HTTP and, when a mail server is set, by e-mail."""

    def __init__(
        self,
        guard: AddressGuard,
        vault: Vault,
        clock: Clock,
        mailer: Mailer | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._vault = vault
        self._clock = clock
        self._mailer = mailer
        verify = tls or ssl.create_default_context()
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=verify)

    async def stop(self) -> None:
        await self._client.aclose()

    async def send(self, endpoint: Endpoint, rows: Sequence[AlertEventRow], message_id: str) -> Outcome:
        """Return how the attempt ended; never raises for anything the receiver or the network does.

        One row is told as it is, several as a digest.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                if endpoint.kind == "email":
                    return await self._mail(endpoint, rows, message_id)
                return await self._post(endpoint, rows, message_id)
        except Reject as reject:
            return Outcome(False, error=reject.reason)
        except TimeoutError:
            return Outcome(False, error=f"no answer in {_TIMEOUT_S:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, smtplib.SMTPException) as error:
            return Outcome(False, error=_kept(f"{type(error).__name__}: {error}"))

    async def _post(self, endpoint: Endpoint, rows: Sequence[AlertEventRow], message_id: str) -> Outcome:
        now_ms = to_ms(self._clock.now())
        if len(rows) == 1:
            content = render.body(endpoint.kind, rows[0], endpoint.language)
        else:
            content = render.digest_body(endpoint.kind, rows, endpoint.language, self._clock.now())
        url, secret = endpoint.url, self._secret_of(endpoint)
        if endpoint.kind == "feishu" and secret:
            content |= feishu_fields(secret, now_ms // 1000)
        if endpoint.kind == "dingtalk" and secret:
            url += ("&" if "?" in url else "?") + dingtalk_query(secret, now_ms)
        target = await self._guard.admit(url)
        body = msgspec.json.encode(content)
        headers = {"Host": target.host_header, "Content-Type": "application/json", "User-Agent": "Pulseline/1"}
        if endpoint.kind == "webhook" and secret:
            headers |= webhook_headers(secret, message_id, now_ms // 1000, body)
        request = self._client.build_request(
            "POST", target.url, content=body, headers=headers, extensions={"sni_hostname": target.host}
        )
        response = await self._client.send(request, stream=True)
        try:
            answer = await _beginning(response)
        finally:
            await response.aclose()
        return judge_answer(endpoint, response.status_code, answer)

    def _secret_of(self, endpoint: Endpoint) -> str | None:
        """Return what to sign with. Raises `Reject` when no key opens it: unsigned, nothing is sent in its place."""
        if endpoint.secret is not None or endpoint.sealed_secret is None:
            return endpoint.secret
        try:
            return self._vault.open(endpoint.sealed_secret, secret_owner(endpoint.id)).decode()
        except SealError as error:
            raise Reject(f"the endpoint's secret cannot be read: {error}") from error

    async def _mail(self, endpoint: Endpoint, rows: Sequence[AlertEventRow], message_id: str) -> Outcome:
        if self._mailer is None:
            return Outcome(False, error="no mail server is set")
        recipient = endpoint.url.removeprefix("mailto:")
        if len(rows) == 1:
            subject, said = render.title(rows[0], endpoint.language), render.lines(rows[0], endpoint.language)
        else:
            subject = render.digest_title(rows, endpoint.language)
            said = render.digest_lines(rows, endpoint.language)
        await self._mailer.send(recipient, subject, "\n".join(said), message_id)
        return Outcome(True)


def judge_answer(endpoint: Endpoint, status: int, answer: bytes) -> Outcome:
    """Return what an HTTP answer means; the Chinese bots answer 200 with an error code inside."""
    if status == _GONE:
        return Outcome(False, status, "410 Gone", is_gone=True)
    if not 200 <= status < 300:
        detail = "redirects are not followed" if 300 <= status < 400 else f"HTTP {status}"
        return Outcome(False, status, detail)
    if endpoint.kind in ("wecom", "dingtalk", "feishu"):
        try:
            said = msgspec.json.decode(answer, type=_BotAnswer)
        except msgspec.DecodeError:
            return Outcome(False, status, "the answer is not the bot's")
        if (code := said.errcode or said.code) != 0:
            return Outcome(False, status, _kept(f"the bot refused: {code} {said.errmsg or said.msg}"))
    return Outcome(True, status)


def _kept(said: str) -> str:
    # PostgreSQL's texts hold every character but this one, and a receiver may say anything.
    return said.replace("\x00", "\ufffd")[:500]


class _BotAnswer(msgspec.Struct):
    errcode: int = 0
    errmsg: str = ""
    code: int = 0
    msg: str = ""


async def _beginning(response: httpx2.Response) -> bytes:
    answer = b""
    async for piece in response.aiter_raw():
        answer += piece
        if len(answer) >= _LARGEST_ANSWER:
            break
    return answer[:_LARGEST_ANSWER]


class SmtpMailer:
    """Sends plain-text mail through one server, with STARTTLS when it offers it."""

    def __init__(
        self,
        host: str,
        port: int,
        sender: str,
        user: str | None,
        password: str | None,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._user = user
        self._password = password
        self._clock = clock
        self._tls = tls or ssl.create_default_context()

    async def send(self, recipient: str, subject: str, text: str, message_id: str) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = recipient
        message["Date"] = self._clock.now()
        message["Subject"] = subject
        message["Message-ID"] = f"<{message_id}@pulseline>"
        message.set_content(text)
        await asyncio.to_thread(self._deliver, message)

    def _deliver(self, message: EmailMessage) -> None:
        with smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S) as server:
            server.ehlo()  # until then smtplib knows of nothing that the server offers
            if server.has_extn("starttls"):
                server.starttls(context=self._tls)
            if self._user is not None and self._password is not None:
                server.login(self._user, self._password)
            server.send_message(message)
