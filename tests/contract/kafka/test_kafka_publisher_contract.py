import asyncio

from shared.kafka.publisher import Acked, Message
from tests.contract.kafka.worlds import PARTITIONS, World
from tests.factories.kafka_processors import NOTES


async def test_records_arrive_in_order_in_the_partition_named(world: World) -> None:
    place = (NOTES.full_name(world.prefix), 1)
    batch = [(b"k", b"%d" % number, (), None) for number in range(5_000)]

    await world.publisher.publish_batches({place: batch})

    arrived = await world.read(NOTES)
    assert [(one.partition, one.value) for one in arrived] == [(1, b"%d" % number) for number in range(5_000)]


async def test_the_ack_says_where_the_records_stand(world: World) -> None:
    place = (NOTES.full_name(world.prefix), 0)
    await world.publisher.publish_batches({place: [(b"a", b"1", (), None)] * 3})

    acked = await world.publisher.publish_batches({place: [(b"a", b"2", (), None)] * 2})

    assert acked == {place: [Acked(3, 2)]}


async def test_records_larger_than_one_batch_leave_in_several(world: World) -> None:
    place = (NOTES.full_name(world.prefix), 0)
    batch = [(b"a", bytes([65 + number]) * 400_000, (), None) for number in range(6)]

    acked = await world.publisher.publish_batches({place: batch})

    assert sum(stretch.n_records for stretch in acked[place]) == 6
    assert [one.value for one in await world.read(NOTES)] == [value for _, value, _, _ in batch]


async def test_what_was_filled_piece_by_piece_arrives_in_order_when_it_is_published(world: World) -> None:
    place = (NOTES.full_name(world.prefix), 1)
    filling, given_up = world.publisher.filling(place), world.publisher.filling(place)
    batch: list[Message] = [(b"k", b"%d" % number, [("n", b"%d" % number)], None) for number in range(5_000)]
    for start in range(0, len(batch), 256):
        filling.extend(batch[start : start + 256])
    given_up.extend(batch)

    acked = await world.publisher.publish_batches({place: filling})

    arrived = await world.read(NOTES)
    assert [(one.partition, one.value) for one in arrived] == [(1, value) for _, value, _, _ in batch]
    assert acked == {place: [Acked(0, 5_000)]}


async def test_callers_at_the_same_time_all_get_their_ack(world: World) -> None:
    name = NOTES.full_name(world.prefix)
    calls = [
        world.publisher.publish_batches({(name, number % PARTITIONS): [(b"k", b"%d" % number, (), None)]})
        for number in range(300)
    ]

    await asyncio.gather(*calls)

    assert sorted(int(one.value or b"") for one in await world.read(NOTES)) == list(range(300))


async def test_a_tombstone_and_a_record_without_key_are_published_as_they_are(world: World) -> None:
    place = (NOTES.full_name(world.prefix), 0)

    await world.publisher.publish_batches({place: [(b"a", None, [("h", b"1")], None), (None, b"tick", (), None)]})

    assert [(one.key, one.value) for one in await world.read(NOTES)] == [(b"a", None), (None, b"tick")]


async def test_the_partition_count_is_the_topics(world: World) -> None:
    assert await world.publisher.partition_count(NOTES.full_name(world.prefix)) == PARTITIONS
