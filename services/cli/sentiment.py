"""`pulseline sentiment train | evaluate | explain`: the sentiment model, retrained, measured, and asked for reasons."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.sentiment.training.corpus import LabelledText, read_corpora, read_own
from shared.errors import PulselineError, Reject

if TYPE_CHECKING:
    from services.sentiment.training.evaluate import Report

app = typer.Typer(no_args_is_help=True, help="Train, evaluate and question the sentiment model.")

_MODEL = typer.Option("--model", help="Model file; without it the one that ships.")
_DATA = typer.Option("--data", help="Folder with the public corpora (<name>.train.tsv.gz, <name>.heldout.tsv.gz).")
_ROWS = typer.Option("--rows", help="Your own labelled texts: .jsonl, .csv or .tsv with text and label. Repeatable.")
_LEAVE_OUT = typer.Option(
    "--leave-out",
    help="Train anew without each corpus and measure on its held-out texts: what texts of a new source are like."
    " From labels alone, unless --teachers is given. Takes minutes.",
)
_TEACHERS = typer.Option(
    "--teachers",
    help="Folder with teachers that never saw the corpus left out, made by"
    " `python -m services.sentiment.training.teacher folds`.",
)


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="Where the model goes.")] = Path("sentiment-model.bin"),
    data: Annotated[Path | None, _DATA] = None,
    rows: Annotated[list[Path] | None, _ROWS] = None,
    model: Annotated[Path | None, _MODEL] = None,
) -> None:
    """Fit the model to the corpora (--data), or adapt a model to your own rows and corrections (--rows), or both."""
    from services.sentiment.interaction.model import SHIPPED_ARTEFACT, load_model
    from services.sentiment.training import train as training

    if data is None and not rows:
        raise typer.BadParameter("nothing to learn from: give --data, --rows, or both")
    try:
        fitted = load_model(model or SHIPPED_ARTEFACT)
        if data is not None:
            fitted = training.train(read_corpora(data, "train"), fitted.characters)
        if rows:
            fitted = training.adapt(fitted, _own_rows(rows))
        size = training.write_artefact(fitted, out)
    except (PulselineError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{fitted.name}: {size:,} bytes in {out}")


@app.command()
def evaluate(
    data: Annotated[Path | None, _DATA] = None,
    rows: Annotated[list[Path] | None, _ROWS] = None,
    model: Annotated[Path | None, _MODEL] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as a page to this file.")] = None,
    leave_out: Annotated[bool, _LEAVE_OUT] = False,
    teachers: Annotated[Path | None, _TEACHERS] = None,
) -> None:
    """Measure a model on the held-out corpora (--data) or on your own labelled rows (--rows)."""
    from services.sentiment.interaction.backend import load_backend
    from services.sentiment.training.evaluate import evaluate as measure
    from services.sentiment.training.leave_out import left_out_reports

    if leave_out and (data is None or rows or model):
        raise typer.BadParameter("--leave-out trains its own models: it takes --data, and neither --rows nor --model")
    if teachers and not leave_out:
        raise typer.BadParameter("--teachers goes with --leave-out")
    if data is None and not rows:
        raise typer.BadParameter("nothing to measure on: give --data or --rows")
    try:
        if leave_out and data is not None:
            _show(list(left_out_reports(data, teachers)), "trained without each source", html)
            return
        labelled = read_corpora(data, "heldout") if data is not None else []
        labelled += _own_rows(rows or ())
        backend = load_backend(model)
    except (PulselineError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    _show(measure(backend, labelled), backend.name, html)


def _show(reports: "list[Report]", name: str, html: Path | None) -> None:
    from services.sentiment.training.evaluate import as_page, as_table

    typer.echo(as_table(reports))
    if html is not None:
        html.write_text(as_page(name, reports), encoding="utf-8")
        typer.echo(f"report in {html}")


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="The text to explain.")],
    top: Annotated[int, typer.Option("--top", min=1, max=100, help="Reasons shown.")] = 12,
    model: Annotated[Path | None, _MODEL] = None,
) -> None:
    """Show the judgement of a text and the pieces that moved it most."""
    from services.sentiment.interaction.backend import load_backend

    backend = load_backend(model)
    (judged,) = backend.analyse([text])
    typer.echo(f"{judged.label} {judged.score:+z.3f} ({judged.language})")
    for reason in backend.explain(text, top):
        typer.echo(f"{reason.polarity:+z8.3f} polarity {reason.neutrality:+z8.3f} neutrality  {reason.piece}")


def _own_rows(paths: Sequence[Path]) -> list[LabelledText]:
    labelled: list[LabelledText] = []
    for path in paths:
        try:
            own = read_own(path)
        except Reject as error:
            raise typer.BadParameter(f"{path}: {error.reason}") from error
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"{path} is no text in UTF-8") from error
        if not own:
            raise typer.BadParameter(f"{path} has no labelled texts")
        labelled += own
    return labelled
