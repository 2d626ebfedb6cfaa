"""An experiment of its own for each test; whatever it started ends with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.engine.harness import Chaos
from tests.conftest import RunningKafka


@pytest.fixture
async def chaos(kafka: RunningKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Chaos]:
    experiment = Chaos(kafka.bootstrap, topic_prefix, tmp_path)
    await experiment.prepare()
    yield experiment
    experiment.kill_all()
