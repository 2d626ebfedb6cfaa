"""`pulseline status`: every process with its pid, address and health."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.cli.probe import Report, probe
from services.cli.state_folder import DEFAULT, ProcessRecord, RunRecord, StateFolder

NOT_RUNNING = 3


class ProcessStatus(msgspec.Struct, kw_only=True):
    name: str
    pid: int | None
    address: str
    health: str
    detail: str
    restarts: int
    is_external: bool


class Status(msgspec.Struct, kw_only=True):
    """What `status --json` prints; exit status 0 when every process is ready, 1 when not, 3 when nothing runs."""

    is_running: bool
    phase: str
    started_at: str | None
    processes: list[ProcessStatus]


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    state_dir: Annotated[Path, typer.Option(file_okay=False, help="The folder `up` runs in.")] = DEFAULT,
) -> None:
    """Show every process, its pid, address and health."""
    folder = StateFolder(state_dir)
    current = read_status(folder.running())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(current), indent=2).decode())
    elif current.is_running:
        _print(current)
    else:
        typer.echo(f"nothing is running in {folder.root}")
    if not current.is_running:
        raise typer.Exit(NOT_RUNNING)
    if any(process.health != "ready" for process in current.processes):
        raise typer.Exit(1)


def read_status(running: RunRecord | None) -> Status:
    """Return the state of every process of a run, each asked now and all at once."""
    if running is None:
        return Status(is_running=False, phase="stopped", started_at=None, processes=[])
    records = [
        ProcessRecord(name="supervisor", kind="supervisor", address="", pid=running.supervisor_pid),
        *running.processes,
    ]
    with ThreadPoolExecutor(len(records)) as pool:
        reports = list(pool.map(probe, records))
    return Status(
        is_running=True,
        phase=running.phase,
        started_at=running.started_at,
        processes=[_status(record, report) for record, report in zip(records, reports, strict=True)],
    )


def _status(record: ProcessRecord, report: Report) -> ProcessStatus:
    return ProcessStatus(
        name=record.name,
        pid=record.pid,
        address=record.address,
        health=report.health,
        detail=report.detail,
        restarts=record.restarts,
        is_external=record.is_external,
    )


def _print(current: Status) -> None:
    from rich.console import Console
    from rich.table import Table

    colours = {"ready": "green", "unready": "yellow", "down": "red"}
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "pid", "address", "health", "restarts", "waiting for"):
        # An address that is folded can be neither read nor copied; the reason gives way.
        table.add_column(heading, overflow="fold", no_wrap=heading != "waiting for")
    for process in current.processes:
        table.add_row(
            process.name,
            "external" if process.is_external else str(process.pid or "-"),
            process.address,
            f"[{colours[process.health]}]{process.health}[/]",
            str(process.restarts),
            process.detail,
        )
    Console().print(table)
    typer.echo(f"{in_words(current)}, started at {current.started_at}")


def in_words(current: Status) -> str:
    """Return the phase; a run that has become ready is so only while all its processes are."""
    waiting = [process.name for process in current.processes if process.health != "ready"]
    return f"not ready: {', '.join(waiting)}" if current.phase == "ready" and waiting else current.phase
