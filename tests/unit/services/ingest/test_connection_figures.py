"""Figures of connections: counted once, kept through an outage, bounded, and told to Prometheus."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.connection.figures import Figures
from services.ingest.metrics import IngestMetrics
from shared.errors import Unavailable
from shared.postgres.connections import FiguresRow

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SEEN = "pulseline_ingest_connection_last_seen_timestamp_seconds"


class Table:
    def __init__(self) -> None:
        self.is_up = True
        self.rows: list[FiguresRow] = []

    async def write(self, rows: Sequence[FiguresRow]) -> None:
        if not self.is_up:
            raise Unavailable("postgresql")
        self.rows += rows


def figures(registry: CollectorRegistry | None = None) -> Figures:
    return Figures(IngestMetrics(registry or CollectorRegistry()), lambda _: False)


async def test_what_was_written_is_not_written_again() -> None:
    counted, table = figures(), Table()
    counted.received("shop", NOW)

    await counted.write_once(table.write)
    await counted.write_once(table.write)

    assert [(row.connection_id, row.n_received, row.last_received_at) for row in table.rows] == [("shop", 1, NOW)]


async def test_outage_keeps_the_figures_and_what_comes_meanwhile() -> None:
    counted, table = figures(), Table()
    counted.rejected("shop", "forged", "forged", NOW)
    table.is_up = False
    with pytest.raises(Unavailable):
        await counted.write_once(table.write)

    counted.rejected("shop", "stale", "too old", NOW + timedelta(seconds=1))
    table.is_up = True
    await counted.write_once(table.write)

    [row] = table.rows
    assert row.n_rejected_by_reason == {"forged": 1, "stale": 1}
    assert row.last_rejection_reason == "too old"


async def test_reasons_are_few_whatever_is_sent() -> None:
    counted, table = figures(), Table()
    for number in range(500):
        counted.rejected("shop", f"reason {number}", "", NOW)

    await counted.write_once(table.write)

    assert len(table.rows[0].n_rejected_by_reason) <= 33
    assert sum(table.rows[0].n_rejected_by_reason.values()) == 500


def test_last_delivery_is_told_as_an_instant() -> None:
    registry = CollectorRegistry()

    figures(registry).received("shop", NOW)

    assert registry.get_sample_value(SEEN, {"connection": "shop"}) == NOW.timestamp()


async def test_a_reason_that_quotes_what_postgresql_cannot_hold_is_written_all_the_same() -> None:
    counted, table = figures(), Table()
    counted.rejected("shop", "odd", "/data/a\x00b\ud800: unknown member", NOW)

    await counted.write_once(table.write)

    [row] = table.rows
    assert row.last_rejection_reason is not None
    assert "\x00" not in row.last_rejection_reason
    assert row.last_rejection_reason.encode().startswith(b"/data/ab")
