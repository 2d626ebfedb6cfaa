"""Connections to PostgreSQL: one pool a process, JSON columns handed through as bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import msgspec

from shared.errors import Unavailable

_JSONB_VERSION = b"\x01"
_CLOSE_TIMEOUT_S = 3.0
# A server whose network is gone says nothing, and TCP asks it for a quarter of an hour; one that is only busy still
# acknowledges. Idle connections are asked after this long.
_SILENT_NETWORK_S = 30
# Optional filters make one statement of many questions. After five of them PostgreSQL would answer all by one general
# plan, which looked through a million customers for five seconds where the plan for the values takes a quarter.
_SETTINGS = {"plan_cache_mode": "force_custom_plan"}

# What asyncpg raises when the server is away, restarting, refusing, too busy or told to give up by whoever runs it, as
# opposed to refusing the statement.
OUTAGE_ERRORS: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A connection that was lost in mid-statement is still "in progress" when the pool resets it.
    asyncpg.InternalClientError,
    # SQLSTATE classes 53, 57 and 58: nothing left (room, memory, connections); shut down or cancelled; a broken disk.
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)

# SQLSTATE classes 22, 23 and 54, and what the driver itself cannot send.
_VALUE_ERRORS: tuple[type[BaseException], ...] = (
    ValueError,
    OverflowError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


def as_unavailable(error: BaseException) -> Unavailable | None:
    """Return the outage an error stands for, or None when the statement or its values are at fault."""
    # asyncpg reports a value it cannot send as an InterfaceError that is a ValueError as well.
    if not isinstance(error, OUTAGE_ERRORS) or isinstance(error, ValueError):
        return None
    return Unavailable("postgresql", str(error) or type(error).__name__)


def is_value_at_fault(error: BaseException) -> bool:
    """Return whether PostgreSQL or its driver can never take a value: another attempt would end the same way.

    Anything else it refuses (a table or a right that is missing, an internal error) is mended by people, and what was
    to be written waits.
    """
    return isinstance(error, _VALUE_ERRORS) and as_unavailable(error) is None


async def prepare_connection(connection: Any) -> None:
    """Make JSON columns travel as bytes: written from encoded JSON, read as `msgspec.Raw`."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda encoded: _JSONB_VERSION + bytes(encoded),
        decoder=lambda stored: msgspec.Raw(bytes(stored[1:])),
    )


async def open_connection(database_url: str, *, timeout_s: float = 5.0) -> Any:
    """Return one prepared connection. Raises `Unavailable` when the server does not answer."""
    try:
        connection = await asyncpg.connect(database_url, timeout=timeout_s)
        _notice_a_silent_network(connection)
        await prepare_connection(connection)
    except OUTAGE_ERRORS as error:
        if (outage := as_unavailable(error)) is None:
            raise
        raise outage from error
    return connection


def _notice_a_silent_network(connection: Any) -> None:
    # asyncpg has no public way to its socket.
    opened = connection._transport.get_extra_info("socket")
    if opened is None or opened.family not in (socket.AF_INET, socket.AF_INET6):
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _SILENT_NETWORK_S),
        ("TCP_KEEPINTVL", _SILENT_NETWORK_S // 3),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _SILENT_NETWORK_S * 1_000),
    ):
        # macOS has no TCP_USER_TIMEOUT, and calls TCP_KEEPIDLE by another name.
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Pool:
    """A pool that is opened inside the event loop and connects on first use, so a service starts before PostgreSQL."""

    def __init__(self, database_url: str, max_size: int) -> None:
        self._database_url = database_url
        self._max_size = max_size
        self._pool: Any = None

    async def __aenter__(self) -> Self:
        # asyncpg ties a pool to the loop it is made in.
        self._pool = await asyncpg.create_pool(
            self._database_url,
            min_size=0,
            max_size=self._max_size,
            server_settings=_SETTINGS,
            init=prepare_connection,
            timeout=5.0,
            command_timeout=30.0,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.wait_for(self._pool.close(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            self._pool.terminate()

    @property
    def size(self) -> int:
        """The connections that are open now."""
        return 0 if self._pool is None else int(self._pool.get_size())

    @property
    def n_idle(self) -> int:
        """The open connections that nobody uses."""
        return 0 if self._pool is None else int(self._pool.get_idle_size())

    def acquire(self, timeout: float) -> Any:
        return self._pool.acquire(timeout=timeout)


def make_pool(database_url: str, *, max_size: int = 10) -> Pool:
    """Return a pool to open with `async with`."""
    return Pool(database_url, max_size)


@asynccontextmanager
async def transaction(pool: Any) -> AsyncIterator[Any]:
    """Yield a connection inside a transaction. Raises `Unavailable` when the server is away: nothing is written."""
    try:
        async with pool.acquire(timeout=5.0) as connection, connection.transaction():
            yield connection
    except OUTAGE_ERRORS as error:
        if (outage := as_unavailable(error)) is None:
            raise
        raise outage from error


@asynccontextmanager
async def reading(pool: Any) -> AsyncIterator[Any]:
    """Yield a connection for statements that each stand alone. Raises `Unavailable` when the server is away."""
    try:
        async with pool.acquire(timeout=5.0) as connection:
            yield connection
    except OUTAGE_ERRORS as error:
        if (outage := as_unavailable(error)) is None:
            raise
        raise outage from error


@asynccontextmanager
async def patiently(pool: Any) -> AsyncIterator[Any]:
    """Yield a connection inside a transaction for work that is tried again and again.

    Raises `Unavailable` when the server is away, and for whatever people must mend there first.
    """
    try:
        async with transaction(pool) as connection:
            yield connection
    except asyncpg.PostgresError as error:
        raise Unavailable("postgresql", str(error)) from error


def with_password_file(database_url: str, password_file: Path | None) -> str:
    """Return the address with the password from the file in place of its own, when there is a file."""
    if password_file is None:
        return database_url
    parts = urlsplit(database_url)
    location = parts.netloc.rpartition("@")[2]
    password = quote(password_file.read_text(encoding="utf-8").strip(), safe="")
    return urlunsplit(parts._replace(netloc=f"{quote(parts.username or '', safe='')}:{password}@{location}"))
