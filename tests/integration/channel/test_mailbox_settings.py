"""Mailboxes of connections: one whose settings cannot be used is refused alone, the others are polled."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.figures import Figures
from services.ingest.connection.mail import MailDoors
from services.ingest.event.send import EventSender
from services.ingest.identity.table import HandleTable
from services.ingest.metrics import IngestMetrics
from shared.connection.document import Connection, ConnectionsError
from shared.kafka.publisher import Publisher
from shared.postgres.connections import ConnectionRow, FiguresRow
from tests.fakes.mailbox_server import MailboxServer


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class Callers:
    """A port that counts who connects and hangs up."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._answer, "127.0.0.1", 0)

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.called.set()
        writer.close()


@pytest.fixture
async def callers() -> AsyncIterator[tuple[Callers, int]]:
    callers = Callers()
    async with await callers.start() as server:
        yield callers, int(server.sockets[0].getsockname()[1])


def mailbox(connection_id: str, imap_port: Any, password: str | list[str] = "p") -> Connection:
    settings = {"imap_host": "127.0.0.1", "imap_username": "u", "imap_port": imap_port}
    return Connection(connection_id, "smtp", {"imap_password": password}, settings)


async def no_rows() -> Sequence[ConnectionRow]:
    return []


def doors(folder: Path, *connections: Connection) -> tuple[MailDoors, Figures]:
    metrics, clock = IngestMetrics(CollectorRegistry()), StoppedClock()
    in_file = {one.id: one for one in connections}
    book = ConnectionBook(in_file, None, no_rows, folder / "connections.json", clock, refresh_s=2)
    figures = Figures(metrics, book.is_gone)
    publisher = Publisher("127.0.0.1:1", client_id="test", delivery_timeout_s=1.0)
    sender = EventSender(publisher, "test-", metrics, clock)
    return MailDoors(book, sender, HandleTable(), figures, metrics, clock, folder), figures


@pytest.mark.parametrize("imap_port", ["imaps", 0, 70_000, None, True, [993], "٩٩٣", "9" * 5_000])
async def test_a_port_that_is_none_refuses_its_mailbox_and_no_other(
    tmp_path: Path, callers: tuple[Callers, int], imap_port: Any
) -> None:
    mail, figures = doors(tmp_path, mailbox("bad", imap_port), mailbox("good", str(callers[1])))
    written: list[FiguresRow] = []

    async def write(rows: Sequence[FiguresRow]) -> None:
        written.extend(rows)

    async with mail.open(), asyncio.timeout(30):
        await callers[0].called.wait()
    await figures.write_once(write)

    [row] = written
    assert row.connection_id == "bad"
    assert "imap_port is a port, 1 to 65535" in str(row.last_rejection_reason)


async def test_a_listener_without_a_port_is_refused_at_the_start(tmp_path: Path) -> None:
    mail, _ = doors(tmp_path, Connection("door", "smtp", {}, {"listen_port": "smtp"}))

    with pytest.raises(ConnectionsError, match="door: listen_port is a port"):
        async with mail.open():
            pytest.fail("it listens")


async def test_a_mail_connection_with_neither_a_port_nor_a_mailbox_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mail, _ = doors(tmp_path, Connection("desk", "smtp", {"recipients": "desk@example.com"}, {}))

    async with mail.open() as ports:
        await asyncio.sleep(0)

    assert ports == {}
    assert [
        (record.message, vars(record)["connection"]) for record in caplog.records if record.levelname == "WARNING"
    ] == [("no mail comes in: neither listen_port nor imap_host is set", "desk")]


async def test_after_a_rotation_the_mailbox_is_opened_with_the_newest_password(
    tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    server = MailboxServer({})
    port = await server.start(tls[0])
    mail, _ = doors(tmp_path, mailbox("box", port, ["new", "old"]))

    async with mail.open(), asyncio.timeout(30):
        while not (logins := [command for command in server.commands if command.startswith("LOGIN")]):
            await asyncio.sleep(0.02)
    await server.stop()

    assert set(logins) == {'LOGIN u "new"'}
