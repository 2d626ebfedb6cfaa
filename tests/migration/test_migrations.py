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


async def _rows(database_url: str, query: str) -> list[Any]:
    connection = await open_connection(database_url)
    try:
        return list(await connection.fetch(query))
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


def test_an_endpoint_whose_secret_the_version_before_cannot_read_is_switched_off_for_it(
    empty_database_url: str,
) -> None:
    upgrade(empty_database_url)
    insert = """
        INSERT INTO notification_endpoints (id, name, kind, url, secret, sealed_secret, created_by)
        VALUES ('plain', '', 'webhook', '', 's', NULL, ''), ('sealed', '', 'webhook', '', NULL, 'x', ''),
               ('none', '', 'slack', '', NULL, NULL, '')
    """
    asyncio.run(_rows(empty_database_url, insert))

    downgrade(empty_database_url, "0017")

    rows = asyncio.run(_rows(empty_database_url, "SELECT id FROM notification_endpoints WHERE is_enabled ORDER BY id"))
    assert [row["id"] for row in rows] == ["none", "plain"]


def test_everything_can_be_undone(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url, "base")

    left = asyncio.run(_value(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))

    assert left == 1  # Alembic's own


# Made before anything was released, so that no older code is left to meet them.
_BEFORE_ANY_RELEASE = {"0007"}
_COLUMNS = """
    SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '' AS may_be_left_out
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE = """
    SELECT indrelid::regclass || ': ' || pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indisunique AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""


def test_the_code_of_the_version_before_works_on_the_schema_of_the_next(empty_database_url: str) -> None:
    """While a new version is rolled out the old one still runs: it finds all it knows, and nothing new is required."""
    script = ScriptDirectory.from_config(migration_config(empty_database_url))
    wrong: list[str] = []
    before: dict[str, tuple[str, bool]] = {}
    unique_before: set[str] = set()
    for revision in reversed([one.revision for one in script.walk_revisions()]):
        upgrade(empty_database_url, revision)
        rows = asyncio.run(_rows(empty_database_url, _COLUMNS))
        after = {row["name"]: (row["type"], row["may_be_left_out"]) for row in rows}
        unique = {row[0] for row in asyncio.run(_rows(empty_database_url, _UNIQUE))}
        if revision not in _BEFORE_ANY_RELEASE:
            known_tables = {name.partition(".")[0] for name in before}
            wrong += [
                f"{revision} takes {n} away or changes it" for n, c in before.items() if after.get(n, "")[:1] != c[:1]
            ]
            for name, (_, may_be_left_out) in after.items():
                is_asked = name.partition(".")[0] in known_tables and not may_be_left_out
                if is_asked and (name not in before or before[name][1]):
                    wrong.append(f"{revision} requires {name}")
            stricter = {one for one in unique - unique_before if one.partition(":")[0] in known_tables}
            wrong += [f"{revision} makes unique {one}" for one in stricter]
        before, unique_before = after, unique

    assert wrong == []


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(upgrade, [empty_database_url] * 3))

    heads = ScriptDirectory.from_config(migration_config(empty_database_url)).get_heads()
    assert [asyncio.run(_value(empty_database_url, "SELECT version_num FROM alembic_version"))] == heads
