"""Which failures of PostgreSQL are waited out, and which are somebody's mistake."""

import asyncpg
import pytest

from shared.postgres.pool import as_unavailable, is_value_at_fault


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.QueryCanceledError("canceling statement due to user request"),
        asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
        asyncpg.PostgresIOError("could not read block 7"),
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    ],
)
def test_a_lost_server_is_an_outage(error: Exception) -> None:
    assert as_unavailable(error) is not None
    assert not is_value_at_fault(error)


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError(), asyncpg.DataError("invalid input"), KeyError("x")])
def test_a_refused_statement_is_no_outage(error: Exception) -> None:
    assert as_unavailable(error) is None


@pytest.mark.parametrize(
    ("error", "is_at_fault"),
    [
        (asyncpg.DataError("invalid input"), True),
        (asyncpg.CheckViolationError("no partition"), True),
        (asyncpg.ProgramLimitExceededError("string is too long for tsvector"), True),
        (ValueError("not sendable"), True),
        (asyncpg.InsufficientPrivilegeError("permission denied for table orders"), False),
        (asyncpg.UndefinedTableError("relation does not exist"), False),
        (asyncpg.InternalServerError("could not open relation"), False),
    ],
)
def test_a_value_is_at_fault_where_nothing_could_be_mended(error: Exception, is_at_fault: bool) -> None:
    assert is_value_at_fault(error) is is_at_fault
