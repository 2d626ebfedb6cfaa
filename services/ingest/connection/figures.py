"""What comes in through each connection, counted here and added to PostgreSQL every few seconds.

A process that is killed loses the seconds since the last writing; an outage of PostgreSQL loses nothing. Should the
answer to a commit be lost, those seconds are counted twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from services.ingest.channel.draft import clean
from services.ingest.metrics import IngestMetrics
from shared.errors import Unavailable
from shared.postgres.connections import FiguresRow

log = logging.getLogger(__name__)

Write = Callable[[Sequence[FiguresRow]], Awaitable[None]]
Begin = Callable[[], Awaitable[dict[str, datetime]]]

_LAST_WRITING_S = 3.0
# Reasons are texts of our own; the bound holds should one of them ever quote what was sent.
_MOST_REASONS = 32
_LONGEST_REASON = 200
OTHER = "other"


class Figures:
    """The figures of this process that are not written yet."""

    def __init__(self, metrics: IngestMetrics, is_gone: Callable[[str], bool]) -> None:
        self._metrics = metrics
        self._is_gone = is_gone
        self._seen: set[str] = set()
        self._rows: dict[str, FiguresRow] = {}

    def received(self, connection_id: str, now: datetime) -> None:
        """Count a delivery that was verified, understood and taken."""
        row = self._row(connection_id)
        row.n_received += 1
        row.last_received_at = now
        self._show_seen(connection_id, now)

    def rejected(self, connection_id: str, reason: str, detail: str, now: datetime) -> None:
        """Count a refused delivery under `reason`, one of few; `detail` is kept of the last one only."""
        row = self._row(connection_id)
        counted = row.n_rejected_by_reason
        label = clean(reason, _LONGEST_REASON)
        if label not in counted and len(counted) >= _MOST_REASONS:
            label = OTHER
        counted[label] = counted.get(label, 0) + 1
        row.last_rejected_at, row.last_rejection_reason = now, clean(detail, _LONGEST_REASON)

    async def keep_written(self, begin: Begin, write: Write, every_s: float) -> None:
        """Add to PostgreSQL for ever; `begin` runs once, when it first answers, and returns what was last seen when."""
        is_begun = False
        while True:
            try:
                if not is_begun:
                    self._restore_seen(await begin())
                    is_begun = True
                await self.write_once(write)
                self._forget_gone()
            except Unavailable as error:
                log.info("figures wait", extra={"action": "figures_wait", "error": str(error)})
            await asyncio.sleep(every_s)

    async def write_once(self, write: Write) -> None:
        """Write what there is. Raises `Unavailable` when PostgreSQL is down; the figures then stay here."""
        rows, self._rows = self._rows, {}
        if not rows:
            return
        try:
            await write(list(rows.values()))
        except BaseException:
            for row in rows.values():
                self._add_back(row)
            raise

    async def write_last(self, write: Write) -> None:
        """Write what there is before the process ends, if PostgreSQL answers soon."""
        try:
            async with asyncio.timeout(_LAST_WRITING_S):
                await self.write_once(write)
        except (Unavailable, TimeoutError) as error:
            log.warning("the last figures are lost", extra={"action": "figures_lost", "error": str(error)})

    def _row(self, connection_id: str) -> FiguresRow:
        row = self._rows.get(connection_id)
        if row is None:
            row = self._rows[connection_id] = FiguresRow(connection_id=connection_id)
        return row

    def _restore_seen(self, seen: dict[str, datetime]) -> None:
        """Tell Prometheus of connections that sent before this process began, so that their silence shows."""
        for connection_id, at in seen.items():
            if connection_id not in self._rows or self._rows[connection_id].last_received_at is None:
                self._show_seen(connection_id, at)

    def _show_seen(self, connection_id: str, at: datetime) -> None:
        self._seen.add(connection_id)
        self._metrics.connection_seen.labels(connection=connection_id).set(at.timestamp())

    def _forget_gone(self) -> None:
        """Nobody should be called because a connection that was removed is silent."""
        for connection_id in [known for known in self._seen if self._is_gone(known)]:
            self._seen.remove(connection_id)
            self._metrics.connection_seen.remove(connection_id)

    def _add_back(self, old: FiguresRow) -> None:
        new = self._row(old.connection_id)
        new.n_received += old.n_received
        for reason, n in old.n_rejected_by_reason.items():
            new.n_rejected_by_reason[reason] = new.n_rejected_by_reason.get(reason, 0) + n
        new.last_received_at = new.last_received_at or old.last_received_at
        if new.last_rejected_at is None:
            new.last_rejected_at, new.last_rejection_reason = old.last_rejected_at, old.last_rejection_reason
