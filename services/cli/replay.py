"""`pulseline replay`: the alerts that recorded events lead to, decided offline by the live processors."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def replay(
    events: Annotated[Path, typer.Argument(help="Events as newline-delimited JSON, in the order of the log.")],
    out: Annotated[Path, typer.Option(help="Where to write the alert records, newline-delimited JSON.")],
    partitions: Annotated[
        int, typer.Option(min=1, max=1024, help="Partitions to run with; the result does not depend on it.")
    ] = 4,
    until: Annotated[
        str, typer.Option(help="Let time pass until this instant (RFC 3339 with offset) after the last event.")
    ] = "",
    model: Annotated[
        Path | None, typer.Option(help="A sentiment model of your own; left out: the one that ships.")
    ] = None,
) -> None:
    """Replay recorded events and show the alerts they raise: the same bytes on every run."""
    from services.cli.replay_chain import Chain, Replayed
    from services.sentiment.interaction.model import SHIPPED_ARTEFACT
    from services.sentiment.interaction.score import Scorer
    from shared.clock import to_ms
    from shared.errors import Reject

    until_ms = None
    if until:
        instant = datetime.fromisoformat(until)
        if instant.tzinfo is None:
            raise typer.BadParameter("needs an offset, e.g. 2026-03-01T00:00:00Z", param_hint="--until")
        until_ms = to_ms(instant)
    chain = Chain(Scorer.load(model or SHIPPED_ARTEFACT), partitions)
    alerts: list[Replayed] = []
    n_refused = 0
    with events.open("rb") as lines:
        for found in chain.run((line.strip() for line in lines if line.strip()), until_ms):
            if isinstance(found, Replayed):
                alerts.append(found)
            else:
                n_refused += 1
                reason = str(found) if isinstance(found, Reject) else found.reason
                typer.echo(f"refused: {reason}", err=True)
    alerts.sort()
    out.write_bytes(b"".join(alert.value + b"\n" for alert in alerts))
    typer.echo(f"{len(alerts)} alert records written to {out}" + (f"; {n_refused} lines refused" if n_refused else ""))
    if n_refused:
        raise typer.Exit(1)
