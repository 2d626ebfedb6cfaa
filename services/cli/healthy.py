"""`pulseline healthy URL`: asks one service whether it is ready, for container health checks."""

from typing import Annotated

import typer

from services.cli.probe import probe
from services.cli.state_folder import ProcessRecord


def healthy(url: Annotated[str, typer.Argument(help="Base URL of a service.")]) -> None:
    """Exit with 0 when the service at URL is ready; say what it waits for and exit with 1 when not."""
    report = probe(ProcessRecord(name=url, kind="service", address=url, is_external=True))
    if report.health != "ready":
        typer.echo(f"{report.health}: {report.detail}", err=True)
        raise typer.Exit(1)
