"""`pulseline replay`: the alerts that recorded events lead to, decided offline by the live processors."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli.counted import counted
from services.cli.instant import instant_of


def replay(
    events: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Events as newline-delimited JSON, plain or gzip, in the order of the log.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="Where to write the alert records, newline-delimited JSON.")
    ],
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
    from shared.table_file import DAMAGED, decompressed

    until_ms = None
    if until:
        until_ms = to_ms(instant_of(until, "--until"))
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}", param_hint="--out")
    chain = Chain(Scorer.load(model or SHIPPED_ARTEFACT), partitions)
    alerts: list[Replayed] = []
    n_refused = n_read = 0
    with events.open("rb") as raw:
        # What another program writes into, as in <(command), cannot be looked into before it is read.
        lines = decompressed(raw) if raw.seekable() else raw

        def read() -> Iterator[bytes]:
            nonlocal n_read
            try:
                for line in lines:
                    n_read += 1
                    content = (line.removeprefix(codecs.BOM_UTF8) if n_read == 1 else line).strip()
                    if content:
                        yield content
            except DAMAGED as error:
                raise typer.BadParameter(f"{events} is damaged or cut off: {error}") from error

        for found in chain.run(read(), until_ms):
            if isinstance(found, Replayed):
                alerts.append(found)
            else:
                n_refused += 1
                # A line is refused as it is read; what a processor cannot decide is found later, in its batch.
                reason = f"line {n_read}: {found}" if isinstance(found, Reject) else found.reason
                typer.echo(f"refused: {reason}", err=True)
    alerts.sort()
    out.write_bytes(b"".join(alert.value + b"\n" for alert in alerts))
    written = f"{counted(len(alerts), 'alert record')} written to {out}"
    typer.echo(written + (f"; {counted(n_refused, 'line')} refused" if n_refused else ""))
    if n_refused:
        raise typer.Exit(1)
