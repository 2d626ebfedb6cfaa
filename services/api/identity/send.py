"""Commands about identity into the stream, to the partition of the id that decides."""

from collections.abc import Sequence

from services.api.identity.decide import Command
from shared.contracts.codec import encode
from shared.kafka.publisher import OutRecord, Publisher, partition_for
from shared.topics import INTERACTIONS


class IdentitySender:
    def __init__(self, publisher: Publisher, topic_prefix: str) -> None:
        self._publisher = publisher
        self._topic = INTERACTIONS.full_name(topic_prefix)

    async def send(self, commands: Sequence[Command]) -> None:
        """Return when the broker has every command. Raises `Unavailable`; sending again is harmless."""
        partitions = await self._publisher.partition_count(self._topic)
        headers = [("schema", INTERACTIONS.schema.encode())]
        records = [
            OutRecord(partition_for(one.linked_id, partitions), one.linked_id.encode(), encode(one), headers)
            for one in commands
        ]
        await self._publisher.publish(self._topic, records)
