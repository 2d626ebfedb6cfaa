"""`pulseline classify`: the sentiment of texts, one a line in, one JSON line out, in memory that does not grow."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from shared.contracts.enriched import Aspect, Sentiment, SentimentLabel, TextLanguage, Urgency

_LINES_AT_ONCE = 1_000


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


def classify(
    file: Annotated[str, typer.Argument(help="File with one text a line, or - for standard input.")] = "-",
    jsonl: Annotated[bool, typer.Option("--jsonl", help='Lines are JSON objects with a member "text".')] = False,
    model: Annotated[
        Path | None, typer.Option("--model", help="Your own model in place of the one that ships.")
    ] = None,
) -> None:
    """Judge the sentiment of texts: one line in, one JSON line out, in the same order.

    A line that is no JSON object is answered with its number and what is wrong with it; the rest is judged, and
    the exit code is 1.
    """
    from services.sentiment.interaction.backend import load_backend

    backend = load_backend(model)
    encode = msgspec.json.Encoder().encode
    unread = 0
    with _opened(file) as source:
        for texts in _batches(source, jsonl):
            judged = iter(backend.analyse([text for text in texts if isinstance(text, str)]))
            lines = [encode(_classified(next(judged)) if isinstance(text, str) else text) for text in texts]
            unread += sum(isinstance(text, Unread) for text in texts)
            sys.stdout.buffer.write(b"\n".join([*lines, b""]))
            sys.stdout.buffer.flush()
    if unread:
        typer.echo(f"{unread} {'line' if unread == 1 else 'lines'} could not be read", err=True)
        raise typer.Exit(1)


def _opened(file: str) -> BinaryIO:
    if file == "-":
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}") from error


def _batches(source: BinaryIO, is_jsonl: bool) -> Iterator[list[str | Unread]]:
    numbered = enumerate(source, 1)
    while some := list(itertools.islice(numbered, _LINES_AT_ONCE)):
        yield [_text(line, number) if is_jsonl else _plain(line) for number, line in some]


def _plain(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", "replace")


def _text(line: bytes, number: int) -> str | Unread:
    if not line.strip():
        return ""
    try:
        return msgspec.json.decode(line, type=_Line).text or ""
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unread(number, str(error))


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
