"""One stage as a process that kills itself around a publish, or lives.

python -m tests.chaos.identity.worker BOOTSTRAP PREFIX STAGE [--die BOUNDARY --after N]
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from services.churn_alerts.customer.agent import ChurnAlerts
from services.sentiment.interaction.agent import SentimentProcessor
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from shared.clock import SystemClock
from shared.kafka.publisher import Acked, Filling, Message, Place, Publisher
from shared.kafka.worker import Worker, WorkerSettings
from shared.topics import CHURN_STATE, ENGAGEMENT

BOUNDARIES = ("before publish", "between publish and state", "between state and ack")
_STATES = (ENGAGEMENT.name, CHURN_STATE.name)


class DyingPublisher(Publisher):
    """A real publisher; the process ends at the n-th passage of one boundary."""

    def __init__(self, bootstrap: str, boundary: str | None, after: int) -> None:
        super().__init__(bootstrap)
        self._boundary = boundary
        self._left = after

    async def publish_batches(self, batches: Mapping[Place, Sequence[Message] | Filling]) -> dict[Place, list[Acked]]:
        is_state = any(topic.endswith(_STATES) for topic, _ in batches)
        self._passes("between publish and state" if is_state else "before publish")
        acked = await super().publish_batches(batches)
        if is_state:
            self._passes("between state and ack")
        return acked

    def _passes(self, boundary: str) -> None:
        if boundary == self._boundary:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("stage", choices=["sentiment", "churn_alerts"])
    parser.add_argument("--die", choices=BOUNDARIES)
    parser.add_argument("--after", type=int, default=0)
    options = parser.parse_args()
    processor: Any = ChurnAlerts()
    if options.stage == "sentiment":
        processor = SentimentProcessor(Scorer.load(SHIPPED_ARTEFACT))
    # A static member's successor takes over at once; small polls make many boundaries.
    settings = WorkerSettings(
        bootstrap=options.bootstrap,
        topic_prefix=options.prefix,
        member_id=options.stage,
        session_timeout_s=30,
        max_poll_records=50,
    )
    publisher = DyingPublisher(options.bootstrap, options.die, options.after)
    worker: Worker[Any, Any] = Worker(processor, settings, CollectorRegistry(), SystemClock(), publisher=publisher)
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
