"""The embedded PostgreSQL keeps committed rows over a restart and a kill, and lets nobody in without the password."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.cli.probe import probe
from services.cli.state_folder import ProcessRecord
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.pool import open_connection
from tests.conftest import RunningPostgres
from tests.integration.embedded.process_table import is_alive, wait_gone

pytestmark = pytest.mark.integration


async def run(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql)
        return rows
    finally:
        await connection.close()


async def test_committed_rows_outlive_a_restart_and_a_kill(fresh_postgres: EmbeddedPostgres) -> None:
    await run(fresh_postgres.url(), "CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")

    fresh_postgres.restart()
    after_restart = await run(fresh_postgres.url(), "SELECT count(*) FROM kept")
    fresh_postgres.kill()
    fresh_postgres.start()

    after_kill = await run(fresh_postgres.url(), "SELECT count(*) FROM kept")
    assert (after_restart[0][0], after_kill[0][0]) == (100, 100)


async def test_nobody_gets_in_without_the_password(postgres: RunningPostgres) -> None:
    location = urlsplit(postgres.admin_url)

    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(f"postgresql://{location.username}:wrong@127.0.0.1:{location.port}/postgres", "SELECT 1")


async def test_the_server_listens_on_loopback_alone_and_on_no_unix_socket(postgres: RunningPostgres) -> None:
    rows = await run(
        postgres.admin_url,
        "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')",
    )

    assert tuple(rows[0]) == ("127.0.0.1", "")


async def test_the_extensions_search_needs_are_there(empty_database_url: str) -> None:
    for extension in ("pg_trgm", "btree_gin", "unaccent"):
        await run(empty_database_url, f"CREATE EXTENSION {extension}")

    rows = await run(empty_database_url, "SELECT extname FROM pg_extension")

    assert {"pg_trgm", "btree_gin", "unaccent"} <= {row["extname"] for row in rows}


async def test_each_test_has_a_migrated_database_of_its_own(database_url: str, empty_database_url: str) -> None:
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"

    migrated, empty = await run(database_url, tables), await run(empty_database_url, tables)

    assert migrated[0][0] > 0
    assert empty[0][0] == 0


_STARTER = """
import sys, time
from pathlib import Path
from services.cli.probe import probe
from services.cli.state_folder import ProcessRecord
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.pool import open_connection
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


def test_the_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STARTER, str(tmp_path / "postgres")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as starter:
        assert starter.stdout is not None
        server_pid = int(starter.stdout.readline())
        was_alive = is_alive(server_pid)

        os.kill(starter.pid, signal.SIGKILL)

    assert was_alive
    assert wait_gone(server_pid)


async def test_a_connection_to_a_network_that_is_gone_is_given_up_within_a_minute(postgres: RunningPostgres) -> None:
    # A firewall that drops packets cannot be had here; what the kernel is asked to do can.
    connection = await open_connection(postgres.admin_url)
    try:
        opened = connection._transport.get_extra_info("socket")
        user_timeout_ms = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        is_kept_alive = opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle_s = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    finally:
        await connection.close()

    assert is_kept_alive
    assert 0 < user_timeout_ms <= 60_000
    assert 0 < idle_s <= 60


def test_a_postgresql_that_answers_nothing_is_down(fresh_postgres: EmbeddedPostgres) -> None:
    process = ProcessRecord(
        name="postgres",
        kind="postgres",
        address=urlsplit(fresh_postgres.url()).netloc.rpartition("@")[2],
        is_external=True,
    )
    running = probe(process)

    fresh_postgres.pause()
    try:
        frozen = probe(process)
    finally:
        fresh_postgres.resume()

    assert (running.health, frozen.health) == ("ready", "down")
