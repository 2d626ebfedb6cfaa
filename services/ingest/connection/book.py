"""The connections this process knows: the file's, which never change while it runs, and those made through the API."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from services.ingest.channel import CHANNELS
from services.ingest.replica import Replica
from shared.clock import Clock
from shared.connection.document import Connection, Secret
from shared.connection.seal import SealError, SecretsKey
from shared.errors import Unavailable
from shared.postgres.connections import ConnectionRow, FileConnectionRow

log = logging.getLogger(__name__)


class _Sealed(msgspec.Struct, frozen=True):
    """What the API seals: the credentials in force, and those they replaced while these are still accepted."""

    current: dict[str, Secret]
    previous: dict[str, Secret] = {}


class ConnectionBook:
    """Connections by id. Of two with the same id the file's counts. `changed` is set whenever others are in force."""

    def __init__(
        self,
        from_file: Mapping[str, Connection],
        key: SecretsKey | None,
        load: Callable[[], Awaitable[Sequence[ConnectionRow]]],
        snapshot: Path,
        clock: Clock,
        refresh_s: float,
    ) -> None:
        self._from_file = dict(from_file)
        self._key = key
        self._known: dict[str, Connection] = dict(from_file)
        self._unusable: dict[str, str] = {}
        self._rows: Sequence[ConnectionRow] = ()
        self._replica = Replica("connections", ConnectionRow, load, self._adopt, snapshot, clock, refresh_s)
        self.changed = asyncio.Event()

    @property
    def known(self) -> Mapping[str, Connection]:
        """Every connection that can be used now."""
        return self._known

    def restore(self) -> None:
        """Take the connections the last run knew."""
        self._replica.restore()

    async def keep_fresh(self) -> None:
        """Read the API's connections for ever."""
        await self._replica.keep_fresh()

    async def find(self, connection_id: str) -> Connection | None:
        """Return a connection, or None when there is none of this id.

        Raises `Unavailable` when it may exist and cannot be used now: PostgreSQL is away, or no key opens its secrets.
        """
        found = self._known.get(connection_id)
        if found is None and connection_id not in self._unusable:
            await self._replica.look_again()
            found = self._known.get(connection_id)
        if found is None and (reason := self._unusable.get(connection_id)) is not None:
            raise Unavailable("the connection", reason)
        if found is None and not self._replica.is_current:
            raise Unavailable("postgresql", "this connection is not known yet and connections cannot be read now")
        return found

    def is_gone(self, connection_id: str) -> bool:
        """Return whether there certainly is no such connection any more."""
        is_known = connection_id in self._known or connection_id in self._unusable
        return self._replica.is_current and not is_known

    def told(self) -> list[FileConnectionRow]:
        """Return what the API may show of the file's connections."""
        return [
            FileConnectionRow(
                id=one.id,
                provider=one.provider,
                settings=one.settings,
                credential_names=sorted(one.credentials),
                has_previous_secret=any(isinstance(value, list) and len(value) > 1 for value in _rotating(one)),
            )
            for one in self._from_file.values()
        ]

    def _adopt(self, rows: Sequence[ConnectionRow]) -> None:
        if list(rows) == list(self._rows):
            return
        known, unusable = {}, {}
        for row in rows:
            try:
                known[row.id] = self._opened(row)
            except (SealError, msgspec.DecodeError) as error:
                unusable[row.id] = str(error)
        for connection_id in sorted(set(unusable) - set(self._unusable)):
            extra = {"action": "connection_unusable", "connection": connection_id, "reason": unusable[connection_id]}
            log.error("a connection cannot be used", extra=extra)
        self._rows, self._known, self._unusable = rows, {**known, **self._from_file}, unusable
        self.changed.set()

    def _opened(self, row: ConnectionRow) -> Connection:
        if row.provider not in CHANNELS:
            raise SealError(f"this version does not know the provider {row.provider}")
        if self._key is None:
            raise SealError("its secrets cannot be read: PULSELINE_SECRETS_KEY_FILE is not set for ingest")
        sealed = msgspec.json.decode(self._key.open(row.sealed, row.id), type=_Sealed)
        credentials = {name: _accepted(value, sealed.previous.get(name)) for name, value in sealed.current.items()}
        return Connection(id=row.id, provider=row.provider, credentials=credentials, settings=row.settings)


def _accepted(current: Secret, previous: Secret | None) -> Secret:
    if previous is None:
        return current
    return [text for part in (current, previous) for text in ([part] if isinstance(part, str) else part)]


def _rotating(connection: Connection) -> list[Secret]:
    """Return the credentials of which several mean a rotation; an allowed recipient more is none."""
    return [value for name, value in connection.credentials.items() if name not in ("recipients", "topic_arn")]
