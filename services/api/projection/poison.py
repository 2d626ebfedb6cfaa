"""Records the projection cannot take, to dead-letters, acknowledged by the broker before their offset is passed."""

from shared.errors import Reject
from shared.kafka.consumer import Record
from shared.kafka.dead_letters import dead_letter, dead_letter_message
from shared.kafka.partition import Poison
from shared.kafka.publisher import Publisher, partition_for
from shared.topics import DEAD_LETTERS

_STAGE = "api"


class PoisonLetters:
    def __init__(self, publisher: Publisher, topic_prefix: str) -> None:
        self._publisher = publisher
        self._topic = DEAD_LETTERS.full_name(topic_prefix)

    async def publish(self, record: Record, reject: Reject) -> None:
        """Return when the broker has the dead letter; its id depends on where the record stands, so repeats are one.

        A dead letter that is itself undecodable is reported the same way. Raises `Unavailable` without an ack in time.
        """
        poison = Poison(
            kind="undecodable",
            reason=reject.reason,
            error=f"{type(reject).__name__}: {reject}",
            pointer=reject.pointer,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp_ms=record.timestamp_ms,
        )
        letter = dead_letter(_STAGE, record.topic, record.partition, poison)
        partition = partition_for(letter.id, await self._publisher.partition_count(self._topic))
        await self._publisher.publish_batches({(self._topic, partition): [dead_letter_message(letter)]})
