"""The SMTP listener and the IMAP poller over real sockets: what they take, refuse, and when they say so."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from services.ingest.channel.email.imap_poller import ImapPoller, Mailbox, Position
from services.ingest.channel.email.smtp_listener import SmtpLimits, SmtpListener
from shared.contracts.event import EventBase
from shared.errors import Unavailable
from tests.fakes.mailbox_server import MailboxServer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIL = (
    b"From: Ana <ana@example.com>\r\nTo: help@shop.example\r\nMessage-ID: <1@x>\r\nSubject: Hi\r\n\r\nWhere is it?\r\n"
)
ALLOWED = {"recipients": ["help@shop.example"]}


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Broker:
    """Keeps what it is given; refuses while `is_down`."""

    def __init__(self) -> None:
        self.events: list[EventBase] = []
        self.is_down = False

    async def accept(self, events: Sequence[EventBase]) -> None:
        if self.is_down:
            raise Unavailable("broker")
        self.events.extend(events)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def port(broker: Broker) -> AsyncIterator[int]:
    limits = SmtpLimits(size_bytes=2_000, n_recipients=2)
    listener = SmtpListener(broker.accept, {"recipients": ["@shop.example"]}, StoppedClock(), limits=limits)
    yield await listener.start()
    await listener.stop()


def _send(port: int, raw: bytes, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("bounce@example.com", recipients or ["help@shop.example"], raw)


async def test_a_mail_to_an_allowed_recipient_becomes_an_event(port: int, broker: Broker) -> None:
    await asyncio.to_thread(_send, port, MAIL)

    (event,) = broker.events
    assert (event.id, event.text, event.customer.handles) == ("<1@x>", "Where is it?", ["mailto:ana@example.com"])
    assert event.attributes["envelope_to"] == "help@shop.example"


async def test_a_mail_to_a_foreign_recipient_is_refused(port: int, broker: Broker) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        await asyncio.to_thread(_send, port, MAIL, "someone@elsewhere.example")

    assert refusal.value.recipients["someone@elsewhere.example"][0] == 550
    assert broker.events == []


async def test_too_many_recipients_are_deferred(port: int, broker: Broker) -> None:
    def ask() -> list[int]:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.mail("a@example.com")
            return [client.rcpt(f"{name}@shop.example")[0] for name in "abc"]

    assert await asyncio.to_thread(ask) == [250, 250, 452]


async def test_a_mail_that_is_too_large_is_refused(port: int, broker: Broker) -> None:
    with pytest.raises(smtplib.SMTPResponseException) as refusal:
        await asyncio.to_thread(_send, port, MAIL + b"x" * 3_000)

    assert refusal.value.smtp_code == 552
    assert broker.events == []


async def test_a_mail_is_deferred_while_the_broker_is_down(port: int, broker: Broker) -> None:
    broker.is_down = True

    with pytest.raises(smtplib.SMTPResponseException) as refusal:
        await asyncio.to_thread(_send, port, MAIL)

    assert refusal.value.smtp_code == 451


async def test_a_smuggled_second_mail_is_not_taken_for_one(port: int, broker: Broker) -> None:
    smuggled = (
        MAIL + b"\n.\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<help@shop.example>\r\nDATA\r\nSubject: x\r\n\r\ny\r\n"
    )

    await asyncio.to_thread(_send, port, smuggled)

    assert len(broker.events) == 1


async def test_a_date_claimed_in_the_future_is_the_arrival_and_kept_as_stated(port: int, broker: Broker) -> None:
    await asyncio.to_thread(_send, port, b"Date: Fri, 1 Jan 2038 00:00:00 +0000\r\n" + MAIL)

    (event,) = broker.events
    assert event.occurred_at == NOW
    assert event.attributes["stated_at"] == "2038-01-01T00:00:00+00:00"


async def test_with_tls_a_mail_is_taken_after_starttls_only(
    broker: Broker, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    listener = SmtpListener(broker.accept, ALLOWED, StoppedClock(), tls=tls[0])
    port = await listener.start()

    def send() -> int:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            code = client.mail("a@example.com")[0]
            client.starttls(context=tls[1])
            client.sendmail("a@example.com", ["help@shop.example"], MAIL)
            return code

    assert await asyncio.to_thread(send) == 530
    assert len(broker.events) == 1
    await listener.stop()


class Shelf:
    def __init__(self, position: Position | None = None) -> None:
        self.position = position

    async def load(self) -> Position | None:
        return self.position

    async def save(self, position: Position) -> None:
        self.position = position


def _poller(port: int, broker: Broker, shelf: Shelf, from_start: bool = True) -> ImapPoller:
    box = Mailbox("127.0.0.1", "u", "p", port=port, is_plain=True, idle_s=2.0, poll_s=0.05, timeout_s=5.0)
    return ImapPoller(box, broker.accept, shelf, ALLOWED, StoppedClock(), from_start=from_start)


@pytest.fixture
async def mailbox() -> AsyncIterator[tuple[MailboxServer, int]]:
    server = MailboxServer({3: MAIL, 5: MAIL.replace(b"<1@x>", b"<2@x>")})
    port = await server.start()
    yield server, port
    await server.stop()


async def test_new_mails_are_taken_once_and_left_unread(mailbox: tuple[MailboxServer, int], broker: Broker) -> None:
    server, port = mailbox
    shelf = Shelf()

    first = await _poller(port, broker, shelf).poll_once()
    again = await _poller(port, broker, shelf).poll_once()

    assert (first, again) == (2, 0)
    assert [event.id for event in broker.events] == ["<1@x>", "<2@x>"]
    assert shelf.position == Position(7, 5)
    assert not any("STORE" in command or "SELECT" in command for command in server.commands)


async def test_a_first_run_starts_at_the_end_of_the_mailbox(mailbox: tuple[MailboxServer, int], broker: Broker) -> None:
    server, port = mailbox
    shelf = Shelf()

    await _poller(port, broker, shelf, from_start=False).poll_once()
    server.mails[6] = MAIL.replace(b"<1@x>", b"<3@x>")
    await _poller(port, broker, shelf, from_start=False).poll_once()

    assert [event.id for event in broker.events] == ["<3@x>"]


async def test_a_new_validity_voids_the_position(mailbox: tuple[MailboxServer, int], broker: Broker) -> None:
    server, port = mailbox
    server.validity = 8
    shelf = Shelf(Position(7, 5))

    await _poller(port, broker, shelf).poll_once()

    assert len(broker.events) == 2
    assert shelf.position == Position(8, 5)


async def test_the_position_stays_while_the_broker_is_down(mailbox: tuple[MailboxServer, int], broker: Broker) -> None:
    shelf = Shelf()
    broker.is_down = True

    with pytest.raises(Unavailable):
        await _poller(mailbox[1], broker, shelf).poll_once()

    assert shelf.position is None


@pytest.mark.parametrize("has_idle", [True, False])
async def test_a_mail_that_arrives_while_waiting_is_taken(broker: Broker, has_idle: bool) -> None:
    server = MailboxServer({}, has_idle=has_idle)
    port = await server.start()
    stop = asyncio.Event()
    running = asyncio.create_task(_poller(port, broker, Shelf()).run(stop))

    server.mails[1] = MAIL
    async with asyncio.timeout(10):
        while not broker.events:
            await asyncio.sleep(0.02)
    stop.set()
    await running

    assert broker.events[0].id == "<1@x>"
    await server.stop()


async def test_an_absent_mailbox_is_unavailable(broker: Broker) -> None:
    with pytest.raises(Unavailable):
        await _poller(1, broker, Shelf()).poll_once()
