"""`pulseline down`: stops what `up` started."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from services.cli.state_folder import DEFAULT, StateFolder

_PATIENCE_S = 60.0


def down(state_dir: Annotated[Path, typer.Option(file_okay=False, help="The folder `up` runs in.")] = DEFAULT) -> None:
    """Stop what `up` started, services first; everything is kept."""
    folder = StateFolder(state_dir)
    running = folder.running()
    if running is None:
        typer.echo(f"nothing is running in {folder.root}")
        return
    os.kill(running.supervisor_pid, signal.SIGTERM)
    typer.echo(f"stopping (process {running.supervisor_pid}) …")
    deadline = time.monotonic() + _PATIENCE_S
    while folder.is_held() or _exists(running.supervisor_pid):
        if time.monotonic() > deadline:
            typer.echo(f"still running after {_PATIENCE_S:g} s; its log: {folder.log}", err=True)
            raise typer.Exit(1)
        time.sleep(0.1)
    typer.echo("stopped; `pulseline up` goes on where it was")


def _exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    # Ended, and merely not yet collected by its parent.
    return state != "Z"
