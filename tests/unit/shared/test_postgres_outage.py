"""Which failures of PostgreSQL are waited out, and which are somebody's mistake."""

import asyncpg
import pytest

from shared.postgres.pool import as_unavailable


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    ],
)
def test_a_lost_server_is_an_outage(error: Exception) -> None:
    assert as_unavailable(error) is not None


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError(), asyncpg.DataError("invalid input"), KeyError("x")])
def test_a_refused_statement_is_no_outage(error: Exception) -> None:
    assert as_unavailable(error) is None
