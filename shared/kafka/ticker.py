"""Time as an event: `clock.ticked` into the partitions a worker owns; and how other controls are published."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from shared.clock import Clock
from shared.contracts.codec import encode
from shared.contracts.control import ClockTicked, Control
from shared.errors import Unavailable
from shared.kafka.publisher import BatchPublisher, Message

_log = logging.getLogger(__name__)

_SCHEMA_HEADER: Final = ("schema", b"control/1")


def control_message(control: Control) -> Message:
    """Return the record of a control: no key, which is what tells it from a customer's record."""
    return None, encode(control), (_SCHEMA_HEADER,), None


async def publish_control(publisher: BatchPublisher, topic: str, control: Control) -> None:
    """Write a control into every partition of a topic (its full name); returns when all are acked.

    Raises Unavailable; publishing it again is harmless.
    """
    message = control_message(control)
    count = await publisher.partition_count(topic)
    await publisher.publish_batches({(topic, partition): [message] for partition in range(count)})


async def tick(
    publisher: BatchPublisher, topic: str, partitions: Callable[[], Iterable[int]], clock: Clock, every_s: float
) -> None:
    """Write the time into the partitions, every `every_s` seconds, until cancelled. A tick that fails is left out."""
    while True:
        await asyncio.sleep(every_s)
        message = control_message(ClockTicked(at=clock.now()))
        try:
            await publisher.publish_batches({(topic, partition): [message] for partition in partitions()})
        except Unavailable as error:
            _log.warning("no tick: %s", error)
