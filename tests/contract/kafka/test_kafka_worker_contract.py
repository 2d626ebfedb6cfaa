import msgspec

from shared.contracts.dead_letter import DeadLetter
from shared.kafka.changelog import load
from shared.kafka.rows import state_of
from shared.topics import DEAD_LETTERS
from tests.contract.kafka.worlds import World, messages
from tests.factories.kafka_processors import (
    NOTES,
    WATCH_STATE,
    WATCHED,
    Note,
    Seen,
    Watch,
    note_of,
    rules,
    seen_of,
    sighting,
    tick,
)
from tests.fakes.kafka import FakeRecord


async def _feed(world: World, partition: int, *records: FakeRecord) -> None:
    await world.publisher.publish_batches({(WATCHED.full_name(world.prefix), partition): messages(records)})


async def _notes(world: World) -> list[Note]:
    return [note_of(one.value or b"") for one in await world.read(NOTES) if one.key is not None]


async def _seen(world: World, partition: int) -> dict[str, Seen]:
    loaded = await load(world.reader, WATCH_STATE.full_name(world.prefix), partition)
    return {key: seen_of(state_of(row)) for key, row in loaded.rows.items()}


async def test_each_input_has_its_effect_once_in_its_own_partition(world: World) -> None:
    for partition in (0, 1):
        await _feed(world, partition, *(sighting(at, f"{partition}{at % 3}", 1_000 + at) for at in range(300)))

    await world.work(Watch())

    assert len(await _notes(world)) == 600
    for partition in (0, 1):
        assert {key: seen.n for key, seen in (await _seen(world, partition)).items()} == {
            f"{partition}{number}": 100 for number in range(3)
        }


async def test_a_worker_goes_on_where_the_last_one_stopped(world: World) -> None:
    await _feed(world, 0, sighting(0, "a", 1_000), sighting(1, "a", 1_100))
    await world.work(Watch())
    await _feed(world, 0, sighting(2, "a", 1_200))

    await world.work(Watch())

    assert [note.seen.n for note in await _notes(world)] == [1, 2, 3]


async def test_a_timer_and_the_rules_in_force_survive_a_restart(world: World) -> None:
    await _feed(world, 0, rules(0, 7, 0, 500), sighting(1, "a", 1_000))
    await world.work(Watch())
    await _feed(world, 0, tick(2, 1_500))

    await world.work(Watch())

    assert [(note.id, note.rules_version) for note in await _notes(world)] == [("1", 7), ("a-silent-1500", 7)]


async def test_controls_are_passed_on_as_they_are(world: World) -> None:
    ticks = [tick(0, 1_000), tick(1, 2_000)]
    await _feed(world, 1, *ticks)

    await world.work(Watch())

    assert [(one.partition, one.key, one.value) for one in await world.read(NOTES)] == [
        (1, None, record.value) for record in ticks
    ]


async def test_poison_is_dead_lettered_whole_and_its_neighbours_are_unharmed(world: World) -> None:
    poison = FakeRecord(1, b"a", b"\xffno json", [("h", b"1")])
    await _feed(world, 0, sighting(0, "a", 1_000), poison, sighting(2, "a", 1_010, "raise"), sighting(3, "a", 1_020))

    await world.work(Watch())

    letters = [msgspec.json.decode(one.value or b"", type=DeadLetter) for one in await world.read(DEAD_LETTERS)]
    assert [note.id for note in await _notes(world)] == ["0", "3"]
    assert [(letter.offset, letter.stage) for letter in letters] == [(1, "watch"), (2, "watch")]
    assert (letters[0].key, letters[0].value, letters[0].headers) == (b"a", b"\xffno json", [("h", b"1")])
    assert "a bug in the processor" in letters[1].error
