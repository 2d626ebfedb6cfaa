"""Records the projection cannot take, to dead-letters, acknowledged by the broker before their offset is passed."""

from shared.clock import Clock, from_ms
from shared.contracts.codec import encode
from shared.contracts.dead_letter import DeadLetter
from shared.errors import Reject
from shared.ids import digest_id
from shared.kafka.consumer import Record
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.topics import DEAD_LETTERS

_STAGE = "api"
# A dead letter carries its record as base64 in JSON; a larger one would not fit a record itself.
_LARGEST_VALUE = 600_000


class PoisonLetters:
    def __init__(self, publisher: Publisher, topic_prefix: str, clock: Clock) -> None:
        self._publisher = publisher
        self._topic = DEAD_LETTERS.full_name(topic_prefix)
        self._clock = clock

    async def publish(self, record: Record, reject: Reject) -> None:
        """Return when the broker has the dead letter. Its id depends on where the record stands, so repeats are one.

        Raises `Unavailable` when no ack comes in time. A dead letter that is itself undecodable is reported the same
        way; it names `dead-letters` as its topic.
        """
        letter = DeadLetter(
            id=digest_id("dl", _STAGE, record.topic, str(record.partition), str(record.offset)),
            stage=_STAGE,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reject.reason,
            error=type(reject).__name__,
            pointer=reject.pointer,
            first_seen_at=from_ms(record.timestamp_ms) if record.timestamp_ms > 0 else self._clock.now(),
            key=record.key,
            value=None if record.value is None else record.value[:_LARGEST_VALUE],
            headers=list(record.headers),
        )
        partition = partition_for(letter.id, await self._publisher.partition_count(self._topic))
        await self._publisher.publish(self._topic, [OutRecord(partition, record.key, encode(letter))])
