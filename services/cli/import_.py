"""`pulseline import orders|interactions FILE`: a company's history through the public ingest endpoint."""

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from services.churn_alerts.backtest.amounts import DecimalSign, UnclearColumn
from services.cli.counted import counted
from services.cli.endpoint import ApiKey, IngestUrl, ingest_endpoint
from services.cli.import_rows import (
    InteractionColumns,
    OrderColumns,
    Row,
    RowIds,
    decimal_sign,
    in_batches,
    interaction_event,
    is_sorted,
    order_event,
)
from shared.errors import Reject
from shared.table_file import DAMAGED, NoTable, UnknownEncoding, encoding_of, open_text, read_head, rows_of

app = typer.Typer(help="Import history. It builds state and notifies nobody.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or NDJSON of events; may be .gz.")]
Source = Annotated[str, typer.Option(help="Names where the rows come from; row ids are unique within it.")]
Zone = Annotated[str, typer.Option("--timezone", help="Zone of times that state none, such as Asia/Shanghai.")]
Batch = Annotated[int, typer.Option(min=1, max=5000, help="Events a request.")]
Rejects = Annotated[Path | None, typer.Option(help="Where bad rows go; default: FILE.rejects.csv here.")]

ToEvent = Callable[[Row], dict[str, Any]]


@app.command()
def orders(
    file: File,
    source: Source = "import",
    timezone: Zone = "UTC",
    currency: Annotated[str, typer.Option(help="Currency of rows that state none.")] = "USD",
    customer_column: Annotated[str, typer.Option()] = "customer_id",
    time_column: Annotated[str, typer.Option()] = "time",
    event_column: Annotated[str, typer.Option(help="Holds purchase or return; may be absent.")] = "event",
    amount_column: Annotated[str, typer.Option(help="Numbers like 1234.50, or all like 1.234,50.")] = "amount",
    order_column: Annotated[str, typer.Option(help="Order number; may be absent.")] = "order_id",
    currency_column: Annotated[str, typer.Option()] = "currency",
    batch: Batch = 2000,
    rejects: Rejects = None,
    url: IngestUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Import orders: one row an order; columns customer_id, time, amount and, where present, event and order_id."""
    columns = OrderColumns(customer_column, time_column, event_column, amount_column, order_column, currency_column)
    ids, zone = RowIds(), _zone(timezone)
    decimal = "." if _is_ndjson(file) else _decimal_sign(file, columns.amount)

    def to_event(row: Row) -> dict[str, Any]:
        return order_event(row, columns, ids, source=source, currency=currency, zone=zone, decimal=decimal)

    _run(file, to_event, (columns.customer, columns.time, columns.amount), columns.time, batch, rejects, url, api_key)


@app.command()
def interactions(
    file: File,
    source: Source = "import",
    timezone: Zone = "UTC",
    customer_column: Annotated[str, typer.Option()] = "customer_id",
    time_column: Annotated[str, typer.Option()] = "time",
    channel_column: Annotated[str, typer.Option(help="phone, email, chat, …; may be absent.")] = "channel",
    direction_column: Annotated[str, typer.Option(help="inbound or outbound; may be absent.")] = "direction",
    text_column: Annotated[str, typer.Option()] = "text",
    subject_column: Annotated[str, typer.Option()] = "subject",
    id_column: Annotated[str, typer.Option(help="The row's own id; may be absent.")] = "id",
    batch: Batch = 2000,
    rejects: Rejects = None,
    url: IngestUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Import interactions from CSV, or events of any type from NDJSON in the published format."""
    columns = InteractionColumns(
        customer_column, time_column, channel_column, direction_column, text_column, subject_column, id_column
    )
    ids, zone = RowIds(), _zone(timezone)

    def to_event(row: Row) -> dict[str, Any]:
        return interaction_event(row, columns, ids, source=source, zone=zone)

    _run(file, to_event, (columns.customer, columns.time), columns.time, batch, rejects, url, api_key)


def _run(
    file: Path,
    to_event: ToEvent,
    required: tuple[str, ...],
    time_column: str,
    batch_size: int,
    rejects: Path | None,
    url: str | None,
    api_key: str | None,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from pulseline.client import Client, ClientError

    console = Console(stderr=True)
    is_ndjson = _is_ndjson(file)
    with _readable(file):
        rows = partial(_ndjson_rows, file) if is_ndjson else partial(_csv_rows, file, encoding_of(file))
        n_rows = _check(file, rows, () if is_ndjson else required)
    ordered = rows()
    if not is_ndjson and not is_sorted(row.values.get(time_column) or "" for row in rows()):
        console.print("The rows are not in time order: sorting them, so that each customer's history is told in order.")
        ordered = iter(sorted(rows(), key=lambda row: row.values.get(time_column) or ""))
    done = _Resume(file)
    endpoint = ingest_endpoint(url, api_key)
    rejects_path = rejects or Path(f"{file.name}.rejects.csv")
    n_accepted, resumed_after = 0, done.n_rows
    with (
        Client(endpoint.url, endpoint.api_key) as client,
        _RejectsFile(rejects_path, goes_on=done.n_rows > 0) as rejected,
        Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        ) as progress,
    ):
        task = progress.add_task(file.name, total=n_rows)
        if resumed_after:
            console.print(f"Going on after row {resumed_after}, where an earlier run stopped.")
        events = _events(ordered, _ndjson_event if is_ndjson else to_event, rejected)
        position = 0
        try:
            for batch in in_batches(events, batch_size):
                position += len(batch)
                if position > done.n_rows:
                    receipt = client.send([event for _, event in batch])
                    n_accepted += receipt.accepted
                    for rejection in receipt.rejected:
                        rejected.add(batch[rejection.index][0], rejection.pointer, rejection.reason)
                    done.reach(position)
                progress.update(task, completed=position + rejected.n_before_sending)
        except ClientError as error:
            console.print(f"[red]Stopped:[/red] {error}\nRun the same command again to go on after row {done.n_rows}.")
            raise typer.Exit(1) from error
    done.finish()
    console.print(f"{counted(n_accepted, 'event')} accepted, {counted(rejected.n, 'row')} rejected.")
    if rejected.n:
        console.print(f"What was rejected is in {rejects_path}.")
    if rejected.n and not n_accepted and not resumed_after:
        raise typer.Exit(1)


def _events(rows: Iterator[Row], to_event: ToEvent, rejected: "_RejectsFile") -> Iterator[tuple[int, dict[str, Any]]]:
    for row in rows:
        try:
            yield row.line, to_event(row)
        except Reject as reject:
            rejected.n_before_sending += 1
            rejected.add(row.line, reject.pointer, reject.reason)


def _ndjson_event(row: Row) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(row.values["event"].encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Reject(str(error)) from error
    if not isinstance(event, dict):
        raise Reject("a line holds one event, a JSON object")
    return event


def _is_ndjson(file: Path) -> bool:
    return ".ndjson" in file.suffixes or ".jsonl" in file.suffixes


def _decimal_sign(file: Path, column: str) -> DecimalSign:
    with _readable(file):
        try:
            return decimal_sign((row.line, row.values.get(column) or "") for row in _csv_rows(file, encoding_of(file)))
        except UnclearColumn as error:
            raise typer.BadParameter(f"{file.name}: {error}") from error


def _csv_rows(file: Path, encoding: str) -> Iterator[Row]:
    with open_text(file, encoding) as text:
        head = read_head(text)
        for line, row in rows_of(text, head):
            if row:
                yield Row(line, dict(zip_longest(head.names, row[: len(head.names)], fillvalue="")))


def _ndjson_rows(file: Path) -> Iterator[Row]:
    with open_text(file, "utf-8-sig", "surrogateescape") as text:
        for line, content in enumerate(text, start=1):
            if content.strip():
                yield Row(line, {"event": content})


def _check(file: Path, rows: Callable[[], Iterator[Row]], required: tuple[str, ...]) -> int:
    """Return the number of rows. Raises typer.BadParameter when a required column is missing or nothing is there."""
    first: Row | None = None
    n_rows = 0
    for row in rows():
        first = first or row
        n_rows += 1
    if first is None:
        raise typer.BadParameter(f"{file.name} has no rows")
    if missing := [column for column in required if column not in first.values]:
        raise typer.BadParameter(
            f"{file.name} has no column {', '.join(missing)}; it has: {', '.join(first.values)}. "
            "Name columns with --…-column options."
        )
    return n_rows


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Say in a sentence what makes a file unreadable."""
    try:
        yield
    except (UnknownEncoding, NoTable) as error:
        raise typer.BadParameter(str(error)) from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{file.name} is no text in UTF-8, UTF-16 or GB 18030; save it as CSV UTF-8"
        ) from error
    except DAMAGED as error:
        raise typer.BadParameter(f"{file.name} is damaged or cut off: {error}") from error
    except csv.Error as error:
        raise typer.BadParameter(f"{file.name} is no CSV: {error}") from error


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter(f"no time zone is called {name!r}", param_hint="--timezone") from error


class _Resume:
    """Remembers how many rows of this very file and command line the broker has."""

    def __init__(self, file: Path) -> None:
        content = hashlib.blake2b(digest_size=12)
        with file.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                content.update(chunk)
        content.update("\x1f".join(sys.argv[1:]).encode("utf-8", "surrogateescape"))
        self._path = Path(".pulseline") / "import" / f"{content.hexdigest()}.rows"
        try:
            self.n_rows = int(self._path.read_text())
        except (FileNotFoundError, ValueError):
            self.n_rows = 0

    def reach(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(str(n_rows))
        temporary.replace(self._path)

    def finish(self) -> None:
        self._path.unlink(missing_ok=True)


class _RejectsFile:
    """A CSV of line, pointer, reason; made only when there is something to say. A run that goes on keeps its rows."""

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._earlier = _lines_told(path) if goes_on else frozenset()
        self.n = len(self._earlier)
        self.n_before_sending = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: int, pointer: str, reason: str) -> None:
        if line in self._earlier:
            return
        if self._file is None:
            # By the line: what is sent counts as done even if the next moment kills us.
            self._file = self._path.open("a" if self._earlier else "w", buffering=1, encoding="utf-8", newline="")
            if not self._earlier:
                csv.writer(self._file).writerow(("line", "where", "reason"))
        csv.writer(self._file).writerow((line, pointer, reason))
        self.n += 1


def _lines_told(path: Path) -> frozenset[int]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return frozenset(int(row[0]) for row in csv.reader(file) if row and row[0].isdecimal())
    except FileNotFoundError:
        return frozenset()
