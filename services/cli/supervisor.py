"""Runs the whole product on one machine: servers, services, restarts, one log, and a clean end."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg

from services.cli.child import Backoff, Child
from services.cli.endpoint import EndpointFile
from services.cli.journal import Journal
from services.cli.probe import Report, probe
from services.cli.state_folder import ProcessRecord, RunRecord, StateFolder
from shared.clock import SystemClock
from shared.embedded.jars import JarError, JavaError
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import SUPERUSER, EmbeddedPostgres
from shared.embedded.process import StartError
from shared.errors import PulselineError
from shared.settings import SettingsError

SERVICES = ("ingest", "sentiment", "churn_alerts", "api")
_DATABASE = "pulseline"
_SERVICE_GRACE_S = 12.0
_WATCH_S = 0.3
_READY_POLL_S = 0.2
_SAY_WAITING_EVERY_S = 10.0
# What a start may end with for a reason to tell; anything else is a bug and shows its traceback.
_START_FAILURES = (StartError, JarError, JavaError, SettingsError, PulselineError, asyncpg.PostgresError, OSError)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `kafka` and `database` are addresses of servers that are there already, None for our own."""

    ports: dict[str, int]
    kafka: str | None = None
    database: str | None = None
    topic_prefix: str = ""
    partitions: int = 4
    replication: int = 1
    log_level: str = "info"
    log_format: str = "text"
    send_demo: bool | None = None
    notices: list[str] = field(default_factory=list)


class _Server(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Supervisor:
    """One run: `run()` starts everything, keeps it running until a stop signal, and stops it in order."""

    def __init__(self, folder: StateFolder, plan: Plan, journal: Journal) -> None:
        self._folder = folder
        self._plan = plan
        self._journal = journal
        self._clock = SystemClock()
        self._began = self._clock.monotonic()
        self._record = RunRecord(
            supervisor_pid=0,
            started_at=self._clock.now().isoformat(timespec="seconds"),
            phase="starting",
            processes=[],
            topic_prefix=plan.topic_prefix,
        )
        self._postgres: EmbeddedPostgres | None = None
        self._kafka: EmbeddedKafka | None = None
        self._children: dict[str, Child] = {}
        self._server_restarts = {"postgres": 0, "kafka": 0}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, pid: int) -> int:
        """Run until a stop signal and return the exit status: 0, or 1 when the start failed."""
        self._record.supervisor_pid = pid
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stopping
        except _START_FAILURES as error:
            self._journal.say(f"cannot start: {error}")
            return 1
        finally:
            stopping.cancel()
            await self._end(starting)
        return 0

    async def _start(self) -> None:
        for notice in self._plan.notices:
            self._journal.say(notice)
        is_new = not self._folder.postgres.exists()
        self._folder.database_password()
        self._save()
        database_url, bootstrap = await _both(self._start_database(), self._start_kafka())
        self._launch_services(bootstrap, database_url)
        endpoint = await self._write_endpoint(database_url)
        await self._wait_ready()
        self._record.phase = "ready"
        self._save()
        self._announce(endpoint)
        if self._plan.send_demo or (self._plan.send_demo is None and is_new and self._plan.database is None):
            self._tasks.append(asyncio.create_task(self._send_demo()))

    async def _start_database(self) -> str:
        if self._plan.database is not None:
            url = self._plan.database
        else:
            password = self._folder.database_password().read_text("utf-8")
            server = EmbeddedPostgres(
                self._folder.postgres,
                port=self._plan.ports["postgres"],
                password=password,
                log=self._folder.logs / "postgres.log",
            )
            self._postgres = server
            await _to_its_end(server.start)
            self._say(f"PostgreSQL answers at 127.0.0.1:{server.port}")
            await _create_database(server.url(), _DATABASE)
            self._tasks.append(asyncio.create_task(self._watch("postgres", lambda: server.pid, server)))
            url = server.url(_DATABASE)
        self._save()
        await _to_its_end(_migrate, url)
        self._say("database schema is up to date")
        return url

    async def _start_kafka(self) -> str:
        if self._plan.kafka is not None:
            bootstrap = self._plan.kafka
        else:
            broker = EmbeddedKafka(self._folder.kafka, ports=[self._plan.ports["kafka"]], log_dir=self._folder.logs)
            self._kafka = broker
            loop = asyncio.get_running_loop()

            def tell(done: int, total: int) -> None:
                if self._record.phase == "stopping":
                    raise StartError("told to stop before Kafka was there")
                loop.call_soon_threadsafe(self._tell_download, done, total)

            await _to_its_end(broker.start, tell)
            self._say(f"Kafka answers at {broker.bootstrap}")
            self._tasks.append(asyncio.create_task(self._watch("kafka", broker.pid, broker)))
            bootstrap = broker.bootstrap
        self._save()
        from shared.kafka.topics_admin import ensure_topics

        await ensure_topics(bootstrap, self._plan.topic_prefix, self._plan.partitions, self._plan.replication)
        self._say("topics are there")
        return bootstrap

    def _tell_download(self, done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            self._say(f"fetched and checked {done} of {total} Kafka jars (kept for later runs)")

    def _launch_services(self, bootstrap: str, database_url: str) -> None:
        shown_url, password_file = database_url, None
        if self._plan.database is None:
            # Our own database's password stays in its file, out of the services' environment.
            shown_url = f"postgresql://{SUPERUSER}@{urlsplit(database_url).netloc.rpartition('@')[2]}/{_DATABASE}"
            password_file = self._folder.database_password()
        env = {
            "PULSELINE_KAFKA_BOOTSTRAP": bootstrap,
            "PULSELINE_TOPIC_PREFIX": self._plan.topic_prefix,
            "PULSELINE_PARTITIONS": str(self._plan.partitions),
            "PULSELINE_REPLICATION": str(self._plan.replication),
            "PULSELINE_DATABASE_URL": shown_url,
            "PULSELINE_STATE_DIR": str(self._folder.services),
            "PULSELINE_SECRETS_KEY_FILE": str(self._folder.secrets_key()),
            "PULSELINE_LOG_LEVEL": self._plan.log_level,
            "PULSELINE_LOG_FORMAT": self._plan.log_format,
            "PYTHONUNBUFFERED": "1",
            **({"PULSELINE_DATABASE_PASSWORD_FILE": str(password_file)} if password_file else {}),
            **{f"PULSELINE_{name.upper()}_PORT": str(self._plan.ports[name]) for name in SERVICES},
        }
        for name in SERVICES:
            child = self._child(name, ["-m", f"services.{name}"], env)
            self._children[name] = child
            self._tasks.append(asyncio.create_task(child.keep_running(Backoff())))
        self._say("services are starting")

    def _child(self, name: str, arguments: Sequence[str], env: dict[str, str]) -> Child:
        return Child(
            [sys.executable, *arguments],
            env,
            on_line=lambda line: self._journal.write(name, line),
            on_change=self._save,
        )

    async def _watch(self, name: str, pid: Callable[[], int | None], server: _Server) -> None:
        """Start one of our own servers again whenever it has ended."""
        backoff, began = Backoff(), self._clock.monotonic()
        while True:
            await asyncio.sleep(_WATCH_S)
            if pid() is not None:
                continue
            delay = backoff.next_s(self._clock.monotonic() - began)
            self._journal.write(name, f"has ended; starting it again in {delay:.1f} s")
            self._save()
            await asyncio.sleep(delay)
            began = self._clock.monotonic()
            self._server_restarts[name] += 1
            try:
                await _to_its_end(server.start)
            except _START_FAILURES as error:
                self._journal.write(name, str(error))
            else:
                self._journal.write(name, "answers again")
            self._save()

    async def _write_endpoint(self, database_url: str) -> EndpointFile:
        earlier = self._folder.endpoint()
        endpoint = EndpointFile(
            ingest_url=self._url("ingest"),
            console_url=self._url("api"),
            api_key=await _admin_key(database_url, earlier.api_key if earlier else None),
        )
        self._folder.write_endpoint(endpoint)
        return endpoint

    async def _wait_ready(self) -> None:
        waiting = dict.fromkeys(SERVICES, Report("down"))
        said_at = self._clock.monotonic()
        while waiting:
            records = {process.name: process for process in self._processes()}
            for name, report in zip(
                list(waiting),
                await asyncio.gather(*(asyncio.to_thread(probe, records[name]) for name in waiting)),
                strict=True,
            ):
                waiting[name] = report
                if report.health == "ready":
                    del waiting[name]
                    self._say(f"{name} is ready at {self._url(name)}")
            if waiting and self._clock.monotonic() - said_at > _SAY_WAITING_EVERY_S:
                said_at = self._clock.monotonic()
                for line in still_waiting(waiting):
                    self._say(line)
            if waiting:
                await asyncio.sleep(_READY_POLL_S)

    def _announce(self, endpoint: EndpointFile) -> None:
        self._say("everything is ready")
        self._journal.tell("")
        self._journal.tell(f"  Console    {endpoint.console_url}/")
        self._journal.tell(f"  Ingest     {endpoint.ingest_url}/v1/events")
        self._journal.tell(f"  Admin key  {endpoint.api_key}")
        self._journal.tell(f"  Log        {self._folder.log}")
        self._journal.tell("  Stop with Ctrl-C or `pulseline down`; everything is kept and the next `up` goes on.")
        self._journal.tell("")

    async def _send_demo(self) -> None:
        self._say("sending demo traffic of made-up customers; `pulseline demo remove` erases it")
        endpoint = self._folder.endpoint()
        if endpoint is None:
            return
        env = {"PULSELINE_URL": endpoint.ingest_url, "PULSELINE_API_KEY": endpoint.api_key}
        options = ["--api-url", endpoint.console_url, "--accounts", str(self._folder.simulator)]
        child = self._child("demo", ["-m", "services.cli.main", "demo", "send", *options], env)
        self._children["demo"] = child
        await child.run_once()
        del self._children["demo"]

    async def _end(self, starting: asyncio.Task[None]) -> None:
        self._record.phase = "stopping"
        self._say("stopping the services")
        self._save()
        starting.cancel()
        with suppress(asyncio.CancelledError, *_START_FAILURES):
            await starting
        await asyncio.gather(*(child.stop(_SERVICE_GRACE_S) for child in list(self._children.values())))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        servers: list[_Server] = [server for server in (self._kafka, self._postgres) if server is not None]
        if servers:
            self._say("stopping Kafka and PostgreSQL")
            await asyncio.gather(*(asyncio.to_thread(server.stop) for server in servers))
        self._say("stopped; nothing is left running")

    def _processes(self) -> list[ProcessRecord]:
        plan, postgres, kafka = self._plan, self._postgres, self._kafka
        database = urlsplit(plan.database).netloc.rpartition("@")[2] if plan.database else None
        return [
            ProcessRecord(
                name="postgres",
                kind="postgres",
                address=database or f"127.0.0.1:{plan.ports['postgres']}",
                pid=postgres.pid if postgres is not None else None,
                restarts=self._server_restarts["postgres"],
                is_external=database is not None,
            ),
            ProcessRecord(
                name="kafka",
                kind="kafka",
                address=plan.kafka or f"127.0.0.1:{plan.ports['kafka']}",
                pid=kafka.pid() if kafka is not None else None,
                restarts=self._server_restarts["kafka"],
                is_external=plan.kafka is not None,
            ),
            *(
                ProcessRecord(
                    name=name,
                    kind="service",
                    address=self._url(name),
                    pid=child.pid if (child := self._children.get(name)) else None,
                    restarts=child.restarts if child else 0,
                )
                for name in SERVICES
            ),
        ]

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._plan.ports[name]}"

    def _save(self) -> None:
        """Write what runs, for others to read; a full disk keeps what it has, until the next change."""
        self._record.processes = self._processes()
        with suppress(OSError):
            self._folder.write_run(self._record)

    def _say(self, line: str) -> None:
        self._journal.say(f"[{self._clock.monotonic() - self._began:5.1f} s] {line}")


def still_waiting(waiting: dict[str, Report]) -> list[str]:
    """Return a sentence for each thing that is waited for, with the services that wait for it."""
    names_of: dict[str, list[str]] = {}
    for name, report in waiting.items():
        names_of.setdefault(report.detail or report.health, []).append(name)
    return [f"still waiting for {', '.join(names)}: {what}" for what, names in names_of.items()]


async def _to_its_end(work: Callable[..., None], *arguments: Any) -> None:
    """Do the work in a thread; who is cancelled meanwhile waits for its end, or a server would start unseen."""
    thread = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.gather(thread, return_exceptions=True)
        raise


async def _both(first: Awaitable[str], second: Awaitable[str]) -> tuple[str, str]:
    """Return both results; when one fails, the other is waited for, so that none starts unseen."""
    tasks = [asyncio.ensure_future(first), asyncio.ensure_future(second)]
    try:
        one, other = await asyncio.gather(*tasks)
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)
    return one, other


async def _create_database(admin_url: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


def _migrate(database_url: str) -> None:
    from shared.postgres.migrate import upgrade

    upgrade(database_url)


async def _admin_key(database_url: str, earlier: str | None) -> str:
    """Return the key of the last run while the database still takes it, else a new one."""
    from services.api.auth.store import create_admin_key
    from shared.postgres.api_keys import find_active_key, hash_key

    if earlier is not None:
        connection = await asyncpg.connect(database_url)
        try:
            if await find_active_key(connection, hash_key(earlier)) is not None:
                return earlier
        finally:
            await connection.close()
    return await create_admin_key(database_url, "pulseline up")
