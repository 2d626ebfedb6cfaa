"""Whose a handle is, of all in whose histories it was seen: after erasures, and beside the version before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.api.projection import store
from services.api.projection.decide import collect
from shared.contracts.enriched import EnrichedEvent
from shared.contracts.event import Customer, CustomerErased
from shared.postgres.pool import open_connection
from tests.factories.records import NOON, enriched, message

pytestmark = pytest.mark.integration
HANDLE = "mailto:li@example.cn"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    opened = await open_connection(database_url)
    await store.prepare(opened)
    yield opened
    await opened.close()


async def project(connection: Any, *messages: Any) -> None:
    await store.write(connection, collect(messages, is_searchable=False), {})


def seen(customer_id: str, *, hours_later: int = 0) -> EnrichedEvent:
    at = NOON + timedelta(hours=hours_later)
    return enriched(message(f"{customer_id}-{hours_later}", customer_id, handles=[HANDLE], occurred_at=at))


def erased(customer_id: str) -> EnrichedEvent:
    at = NOON + timedelta(hours=1)
    return enriched(CustomerErased(id="x", source="crm", occurred_at=at, customer=Customer(customer_id)))


async def owners(connection: Any) -> list[str]:
    return [row["customer_id"] for row in await connection.fetch("SELECT customer_id FROM handles")]


async def sightings(connection: Any) -> list[str]:
    return [row["origin_id"] for row in await connection.fetch("SELECT origin_id FROM handle_sightings")]


async def test_a_handle_of_the_erased_goes_to_who_else_was_seen_with_it(connection: Any) -> None:
    await project(connection, seen("ann"))
    await project(connection, seen("bob"))

    await project(connection, erased("ann"))

    search = await connection.fetchval("SELECT search::text FROM customers WHERE customer_id = 'bob'")
    assert (await owners(connection), await sightings(connection)) == (["bob"], ["bob"])
    assert "'li'" in search


@pytest.mark.parametrize("is_erasure_first", [False, True])
async def test_a_handle_seen_after_the_erasure_stays(connection: Any, is_erasure_first: bool) -> None:
    gone, later = erased("ann"), seen("ann", hours_later=2)

    await project(connection, seen("ann"))
    for record in (gone, later) if is_erasure_first else (later, gone):
        await project(connection, record)

    assert (await owners(connection), await sightings(connection)) == (["ann"], ["ann"])


async def test_a_handle_that_the_version_before_stored_is_known_to_have_been_seen(connection: Any) -> None:
    await connection.execute("INSERT INTO handles VALUES ($1, 'ann', $2)", HANDLE, NOON)
    await project(connection, seen("bob"))

    await project(connection, erased("ann"))

    assert await owners(connection) == ["bob"]


async def test_after_an_erasure_by_the_version_before_the_next_event_has_the_handle(connection: Any) -> None:
    await project(connection, seen("ann"), seen("bob"))
    for table in ("interactions", "handles"):
        await connection.execute(f"DELETE FROM {table} WHERE customer_id = 'ann'")
    await connection.execute("INSERT INTO erasures (customer_id, erased_at) VALUES ('ann', $1)", NOON)
    left = await sightings(connection)

    await project(connection, seen("bob", hours_later=1))

    assert (left, await owners(connection)) == ([], ["bob"])


async def test_who_takes_a_handle_over_is_found_by_it_at_once(connection: Any) -> None:
    await project(connection, seen("bob"))

    await project(connection, seen("ann"))

    found = await connection.fetch("SELECT customer_id FROM customers WHERE search @@ 'li'::tsquery")
    assert [row["customer_id"] for row in found] == ["ann"]


async def test_tables_made_anew_know_no_sightings(connection: Any) -> None:
    await project(connection, seen("ann"))

    await connection.execute("TRUNCATE handles, interactions, customers")
    await project(connection, seen("ann"))

    assert await owners(connection) == ["ann"]


async def test_of_two_processes_that_see_a_handle_at_once_the_slower_one_decides_no_other(
    connection: Any, database_url: str
) -> None:
    other = await open_connection(database_url)
    await store.prepare(other)
    async with connection.transaction():
        await project(connection, seen("bob"))
        waiting = asyncio.create_task(project(other, seen("ann")))
        await asyncio.sleep(0.2)
    await waiting
    await other.close()

    assert (await owners(connection), sorted(await sightings(connection))) == (["ann"], ["ann", "bob"])
