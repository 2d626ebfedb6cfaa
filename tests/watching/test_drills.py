"""Faults made on purpose: a rule fires on its own, and clears once the fault is gone. Real parts, a real Prometheus.

Time runs faster by generation (deploy/prometheus/timing.py, DRILL); the expressions are those of earnest.
`pytest tests/watching/test_drills.py -s` prints the seconds; every rule is tried by promtool (tests/contract/deploy).
"""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.prometheus.timing import DRILL
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from tests.e2e.system import eventually
from tests.watching.watched import Watched

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(900)]

PATIENCE_S = 150.0
Seconds = dict[str, tuple[float, float]]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A Kafka that the drills alone use, and may pause."""
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    kafka.start()
    yield kafka
    kafka.kill()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the drills alone use, and may stop."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", settings={"fsync": "off"})
    server.start()
    upgrade(server.url())
    yield server
    server.kill()


@pytest.fixture(scope="module")
def watched(
    broker: EmbeddedKafka, database: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """The services all drills share: a drill begins when its rules are quiet, and leaves them so."""
    folder = tmp_path_factory.mktemp("services")
    with Watched(broker.bootstrap, "drill-", database.url(), folder, DRILL) as running:
        yield running


def drill(watched: Watched, rules: set[str], make: Callable[[], Any], mend: Callable[[], Any]) -> Seconds:
    """Return how many seconds after the fault each rule fired, and after its end each was quiet again."""
    eventually(lambda: not rules & watched.prometheus.firing(), PATIENCE_S)
    make()
    fired = _times(watched, rules, is_wanted=True)
    mend()
    cleared = _times(watched, rules, is_wanted=False)
    for rule in sorted(rules):
        print(f"| {rule} | {fired[rule]:.0f} | {cleared[rule]:.0f} |")
    return {rule: (fired[rule], cleared[rule]) for rule in rules}


def _times(watched: Watched, rules: set[str], *, is_wanted: bool) -> dict[str, float]:
    began, seen = time.monotonic(), dict[str, float]()
    while missing := rules - seen.keys():
        firing = watched.prometheus.firing()
        seen |= {rule: time.monotonic() - began for rule in missing if (rule in firing) is is_wanted}
        assert time.monotonic() - began < PATIENCE_S, (
            f"still {'quiet' if is_wanted else 'firing'}: {rules - seen.keys()}"
        )
        time.sleep(0.25)
    return seen


def test_a_processor_that_hangs_is_told_of(watched: Watched) -> None:
    sentiment = watched.system.services["sentiment"]

    seconds = drill(
        watched,
        {"PulselineServiceDown"},
        lambda: sentiment.send(signal.SIGSTOP),
        lambda: sentiment.send(signal.SIGCONT),
    )

    assert seconds.keys() == {"PulselineServiceDown"}
