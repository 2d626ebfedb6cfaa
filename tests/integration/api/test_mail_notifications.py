"""E-mail notifications on a mail server as providers run them: TLS before anything else, then a login."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.api.notification.send import SmtpMailer
from tests.factories.records import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.tls_server import certificate_of

pytestmark = pytest.mark.integration

HOST = "localhost"


@dataclass
class MailServer:
    """`mails` holds what was taken, with who was logged in."""

    port: int = 0
    mails: list[tuple[object, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert session.ssl is not None
        assert isinstance(envelope.content, bytes)
        self.mails.append((session.auth_data, envelope.content))
        return "250 OK"


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, told: LoginPassword) -> AuthResult:
    return AuthResult(success=told.password == b"geheim", auth_data=told.login)


@pytest.fixture
def trust() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
async def server(tmp_path: Path, trust: ssl.SSLContext) -> AsyncIterator[MailServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate_of(tmp_path, HOST, trust))
    taking = MailServer()
    listening = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            taking, tls_context=tls, require_starttls=True, auth_required=True, authenticator=_login, hostname=HOST
        ),
        "127.0.0.1",
    )
    taking.port = listening.sockets[0].getsockname()[1]
    yield taking
    listening.close()
    await listening.wait_closed()


async def test_a_mail_is_sent_dated_and_logged_in_after_starttls(server: MailServer, trust: ssl.SSLContext) -> None:
    mailer = SmtpMailer(HOST, server.port, "pulseline@shop.example", "shop", "geheim", FakeClock(NOON), trust)

    await mailer.send("ops@shop.example", "【高】客户流失预警：c-1", "第一行\nsecond line", "msg_1")

    ((user, content),) = server.mails
    mail = message_from_bytes(content, policy=policy.default)
    assert user == b"shop"
    assert (mail["subject"], mail["message-id"]) == ("【高】客户流失预警：c-1", "<msg_1@pulseline>")
    assert mail["date"].datetime == NOON
    assert mail.get_content().splitlines() == ["第一行", "second line"]
