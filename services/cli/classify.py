"""`pulseline classify`: the sentiment of texts, one a line in, one JSON line out, in memory that does not grow."""

import codecs
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import msgspec
import typer

from services.cli.counted import counted
from shared.contracts.enriched import Aspect, Sentiment, SentimentLabel, TextLanguage, Urgency
from shared.table_file import DAMAGED, decompressed

# About a thousand texts of 60 characters.
_BYTES_AT_ONCE = 64 * 1024
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Probabilities(msgspec.Struct):
    negative: float
    neutral: float
    positive: float


class Classified(msgspec.Struct):
    label: SentimentLabel
    score: float
    probabilities: Probabilities
    language: TextLanguage
    aspects: list[Aspect]
    complaint: bool
    urgency: Urgency


class Unread(msgspec.Struct):
    """What stands in the place of a line that is no JSON object with a text."""

    line: int
    error: str


class _Line(msgspec.Struct):
    text: str | None = None


class _Bytes:
    """Turns lines into text, and counts those that are no UTF-8: what stood there is lost, the rest is judged."""

    def __init__(self) -> None:
        self.n_damaged = 0

    def decode(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.n_damaged += 1
            return line.decode("utf-8", "replace")


def classify(
    file: Annotated[str, typer.Argument(help="File with one text a line, or - for standard input.")] = "-",
    jsonl: Annotated[bool, typer.Option("--jsonl", help='Lines are JSON objects with a member "text".')] = False,
    model: Annotated[
        Path | None, typer.Option("--model", help="Your own model in place of the one that ships.")
    ] = None,
) -> None:
    """Judge the sentiment of texts: one line in, one JSON line out, in the same order.

    A line that is no JSON object is answered with its number and what is wrong with it; the rest is judged, and
    the exit code is 1. Files may be gzip. Texts are UTF-8; lines that are not are counted at the end.
    """
    from services.sentiment.interaction.backend import load_backend

    backend = load_backend(model)
    encode = msgspec.json.Encoder().encode
    unread, read = 0, _Bytes()
    with _opened(file) as source:
        for texts in _batches(source, jsonl, read):
            judged = iter(backend.analyse([text for text in texts if isinstance(text, str)]))
            lines = [encode(_classified(next(judged)) if isinstance(text, str) else text) for text in texts]
            unread += sum(isinstance(text, Unread) for text in texts)
            sys.stdout.buffer.write(b"\n".join([*lines, b""]))
            sys.stdout.buffer.flush()
    if read.n_damaged:
        told = f"{counted(read.n_damaged, 'line')} not in UTF-8, judged by what could be read of them"
        typer.echo(f"{told}; convert the file, as with iconv -f GB18030 -t UTF-8", err=True)
    if unread:
        typer.echo(f"{counted(unread, 'line')} could not be read", err=True)
        raise typer.Exit(1)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise typer.BadParameter("standard output is closed")
    if file == "-":
        if sys.stdin is None:
            raise typer.BadParameter("standard input is closed; name a file")
        yield sys.stdin.buffer
        return
    try:
        raw = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        hint = "; a text itself comes in by standard input: echo TEXT | pulseline classify"
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}{hint}") from error
    with raw:
        try:
            # What another program writes into, as in <(command), cannot be looked into before it is read.
            yield cast("BinaryIO", decompressed(raw) if raw.seekable() else raw)
        except DAMAGED as error:
            raise typer.BadParameter(f"{file} is damaged or cut off: {error}") from error


def _batches(source: BinaryIO, is_jsonl: bool, read: _Bytes) -> Iterator[list[str | Unread]]:
    number = 0
    for lines in _as_they_come(source):
        if not number:
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
        yield [
            _text(line, number + n, read) if is_jsonl else read.decode(line.rstrip(b"\r"))
            for n, line in enumerate(lines, 1)
        ]
        number += len(lines)


def _as_they_come(source: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines that are there, without waiting for more: who writes line by line is answered line by line."""
    begun: list[bytes] = []
    for chunk in _chunks(source):
        end, *others = chunk.split(b"\n")
        if not others:
            begun.append(chunk)
            continue
        yield [b"".join([*begun, end]), *others[:-1]]
        begun = [others[-1]]
    if last := b"".join(begun):
        yield [last]


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    """Yield what is there as it comes; what is marked as UTF-16, which Windows calls Unicode, as UTF-8."""
    chunk = _read(source)
    if len(chunk) == 1:
        chunk += _read(source)
    decoder = codecs.getincrementaldecoder("utf-16")("replace") if chunk.startswith(_UTF16_MARKS) else None
    while chunk:
        yield decoder.decode(chunk).encode() if decoder else chunk
        chunk = _read(source)
    if decoder:
        yield decoder.decode(b"", final=True).encode()


def _read(source: BinaryIO) -> bytes:
    chunk: bytes = source.read1(_BYTES_AT_ONCE)  # type: ignore[attr-defined]
    return chunk


def _text(line: bytes, number: int, read: _Bytes) -> str | Unread:
    if not line.strip():
        return ""
    repaired = read.decode(line)
    try:
        return msgspec.json.decode(repaired, type=_Line).text or ""
    except RecursionError:
        return Unread(number, "JSON is nested too deeply")
    except msgspec.DecodeError as error:
        text = _text_as_python_writes_it(repaired)
        return Unread(number, str(error)) if text is None else text


def _text_as_python_writes_it(line: str) -> str | None:
    """Return the text where only the strict reader objects: to NaN in a column beside it, or to half an emoji."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    text = row.get("text", "") if isinstance(row, dict) else None
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else None


def _classified(sentiment: Sentiment) -> Classified:
    return Classified(
        label=sentiment.label,
        score=sentiment.score,
        probabilities=Probabilities(sentiment.p_negative, sentiment.p_neutral, sentiment.p_positive),
        language=sentiment.language,
        aspects=[hit.aspect for hit in sentiment.aspects],
        complaint=sentiment.is_complaint,
        urgency=sentiment.urgency,
    )
