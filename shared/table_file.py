"""CSV as companies export it: compressed or not, in the encodings and with the separators of spreadsheets."""

import csv
import gzip
import io
import re
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, cast

# What reading raises of a file that is compressed and cut off, damaged, or no gzip at all.
DAMAGED: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
_CHUNK = 1 << 20
_ASCII = re.compile("[\0-\x7f]+")
# Of letters that are not ASCII, so many at least are everyday ones where a file is GB 18030: .94 of a simplified text,
# .76 of rare given names, .61 of a traditional text; of a traditional text in Big5 read as GB 18030 .40, and of German,
# French and Spanish words in Windows-1252 none to a half (2026-11-29).
_LEAST_EVERYDAY_RATIO = 0.51
_OTHER_FORMATS = (
    (re.compile(rb"PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|docProps/|xl/)", re.DOTALL), "an Excel workbook"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", re.DOTALL), "an OpenDocument file"),
    (re.compile(rb"PK(?:\x03\x04|\x05\x06)"), "a ZIP archive"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an Excel workbook"),
    (re.compile(rb"PAR1"), "a Parquet file"),
    # A head may begin with [customer_id], as SQL Server quotes names.
    (re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*[]{["\d])'), "JSON"),
)
_REMEDIES = {"a ZIP archive": "unpack it and give the CSV file in it"}
_END = "\0end"


class UnknownEncoding(UnicodeError):
    """A file is no text we can be sure of; the message says in which line, and what to do."""


class NoTable(Exception):
    """A file is in a format that is not CSV, or cannot be read twice; the message says which, and what to do."""


def decompressed(raw: IO[bytes]) -> IO[bytes]:
    """Return the content of a file that may be gzip, whatever its name."""
    magic = raw.read(2)
    raw.seek(0)
    return cast("IO[bytes]", gzip.open(raw)) if magic == b"\x1f\x8b" else raw


@dataclass(frozen=True, slots=True)
class Head:
    """The names of a table's columns as they stand, and how many lines of the file they took."""

    names: list[str]
    delimiter: str
    n_lines: int


def read_head(text: IO[str]) -> Head:
    """Read the first line that is not empty; before it spreadsheets may say the separator: sep=;"""
    n_lines, delimiter = 0, None
    for line in iter(text.readline, ""):
        n_lines += 1
        content = line.rstrip("\r\n")
        said = content.strip('"').lower()
        if said.startswith("sep=") and len(said) == len("sep=;"):
            delimiter = said[-1]
        elif content.strip():
            mark = delimiter or delimiter_of(content)
            return Head(next(csv.reader([content], delimiter=mark)), mark, n_lines)
    return Head([], delimiter or ",", n_lines)


def rows_of(text: IO[str], head: Head) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below a head, each with the line of the file it ends in; empty lines are empty rows.

    Raises csv.Error where a quote opens that does not close: what follows it would be one long value.
    """
    is_over = False

    def end() -> Iterator[str]:
        nonlocal is_over
        is_over = True
        yield _END

    rows = csv.reader(chain(text, end()), delimiter=head.delimiter)
    line = head.n_lines
    try:
        for row in rows:
            if is_over:
                break
            line = head.n_lines + rows.line_num
            yield line, row
    except csv.Error as error:
        if head.n_lines + rows.line_num - line > 1:
            most = f"{csv.field_size_limit():,} characters"
            told = f"the row that begins on line {line + 1} opens a quote that does not close within {most}"
            raise csv.Error(f"{told}; close it") from error
        raise csv.Error(f"{error}, on line {line + 1}") from error
    # A quote still open swallows the end as well; elsewhere the end is a row of its own.
    if row != [_END]:
        row[-1] = row[-1].removesuffix(_END)
        last = head.n_lines + rows.line_num - 1
        n_swallowed = sum(1 for _ in io.StringIO(row[-1], newline="")) - 1
        if n_swallowed > 0:
            raise csv.Error(
                f"the quote that opens on line {last - n_swallowed} never closes, so that the rest of the file is "
                'one value; close it, or write a quote inside a value twice: ""'
            )
        yield last, row


def delimiter_of(head: str) -> str:
    """Return the separator of a head line: comma, semicolon, tab or bar."""
    return max(",;\t|", key=head.count)


def utf_16_of(beginning: bytes) -> str | None:
    """Return the UTF-16 a file begins in, with a BOM or with a plain letter; None where it does not."""
    if beginning[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        return "utf-16"
    if beginning[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if beginning[:1] == b"\0" else None


def beginning_of(path: Path) -> bytes:
    """Return the first bytes of what may be a table. Raises `NoTable` when they show that it is none, and DAMAGED."""
    with path.open("rb") as raw:
        if not raw.seekable():
            raise NoTable(f"{path} can be read only once, and is needed twice: write it to a file first")
        with decompressed(raw) as plain:
            beginning = plain.read(128)
    for pattern, name in _OTHER_FORMATS:
        if pattern.match(beginning):
            raise NoTable(f"{path.name} is {name}, not CSV: {_REMEDIES.get(name, 'export it as CSV')}")
    return beginning


def encoding_of(path: Path) -> str:
    """Return UTF-8 with or without BOM, UTF-16 where it begins so, else GB 18030, by reading the whole file.

    Raises `UnknownEncoding` when it is no text in any of them, `NoTable` when it begins as another format,
    UnicodeDecodeError for UTF-16 cut off, and DAMAGED.
    """
    utf_16 = utf_16_of(beginning_of(path))
    if utf_16 is not None:
        return utf_16
    try:
        _read_through(path, "utf-8-sig")
    except UnicodeDecodeError:
        check_gb18030(path)
        return "gb18030"
    return "utf-8-sig"


def check_gb18030(path: Path) -> None:
    """Return when a file that is not UTF-8 reads as GB 18030, and not only because nearly any bytes do.

    Raises `UnknownEncoding`: Windows-1252, Big5 and others would be taken for Chinese that nobody writes.
    """
    n_letters = n_everyday = 0
    try:
        with open_text(path, "gb18030") as text:
            while chunk := text.read(_CHUNK):
                letters = _ASCII.sub("", chunk)
                n_letters += len(letters)
                # GB 2312 is the everyday part, two bytes a letter.
                n_everyday += len(letters.encode("gb2312", "ignore")) // 2
    except UnicodeDecodeError as error:
        raise _unknown(path) from error
    if n_everyday < _LEAST_EVERYDAY_RATIO * n_letters:
        raise _unknown(path)


@contextmanager
def open_text(path: Path, encoding: str, errors: str = "strict") -> Iterator[IO[str]]:
    """Open a file as text with its line ends kept."""
    with path.open("rb") as raw, decompressed(raw) as plain:
        yield io.TextIOWrapper(plain, encoding, errors, newline="")


def _read_through(path: Path, encoding: str) -> None:
    with open_text(path, encoding) as text:
        while text.read(_CHUNK):
            pass


def _unknown(path: Path) -> UnknownEncoding:
    with path.open("rb") as raw, decompressed(raw) as plain:
        for number, line in enumerate(plain, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                around = line[max(0, error.start - 20) : error.start + 20].strip().decode("cp1252", "replace")
                return UnknownEncoding(
                    f"{path.name} is no text in UTF-8, UTF-16 or GB 18030; line {number} is the first that is not, and "
                    f"reads {around!r} as Windows-1252. Save it as CSV UTF-8"
                )
    return UnknownEncoding(f"{path.name} is no text in UTF-8, UTF-16 or GB 18030; save it as CSV UTF-8")
