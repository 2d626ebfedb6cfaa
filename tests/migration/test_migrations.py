"""Alembic's versions over a filled database: up, down and up again, and from several processes at once."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from services.api.auth.store import create_admin_key
from services.api.projection import store
from services.api.projection.decide import collect
from shared.postgres.migrate import downgrade, migration_config, upgrade
from shared.postgres.pool import open_connection
from tests.factories.records import customer_risk, enriched, message, order, raised

pytestmark = pytest.mark.integration


async def _fill(database_url: str) -> None:
    connection = await open_connection(database_url)
    try:
        await store.prepare(connection)
        place = ("topic", 0)
        await store.stored_offsets(connection, [place])
        said = [enriched(message("e1", handles=["mailto:a@b.cn"])), enriched(order("o1", "c1", "1.5"))]
        groups = collect([*said, customer_risk("c1"), raised("a1")], is_searchable=True)
        await store.write(connection, groups, {place: (0, 1)})
    finally:
        await connection.close()


async def _value(database_url: str, query: str) -> Any:
    connection = await open_connection(database_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def test_a_filled_database_keeps_its_rows_through_every_later_version(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    asyncio.run(create_admin_key(empty_database_url))
    asyncio.run(_fill(empty_database_url))

    downgrade(empty_database_url, "0001")
    upgrade(empty_database_url)

    for table in ("customers", "handles", "orders", "alerts", "alert_events", "api_keys"):
        assert asyncio.run(_value(empty_database_url, f"SELECT count(*) FROM {table}")) == 1, table
    assert asyncio.run(_value(empty_database_url, "SELECT count(*) FROM interactions")) == 2


def test_everything_can_be_undone(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url, "base")

    left = asyncio.run(_value(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))

    assert left == 1  # Alembic's own


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(upgrade, [empty_database_url] * 3))

    heads = ScriptDirectory.from_config(migration_config(empty_database_url)).get_heads()
    assert [asyncio.run(_value(empty_database_url, "SELECT version_num FROM alembic_version"))] == heads
