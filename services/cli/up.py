"""`pulseline up`: starts everything on this machine."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from services.cli.journal import Journal
from services.cli.state_folder import DEFAULT, AlreadyRunningError, StateFolder
from services.cli.supervisor import Plan, Supervisor
from shared.embedded.process import free_ports, is_port_free, tail
from shared.settings import LogFormat, LogLevel

_DEFAULT_PORTS = {
    "api": 8000,
    "ingest": 8001,
    "sentiment": 8002,
    "churn_alerts": 8003,
    "kafka": 9092,
    # Not PostgreSQL's own 5432, which a system PostgreSQL often has.
    "postgres": 15432,
}
_DETACHED_OUTPUT = "up.log"
_DETACHED_PATIENCE_S = 300.0

Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)]


def up(
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers of a Kafka of yours, host:port,…")] = None,
    database: Annotated[str | None, typer.Option(help="postgresql:// address of a database of yours.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready, and go on running.")
    ] = False,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo", help="Send demo traffic; by default on the first start with our own database."
        ),
    ] = None,
    state_dir: Annotated[Path, typer.Option(file_okay=False, help="Where everything is kept.")] = DEFAULT,
    topic_prefix: Annotated[str, typer.Option(help="Put before every topic's name.")] = "",
    partitions: Annotated[int, typer.Option(min=1, max=1024, help="Of each topic; fixed after the first start.")] = 4,
    replication: Annotated[int, typer.Option(min=1, max=7, help="Copies of each topic, for a Kafka of yours.")] = 1,
    api_port: Port = None,
    ingest_port: Port = None,
    sentiment_port: Port = None,
    churn_alerts_port: Port = None,
    kafka_port: Port = None,
    postgres_port: Port = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severity logged.")] = "info",
    log_format: Annotated[LogFormat, typer.Option(help="As what.")] = "text",
) -> None:
    """Start everything on this machine and stay in the foreground until Ctrl-C."""
    if database is not None and not database.startswith(("postgresql://", "postgres://")):
        raise typer.BadParameter("a database address starts with postgresql://", param_hint="--database")
    folder = StateFolder(state_dir)
    folder.prepare()
    if detach:
        raise typer.Exit(_detach(folder))
    asked = {
        "api": api_port,
        "ingest": ingest_port,
        "sentiment": sentiment_port,
        "churn_alerts": churn_alerts_port,
        "kafka": kafka_port,
        "postgres": postgres_port,
    }
    try:
        with folder.held():
            ports, notices = choose_ports(asked, unused=_external(kafka, database))
            plan = Plan(
                ports=ports,
                kafka=kafka,
                database=database,
                topic_prefix=topic_prefix,
                partitions=partitions,
                replication=replication,
                log_level=log_level,
                log_format=log_format,
                send_demo=demo,
                notices=notices,
            )
            raise typer.Exit(_run(folder, plan))
    except AlreadyRunningError:
        _refuse(folder)


def _external(kafka: str | None, database: str | None) -> set[str]:
    return {name for name, address in (("kafka", kafka), ("postgres", database)) if address is not None}


def choose_ports(asked: dict[str, int | None], unused: set[str]) -> tuple[dict[str, int], list[str]]:
    """Return a port for each name, and a sentence for each default that is taken and was replaced by a free one.

    Raises typer.BadParameter when a port that was asked for is taken.
    """
    ports, notices = {}, []
    for name, default in _DEFAULT_PORTS.items():
        port = asked[name] or default
        if name not in unused and not is_port_free(port):
            if asked[name] is not None:
                raise typer.BadParameter(f"port {port} for {name} is in use")
            (port,) = free_ports(1)
            notices.append(f"port {default} for {name} is in use by another program; using {port}")
        ports[name] = port
    return ports, notices


def _run(folder: StateFolder, plan: Plan) -> int:
    # Detached, nobody looks: the log has the lines of processes, and is bounded.
    journal = Journal(folder.log, shows_processes=not _is_standard_output(folder.logs / _DETACHED_OUTPUT))
    try:
        return asyncio.run(Supervisor(folder, plan, journal).run(os.getpid()))
    finally:
        journal.close()


def _is_standard_output(file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), file.stat())
    except OSError:
        return False


def _refuse(folder: StateFolder) -> None:
    running = folder.running()
    by = f" by process {running.supervisor_pid} since {running.started_at}" if running else ""
    typer.echo(
        f"Pulseline is already run in {folder.root}{by}.\n"
        "`pulseline status` shows it, `pulseline down` stops it; another folder (--state-dir) runs a second one.",
        err=True,
    )
    raise typer.Exit(1)


def _detach(folder: StateFolder) -> int:
    if folder.is_held():
        _refuse(folder)
    output = folder.logs / _DETACHED_OUTPUT
    arguments = [argument for argument in sys.argv[1:] if argument not in {"--detach", "-d"}]
    with output.open("wb") as log:
        output.chmod(0o600)
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    deadline = time.monotonic() + _DETACHED_PATIENCE_S
    while time.monotonic() < deadline:
        running = folder.running()
        lines = output.read_text("utf-8", "replace").splitlines()
        is_ready = running is not None and running.phase == "ready"
        for line in lines[shown:]:
            typer.echo(line)
        shown = len(lines)
        if is_ready:
            return 0
        if supervisor.poll() is not None:
            typer.echo(tail(output), err=True)
            return 1
        time.sleep(0.2)
    typer.echo(f"not ready after {_DETACHED_PATIENCE_S:g} s; it goes on trying: {output}", err=True)
    return 1
