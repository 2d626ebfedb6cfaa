"""The IMAP poller and a real Dovecot: every mail once, flags left alone, pushes awaited, a new mailbox read anew."""

import asyncio
from collections.abc import Iterator

import pytest

from services.ingest.channel.email.imap_poller import ImapPoller, Mailbox
from shared.clock import SystemClock
from shared.errors import Unavailable
from tests.fakes.dovecot_server import PASSWORD, USER, DovecotServer
from tests.integration.channel.test_mail_doors import Broker, Shelf

pytestmark = pytest.mark.integration


@pytest.fixture
def dovecot() -> Iterator[DovecotServer]:
    with DovecotServer() as server:
        yield server


@pytest.fixture
def broker() -> Broker:
    return Broker()


def mail(number: int) -> bytes:
    return (
        f"From: Ana <ana@example.com>\r\nTo: help@shop.example\r\nMessage-ID: <{number}@example.com>\r\n"
        f"Subject: Order {number}\r\n\r\nWhere is order {number}?\r\n"
    ).encode()


def poller(dovecot: DovecotServer, broker: Broker, shelf: Shelf, password: str = PASSWORD) -> ImapPoller:
    mailbox = Mailbox("127.0.0.1", USER, password, port=dovecot.port, tls=dovecot.tls, idle_s=60)
    return ImapPoller(mailbox, broker.accept, shelf, {}, SystemClock(), from_start=True)


async def test_each_mail_is_taken_once_and_stays_unread(dovecot: DovecotServer, broker: Broker) -> None:
    shelf = Shelf()
    dovecot.append(mail(1), mail(2))

    taken = [await poller(dovecot, broker, shelf).poll_once() for _ in range(2)]
    dovecot.append(mail(3))
    taken.append(await poller(dovecot, broker, shelf).poll_once())

    assert taken == [2, 0, 1]
    assert [event.subject for event in broker.events] == ["Order 1", "Order 2", "Order 3"]
    client = dovecot.client()
    client.select_folder("INBOX", readonly=True)
    assert len(client.search("UNSEEN")) == 3
    client.logout()


async def test_mail_that_was_not_safe_is_taken_again(dovecot: DovecotServer, broker: Broker) -> None:
    shelf = Shelf()
    dovecot.append(mail(1))
    broker.is_down = True
    with pytest.raises(Unavailable):
        await poller(dovecot, broker, shelf).poll_once()

    broker.is_down = False

    assert await poller(dovecot, broker, shelf).poll_once() == 1


async def test_push_ends_the_wait(dovecot: DovecotServer, broker: Broker) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(poller(dovecot, broker, Shelf()).run(stop))

    async with asyncio.timeout(40):
        for number in (1, 2):
            await asyncio.to_thread(dovecot.append, mail(number))
            while len(broker.events) < number:
                await asyncio.sleep(0.05)

    stop.set()
    await asyncio.wait_for(running, 40)


async def test_new_mailbox_of_the_same_name_is_read_from_its_start(dovecot: DovecotServer, broker: Broker) -> None:
    shelf = Shelf()
    dovecot.append(mail(1), mail(2))
    box = Mailbox("127.0.0.1", USER, PASSWORD, folder="Support", port=dovecot.port, tls=dovecot.tls)
    support = ImapPoller(box, broker.accept, shelf, {}, SystemClock(), from_start=True)
    client = dovecot.client()
    client.create_folder("Support")
    client.append("Support", mail(3))
    await support.poll_once()

    client.delete_folder("Support")
    await asyncio.sleep(1.1)  # Dovecot makes the new mailbox's validity from the clock's seconds
    client.create_folder("Support")
    client.append("Support", mail(4))
    client.logout()
    await support.poll_once()

    assert [event.subject for event in broker.events] == ["Order 3", "Order 4"]


async def test_wrong_password_is_an_outage_that_is_told(dovecot: DovecotServer, broker: Broker) -> None:
    with pytest.raises(Unavailable, match="mailbox"):
        await poller(dovecot, broker, Shelf(), "wrong").poll_once()
