"""Fixtures over real parts: one Kafka and one PostgreSQL a test run, topics and a database a test."""

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from tests.run_once import RunOnce
from tests.shared_data import shared_data_dir

# A process killed loses nothing that reached the system's cache, so tests that kill it may run without fsync.
_TEST_POSTGRES = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
_TEMPLATE = "template_pulseline"
_RUN_ONCE = pytest.StashKey[RunOnce]()
_PROPERTIES = Path(__file__).parent / "property"

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


class RunningKafka:
    """The run's Kafka as a test sees it; it is shared, so no test may stop it (`fresh_kafka` is for that)."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


class RunningPostgres:
    """The run's PostgreSQL as a test sees it; shared, with a superuser's address."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url

    def url(self, database: str) -> str:
        return self.admin_url.rpartition("/")[0] + f"/{database}"

    def execute(self, *statements: str) -> None:
        """Run statements, each on its own, against the maintenance database."""
        asyncio.run(_execute(self.admin_url, statements))


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def run_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunOnce:
    """What the workers of this run share; stopped when the last of them has finished."""
    root = tmp_path_factory.getbasetemp()
    shared = RunOnce(root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root)
    request.config.stash[_RUN_ONCE] = shared
    return shared


def pytest_unconfigure(config: pytest.Config) -> None:
    # Not in a fixture's teardown: a worker waits here for its neighbours, and a test's time limit must not count that.
    if (shared := config.stash.get(_RUN_ONCE, None)) is not None:
        shared.close()


@pytest.fixture(scope="session")
def kafka(run_once: RunOnce) -> RunningKafka:
    """The run's one-node Kafka, with `.bootstrap`."""

    def start(folder: Path) -> tuple[str, Callable[[], None]]:
        broker = EmbeddedKafka(folder)
        broker.start()
        return broker.bootstrap, broker.kill

    return RunningKafka(run_once.get("kafka", start))


@pytest.fixture(scope="session")
def postgres(run_once: RunOnce) -> RunningPostgres:
    """The run's PostgreSQL, with a migrated template database."""

    def start(folder: Path) -> tuple[str, Callable[[], None]]:
        server = EmbeddedPostgres(folder / "data", settings=_TEST_POSTGRES)
        server.start()
        RunningPostgres(server.url()).execute(f"CREATE DATABASE {_TEMPLATE}")
        upgrade(server.url(_TEMPLATE))
        return server.url(), server.kill

    return RunningPostgres(run_once.get("postgres", start))


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics and groups have."""
    return f"t{uuid.uuid4().hex[:10]}-"


@pytest.fixture
def database_url(postgres: RunningPostgres) -> Iterator[str]:
    """The address of this test's own migrated, empty database."""
    yield from _database(postgres, template=_TEMPLATE)


@pytest.fixture
def empty_database_url(postgres: RunningPostgres) -> Iterator[str]:
    """The address of this test's own database without any schema."""
    yield from _database(postgres, template="template1")


def _database(postgres: RunningPostgres, *, template: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:10]}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A started Kafka of this test's own, to stop, kill, pause and restart."""
    broker = EmbeddedKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def fresh_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A started, migrated PostgreSQL of this test's own, to stop, kill, pause and restart."""
    server = EmbeddedPostgres(tmp_path / "postgres", settings=_TEST_POSTGRES)
    server.start()
    upgrade(server.url())
    yield server
    server.kill()


@pytest.fixture(scope="session")
def _cluster(run_once: RunOnce, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    cluster = EmbeddedKafka(tmp_path_factory.mktemp("cluster"), nodes=3)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def kafka_cluster(_cluster: EmbeddedKafka) -> EmbeddedKafka:
    """Three Kafka nodes, all up when the test begins; a test may kill and start nodes as it likes."""
    _cluster.start()
    return _cluster


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development corpora's folder; skips without it, and fails in CI."""
    return shared_data_dir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests and properties get minutes; in CI a test of real services is tried again, chaos and pure never."""
    for item in items:
        names = {mark.name for mark in item.iter_markers()}
        # A property is many examples, and a busy machine may be several times slower.
        if ("slow" in names or _PROPERTIES in item.path.parents) and "timeout" not in names:
            item.add_marker(pytest.mark.timeout(240))
        # CI's machine is shared with others.
        if os.environ.get("CI") and names & {"integration", "browser"} and "chaos" not in names:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why each test that was tried again had failed: it passed in the end, and still has a race to be found."""
    again = terminalreporter.stats.get("rerun", [])
    if again:
        terminalreporter.section(f"{len(again)} FAILED AT FIRST AND WERE TRIED AGAIN", red=True, bold=True)
        for report in again:
            terminalreporter.write_line(f"── {report.nodeid}\n{report.longreprtext[-6000:]}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"\n{skipped} skipped: in CI a test that does not run has failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
