import asyncio
from types import SimpleNamespace
from typing import Any

from shared.kafka.inbox import Inbox, records_of


def batch(first: int, last: int, generation: int = 1) -> Any:
    records = [SimpleNamespace(offset=offset) for offset in range(first, last + 1)]
    return SimpleNamespace(message=SimpleNamespace(generation_id=generation), value=records)


async def inbox_of(*batches: Any, max_records: int = 100) -> Inbox:
    inbox = Inbox(max_records)
    for one in batches:
        await inbox.put(one)
    return inbox


async def test_batches_that_follow_one_another_are_taken_together() -> None:
    inbox = await inbox_of(batch(0, 2), batch(3, 3), batch(4, 9))

    taken = inbox.take()

    assert [record.offset for record in records_of(taken)] == list(range(10))
    assert inbox.take() == []


async def test_a_gap_ends_what_is_taken_together() -> None:
    inbox = await inbox_of(batch(0, 2), batch(5, 6))

    assert [len(inbox.take()), len(inbox.take()), len(inbox.take())] == [1, 1, 0]


async def test_batches_that_come_again_after_a_seek_are_taken_apart() -> None:
    inbox = await inbox_of(batch(5, 9), batch(3, 4))

    assert [inbox.take()[0].value[0].offset, inbox.take()[0].value[0].offset] == [5, 3]


async def test_batches_of_two_generations_are_taken_apart() -> None:
    inbox = await inbox_of(batch(0, 2), batch(3, 4, generation=2))

    assert [len(inbox.take()), len(inbox.take())] == [1, 1]


async def test_no_more_than_the_most_records_are_taken_together() -> None:
    inbox = await inbox_of(batch(0, 5), batch(6, 9), batch(10, 11), max_records=11)

    assert [len(records_of(inbox.take())) for _ in range(2)] == [10, 2]


async def test_a_batch_above_the_most_records_is_taken_alone() -> None:
    inbox = await inbox_of(batch(0, 20), max_records=10)

    assert len(records_of(inbox.take())) == 21


async def test_a_full_inbox_takes_more_only_after_something_was_taken() -> None:
    inbox = await inbox_of(batch(0, 9), max_records=10)
    putting = asyncio.create_task(inbox.put(batch(10, 11)))
    await asyncio.sleep(0)
    was_waiting = not putting.done()

    inbox.take()
    await putting

    assert was_waiting
    assert len(records_of(inbox.take())) == 2
