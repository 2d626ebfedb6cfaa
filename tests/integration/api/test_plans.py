"""The pool's statements are planned for their values, also when they are asked often."""

import pytest

from shared.postgres.pool import make_pool, transaction

pytestmark = pytest.mark.integration

# More often than PostgreSQL makes plans for values before it tries a general one.
N_TIMES = 8


async def test_a_statement_asked_often_is_still_planned_for_its_values(database_url: str) -> None:
    async with make_pool(database_url, max_size=1) as pool:
        for number in range(N_TIMES):
            async with transaction(pool) as connection:
                await connection.fetch("SELECT $1::int + 41", number)
        async with transaction(pool) as connection:
            counts = await connection.fetchrow(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = 'SELECT $1::int + 41'"
            )
    assert tuple(counts) == (0, N_TIMES)
