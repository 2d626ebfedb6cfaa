"""Which process projects which partition: session-level advisory locks, shared out evenly among the API's processes.

A lock lives exactly as long as the connection that writes the rows, so losing one is losing the other.
"""

import zlib
from collections.abc import Sequence
from typing import Any

from shared.kafka.consumer import Partition
from shared.postgres.advisory import AdvisoryLock


class Leases:
    """The partitions this connection may project. `lane` names the group of processes that share them out."""

    def __init__(self, connection: Any, lane: str) -> None:
        self._connection = connection
        self._lane_key = _key(lane)
        self._is_member = False
        self._held: set[Partition] = set()

    @property
    def held(self) -> frozenset[Partition]:
        return frozenset(self._held)

    async def settle(self, partitions: Sequence[Partition]) -> frozenset[Partition]:
        """Give up what exceeds the fair share, take what is free up to it, and return what is held now."""
        if not self._is_member:
            await self._connection.execute(
                "SELECT pg_advisory_lock_shared($1, $2)", AdvisoryLock.LEASE_MEMBER, _signed(self._lane_key)
            )
            self._is_member = True
        n_members = await self._connection.fetchval(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            AdvisoryLock.LEASE_MEMBER,
            self._lane_key,
        )
        share = -(-len(partitions) // max(1, n_members))
        for partition in sorted(self._held)[share:]:
            await self.release(partition)
        for partition in sorted(set(partitions) - self._held):
            if len(self._held) >= share:
                break
            if await self._connection.fetchval(
                "SELECT pg_try_advisory_lock($1, $2)", AdvisoryLock.LEASED_PARTITION, _signed(_partition_key(partition))
            ):
                self._held.add(partition)
        return self.held

    async def release(self, partition: Partition) -> None:
        """Let another process have the partition."""
        self._held.discard(partition)
        await self._connection.execute(
            "SELECT pg_advisory_unlock($1, $2)", AdvisoryLock.LEASED_PARTITION, _signed(_partition_key(partition))
        )


def _partition_key(partition: Partition) -> int:
    return _key(f"{partition[0]}/{partition[1]}")


def _key(text: str) -> int:
    return zlib.crc32(text.encode())


def _signed(key: int) -> int:
    # Lock keys are int4, pg_locks shows them as unsigned.
    return key - (1 << 32) if key >= 1 << 31 else key
