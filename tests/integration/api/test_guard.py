"""Who stays beside answers that do not end, on PostgreSQL."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from services.api.auth import store
from services.api.auth.guard import SESSION_COOKIE, Guard
from shared.clock import SystemClock
from shared.postgres.api_keys import insert_key, new_key
from shared.postgres.pool import Pool, make_pool, reading

pytestmark = pytest.mark.integration


class CountingPool:
    """Counts how often a connection is taken."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.n_taken = 0

    def acquire(self, timeout: float) -> Any:
        self.n_taken += 1
        return self._pool.acquire(timeout)


def with_header(name: str, value: str) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [(name.encode(), value.encode())]})


async def test_who_may_not_stay_is_sent_away_by_one_question_for_all(database_url: str) -> None:
    keys = [new_key() for _ in range(4)]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with make_pool(database_url) as pool:
        async with reading(pool) as connection:
            ids = [await insert_key(connection, key, name="wall", role="viewer") for key in keys]
            sessions = [(await store.open_session(connection, ids[number], tomorrow))[0] for number in (0, 0, 2)]
            await store.close_session(connection, sessions[1])
            await store.revoke_key(connection, ids[1], datetime.now(UTC))
            await store.replace_key(connection, ids[2], datetime.now(UTC), datetime.now(UTC))
        counting = CountingPool(pool)
        guard = Guard(counting, SystemClock(), rate_per_s=1, rate_burst=1)
        requests = [with_header("x-api-key", key) for key in [*keys, keys[1], "pl_12345678_unknown"]]
        requests += [with_header("cookie", f"{SESSION_COOKIE}={secret}") for secret in [*sessions, keys[0]]]
        with ExitStack() as stays:
            ended = [stays.enter_context(guard.staying(request)) for request in requests]
            await guard.recheck()

    assert [one.done() for one in ended] == [False, True, True, False, True, True, False, True, True, True]
    assert counting.n_taken == 1
