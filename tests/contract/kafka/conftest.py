"""The worlds the suite runs in: "fake" always, "real" with the run's Kafka."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.kafka.worlds import FakeWorld, RealWorld, World


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.integration)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    real = RealWorld(request.getfixturevalue("kafka").bootstrap, request.getfixturevalue("topic_prefix"))
    await real.start()
    yield real
    await real.close()
