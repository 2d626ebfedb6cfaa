from collections.abc import Sequence

from shared.kafka.changelog import LoadedState, load
from shared.kafka.rows import Row, encode_row, partition_row, tombstone
from tests.contract.kafka.worlds import World
from tests.factories.kafka_processors import WATCH_STATE


async def _written(world: World, *batches: Sequence[Row]) -> LoadedState:
    name = WATCH_STATE.full_name(world.prefix)
    for rows in batches:
        messages = [(key.encode(), value, headers, None) for key, value, headers in rows]
        await world.publisher.publish_batches({(name, 1): messages})
    return await load(world.reader, name, 1)


async def test_a_state_is_read_to_its_end(world: World) -> None:
    rows = [Row(f"k{number}", encode_row(number, number, b'{"n":%d}' % number)) for number in range(10_000)]

    loaded = await _written(world, rows, [partition_row(9_999, 5)])

    assert loaded.rows == {row.key: row.value for row in rows}
    assert (loaded.fence, loaded.next_offset, loaded.n_records) == (9_999, 10_001, 10_001)


async def test_the_newest_of_many_rows_is_the_state_and_a_tombstone_ends_it(world: World) -> None:
    newest = Row("a", encode_row(3, None, b"3"))

    loaded = await _written(
        world, [Row("a", encode_row(1, 9, b"1")), Row("b", encode_row(1, 9, b"1"))], [newest, tombstone("b", 2)]
    )

    assert loaded.rows == {"a": newest.value}


async def test_a_late_row_of_a_dead_worker_is_found_and_healed(world: World) -> None:
    newest = Row("a", encode_row(8, None, b"8"))

    loaded = await _written(world, [newest], [Row("a", encode_row(3, None, b"3"))])

    assert loaded.rows == {"a": newest.value}
    assert loaded.heal == [newest]


async def test_an_empty_partition_is_a_partition_never_written(world: World) -> None:
    loaded = await load(world.reader, WATCH_STATE.full_name(world.prefix), 0)

    assert (loaded.rows, loaded.fence, loaded.next_offset) == ({}, -1, 0)
