"""The courier on PostgreSQL and real sockets: what goes wrong with one message stays with it."""

import ipaddress
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.api.metrics import ApiMetrics
from services.api.notification import store
from services.api.notification.address import AddressGuard
from services.api.notification.courier import Courier
from services.api.notification.model import EndpointKind, QuietHours
from services.api.notification.sample import sample_event
from services.api.notification.send import Sender
from services.api.vault import Vault
from shared.clock import SystemClock
from shared.postgres.pool import Pool, make_pool, reading, transaction
from tests.factories.records import NOON
from tests.integration.api.test_notifications import receiving

pytestmark = pytest.mark.integration


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with make_pool(database_url) as opened:
        yield opened


@pytest.fixture
async def courier(pool: Pool) -> AsyncIterator[Courier]:
    clock = SystemClock()
    sender = Sender(AddressGuard([ipaddress.ip_network("127.0.0.0/8")]), Vault(None), clock)
    yield Courier(pool, sender, ApiMetrics(CollectorRegistry()), clock, random.Random(1))
    await sender.stop()


async def queue(
    pool: Pool,
    endpoint_id: str,
    url: str,
    seq: int,
    *,
    kind: EndpointKind = "webhook",
    quiet_hours: QuietHours | None = None,
) -> None:
    """Make an endpoint with one message to be told."""
    row = sample_event(NOON)
    endpoint = store.NewEndpoint(
        id=endpoint_id,
        name=endpoint_id,
        kind=kind,
        url=url,
        sealed_secret=None,
        language="en",
        event_types=None,
        severities=None,
        rate_per_minute=600,
        includes_held_out=False,
        quiet_hours=quiet_hours,
        digest_minutes=None,
        created_by="test",
    )
    async with reading(pool) as connection:
        await store.insert(connection, endpoint)
        await connection.execute(
            """
            INSERT INTO alert_events (seq, alert_id, customer_id, version, type, at, is_historical, event, alert)
            VALUES ($1, $2, 'c1', 1, $3, $4, false, $5, $6)
            """,
            seq,
            f"a{seq}",
            row.type,
            row.at,
            bytes(row.event),
            bytes(row.alert),
        )
        await connection.execute(
            "INSERT INTO notification_jobs (endpoint_id, seq, customer_id) VALUES ($1, $2, 'c1')", endpoint_id, seq
        )


async def told(pool: Pool) -> dict[str, tuple[str, int, str | None]]:
    """Return the status, attempts and last error of each endpoint's message."""
    async with reading(pool) as connection:
        rows = await connection.fetch("SELECT endpoint_id, status, n_attempts, last_error FROM notification_jobs")
    return {row["endpoint_id"]: (row["status"], row["n_attempts"], row["last_error"]) for row in rows}


async def test_an_endpoint_that_cannot_be_told_waits_and_the_others_are_told(pool: Pool, courier: Courier) -> None:
    # As after an update of the machine's time zones.
    unknown = QuietHours(time_zone="Atlantis/Capital", start="21:00", end="08:00")
    with receiving() as receiver:
        await queue(pool, "ep_odd", receiver.url, 1, quiet_hours=unknown)
        await queue(pool, "ep_good", receiver.url, 2)
        await courier.work()

    assert await told(pool) == {
        "ep_odd": ("pending", 1, "internal error: ZoneInfoNotFoundError"),
        "ep_good": ("delivered", 1, None),
    }


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Yield the address of a receiver that says this with 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


async def test_what_no_text_column_takes_is_kept_of_an_answer_as_far_as_it_goes(pool: Pool, courier: Courier) -> None:
    refusal = msgspec.json.encode({"errcode": 9, "errmsg": "no\x00bot"})
    with answering(refusal) as url:
        await queue(pool, "ep_bot", url, 1, kind="wecom")
        await courier.work()

    assert await told(pool) == {"ep_bot": ("pending", 1, "the bot refused: 9 no\N{REPLACEMENT CHARACTER}bot")}


async def test_a_message_that_cannot_be_settled_for_now_leaves_the_others_to_be(pool: Pool, courier: Courier) -> None:
    async with reading(pool) as connection:
        await connection.execute(
            """
            CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'cancelled by an administrator' USING ERRCODE = 'query_canceled'; END $$;
            CREATE TRIGGER cancel BEFORE UPDATE OF status ON notification_jobs
                FOR EACH ROW WHEN (NEW.endpoint_id = 'ep_bad') EXECUTE FUNCTION cancel();
            """
        )
    with receiving() as receiver:
        await queue(pool, "ep_bad", receiver.url, 1)
        await queue(pool, "ep_good", receiver.url, 2)
        n_told = await courier.work()

    assert n_told == 2
    assert await told(pool) == {"ep_bad": ("pending", 0, None), "ep_good": ("delivered", 1, None)}


async def test_a_page_of_what_an_endpoint_was_told_reads_nothing_of_others(pool: Pool) -> None:
    n_old, n_new = 2_000, 20_000
    async with transaction(pool) as connection:
        await connection.execute(
            """
            INSERT INTO notification_endpoints (id, name, kind, url, language, created_by)
            VALUES ('ep_old', 'old', 'webhook', '', 'en', 'test'), ('ep_new', 'new', 'webhook', '', 'en', 'test')
            """
        )
        await connection.execute(
            """
            INSERT INTO notification_jobs (endpoint_id, seq, customer_id)
            SELECT CASE WHEN n <= $1::int THEN 'ep_old' ELSE 'ep_new' END, n, 'c' || n
            FROM generate_series(1, $2::int) AS n
            """,
            n_old,
            n_old + n_new,
        )
        await connection.execute("ANALYZE notification_jobs")
    async with transaction(pool) as connection:
        page = await store.deliveries(connection, "ep_old", 1_000, 50)
        n_read = await connection.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'notification_jobs'"
        )

    assert [delivery.event_id for delivery in page] == list(range(999, 949, -1))
    assert n_read == len(page)
