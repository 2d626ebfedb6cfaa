"""Sends dead letters back to the topic they came from, to the partition of their key, on their own."""

from collections.abc import Sequence

from services.api.dead_letter.schemas import DeadLetterView
from shared.errors import Reject
from shared.kafka.publisher import Message, Publisher, partition_for

REPLAY_HEADER = "replay_of"


class Replayer:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def replay(self, letters: Sequence[DeadLetterView], mended: bytes | None = None) -> None:
        """Return when the broker has every letter's record, the one letter's value replaced by `mended` if given.

        The record keeps its key, its headers and its partition, so a customer's order of events starts where the broken
        one stood in the log's future, never in its past. Raises `Unavailable` without acks in time, `Reject` when a
        record is too large.
        """
        batches: dict[tuple[str, int], list[Message]] = {}
        for letter in letters:
            value = letter.value if mended is None else mended
            headers = [header for header in letter.headers if header[0] != REPLAY_HEADER]
            headers.append((REPLAY_HEADER, letter.id.encode()))
            batches.setdefault((letter.topic, await self._partition(letter)), []).append(
                (letter.key, value, headers, None)
            )
        await self._publisher.publish_batches(batches)

    async def _partition(self, letter: DeadLetterView) -> int:
        n_partitions = await self._publisher.partition_count(letter.topic)
        if letter.key_text is not None:
            return partition_for(letter.key_text, n_partitions)
        if letter.partition >= n_partitions:
            raise Reject(f"{letter.topic} has no partition {letter.partition} any more")
        return letter.partition
