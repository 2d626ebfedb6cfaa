"""kill -9 of ingest under load: what was acknowledged is in the topic, whatever dies."""

import asyncio
import json
import random
import threading
from pathlib import Path

import pytest

from pulseline.client import Client, RetryPolicy
from tests.conftest import RunningKafka
from tests.contract.kafka.worlds import read_topic
from tests.integration.ingest.test_events_endpoint import Ingest, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

N_KILLS = 20
BATCH = 50


class Sender(threading.Thread):
    """Sends numbered events until told to stop, and remembers which were acknowledged."""

    def __init__(self, ingest: Ingest) -> None:
        super().__init__()
        self._ingest = ingest
        self.is_stopping = False
        self.acknowledged: list[str] = []
        self.n_sent = 0

    def run(self) -> None:
        patient = RetryPolicy(attempts=400, base_s=0.05, longest_s=0.2)
        with Client(self._ingest.service.url, self._ingest.key, retry=patient) as client:
            while not self.is_stopping:
                ids = [f"e-{self.n_sent + i}" for i in range(BATCH)]
                self.n_sent += BATCH
                receipt = client.send({**_event(one), "id": one} for one in ids)
                assert receipt.rejected == []
                self.acknowledged += ids


def _event(one: str) -> dict[str, object]:
    return {
        "type": "interaction",
        "source": "chaos",
        "occurred_at": "2026-11-01T09:00:00Z",
        "customer": {"id": f"c-{one[-2:]}"},
        "text": "hello",
    }


async def test_every_acknowledged_event_is_in_the_topic(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20)
    ingest = await running(kafka.bootstrap, topic_prefix, database_url, tmp_path)
    with ingest.service:
        sender = Sender(ingest)
        sender.start()
        for _ in range(N_KILLS):
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            ingest.service.kill()
            ingest.service.start()
        sender.is_stopping = True
        await asyncio.to_thread(sender.join)

    topic = f"{topic_prefix}interactions"
    found = {json.loads(record.value or b"")["id"] for record in await read_topic(kafka.bootstrap, topic, range(3))}
    assert len(sender.acknowledged) > 20 * BATCH
    assert set(sender.acknowledged) <= found
