"""Everything frozen, then asked to end, in turn under mixed traffic, with twins that go on; judged as after kills."""

import asyncio
import random
import signal
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from tests.chaos.whole.test_whole_kills import BATCH, N_EVENTS, PATIENCE_S, Sender, Watcher, has_come, judge
from tests.e2e.system import NAMES, System, eventually
from tests.e2e.test_chain import PARTITIONS, prepare

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

# Longer than a member may be silent in its group: the twin has gone on before the frozen one wakes up and finishes.
FROZEN_S = 15
TURNS = (
    *((name, "freeze") for name in (*NAMES, "kafka", "postgres")),
    *((name, "end") for name in NAMES),
)


def disturb_in_turn(system: System, broker: EmbeddedKafka, database: EmbeddedPostgres, sender: Sender) -> None:
    """Freeze or end one after the other, each in the midst of its share of the events."""
    chance = random.Random(7)
    for number, (target, how) in enumerate(TURNS):
        sender.n_allowed = (number + 1) * N_EVENTS // len(TURNS)
        midst = sender.n_allowed - chance.randrange(BATCH, N_EVENTS // len(TURNS))
        eventually(partial(has_come, system, sender, midst), PATIENCE_S)
        if how == "end":
            assert system.services[target].stop() in (0, -signal.SIGTERM)
            system.services[target].start(until_ready=False)
        else:
            freeze(system, broker, database, target)
    eventually(partial(has_come, system, sender, N_EVENTS), PATIENCE_S)
    for service in system.services.values():
        service.wait_ready(PATIENCE_S)


def freeze(system: System, broker: EmbeddedKafka, database: EmbeddedPostgres, target: str) -> None:
    """Let a process stand still for a while, as a virtual machine that is moved does."""
    if target in NAMES:
        system.services[target].send(signal.SIGSTOP)
        time.sleep(FROZEN_S)
        system.services[target].send(signal.SIGCONT)
    elif target == "kafka":
        broker.pause_node(0)
        time.sleep(FROZEN_S)
        broker.resume_node(0)
    else:
        database.pause()
        time.sleep(FROZEN_S)
        database.resume()


async def test_nothing_is_lost_or_doubled_whatever_is_frozen_or_ended(
    fresh_kafka: EmbeddedKafka, fresh_postgres: EmbeddedPostgres, topic_prefix: str, tmp_path: Path
) -> None:
    key = await prepare(fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url())
    with System(fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url(), key, tmp_path, PARTITIONS) as system:
        sender, watcher = Sender(system), Watcher(system)
        with ExitStack() as twins:
            for name in ("sentiment", "churn_alerts", "api"):
                twins.enter_context(system.services[name].twin(tmp_path / "twins")).start()
            sender.start()
            watcher.start()
            await asyncio.to_thread(disturb_in_turn, system, fresh_kafka, fresh_postgres, sender)
        await judge(system, fresh_kafka.bootstrap, topic_prefix, fresh_postgres.url(), sender, watcher)
