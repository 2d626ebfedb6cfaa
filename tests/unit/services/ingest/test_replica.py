"""Rows kept for when PostgreSQL is away: a disk that takes nothing costs the snapshot, not the rows."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.ingest.channel.email.imap_poller import Position
from services.ingest.connection.mail import PositionFile
from services.ingest.replica import Replica
from shared.errors import Unavailable
from tests.fakes.clock import FakeClock


class Row(msgspec.Struct, frozen=True):
    name: str


async def test_rows_are_followed_though_the_snapshot_cannot_be_written(tmp_path: Path) -> None:
    in_the_way = tmp_path / "ingest"
    in_the_way.write_text("a file where the folder should be")
    adopted: list[Sequence[Row]] = []
    rows = [Row("first")]

    async def load() -> Sequence[Row]:
        return list(rows)

    replica = Replica("rows", Row, load, adopted.append, in_the_way / "rows.json", FakeClock(), 0.0)
    await replica.refresh()
    rows.append(Row("second"))
    await replica.refresh()
    in_the_way.unlink()
    await replica.refresh()

    assert replica.is_current
    assert adopted[1] == [Row("first"), Row("second")]
    assert msgspec.json.decode((in_the_way / "rows.json").read_bytes(), type=list[Row]) == rows


async def test_who_looks_for_what_is_new_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    async def hang() -> Sequence[Row]:
        await asyncio.Event().wait()
        return []

    replica = Replica("rows", Row, hang, lambda _: None, tmp_path / "rows.json", FakeClock(), 0.0, longest_look_s=0.01)

    looks = await asyncio.gather(replica.look_again(), replica.look_again(), return_exceptions=True)

    assert [type(look) for look in looks] == [Unavailable, Unavailable]
    assert not replica.is_current


async def test_rows_that_were_read_earlier_never_come_in_after_later_ones(tmp_path: Path) -> None:
    clock, adopted = FakeClock(), list[Sequence[Row]]()
    rows, first_answer = [Row("old")], asyncio.Event()

    async def load() -> Sequence[Row]:
        found = list(rows)
        if found == [Row("old")]:
            await first_answer.wait()
        return found

    replica = Replica("rows", Row, load, adopted.append, tmp_path / "rows.json", clock, 0.0)
    reading = asyncio.create_task(replica.refresh())
    await asyncio.sleep(0)
    rows[:] = [Row("new")]
    clock.advance(2)
    look = asyncio.create_task(replica.look_again())
    await asyncio.sleep(0.05)
    first_answer.set()
    await asyncio.gather(reading, look)

    assert adopted[-1] == [Row("new")]
    assert msgspec.json.decode((tmp_path / "rows.json").read_bytes(), type=list[Row]) == [Row("new")]


async def test_a_cut_off_position_reads_the_mailbox_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.json"
    store = PositionFile(path)
    await store.save(Position(7, 12))
    path.write_bytes(path.read_bytes()[:5])

    position = await store.load()

    assert position is not None
    assert (position.validity != 7, position.uid) == (True, 0)
