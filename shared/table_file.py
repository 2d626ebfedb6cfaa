"""CSV as companies export it: compressed or not, in the encodings and with the separators of spreadsheets."""

import gzip
import io
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

# What reading raises of a file that is compressed and cut off, damaged, or no gzip at all.
DAMAGED: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
_CHUNK = 1 << 20


def decompressed(raw: IO[bytes]) -> IO[bytes]:
    """Return the content of a file that may be gzip, whatever its name."""
    magic = raw.read(2)
    raw.seek(0)
    return cast("IO[bytes]", gzip.open(raw)) if magic == b"\x1f\x8b" else raw


def delimiter_of(head: str) -> str:
    """Return the separator of a head line: comma, semicolon or tab."""
    return max(",;\t", key=head.count)


def encoding_of(path: Path) -> str:
    """Return UTF-8 with or without BOM, UTF-16 where its BOM says so, else GB 18030, by reading the whole file.

    Raises UnicodeDecodeError when it is no text in any of them, and DAMAGED.
    """
    with path.open("rb") as raw, decompressed(raw) as plain:
        is_utf_16 = plain.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
    if is_utf_16:
        return "utf-16"
    try:
        _read_through(path, "utf-8-sig")
    except UnicodeDecodeError:
        _read_through(path, "gb18030")
        return "gb18030"
    return "utf-8-sig"


@contextmanager
def open_text(path: Path, encoding: str, errors: str = "strict") -> Iterator[IO[str]]:
    """Open a file as text with its line ends kept."""
    with path.open("rb") as raw, decompressed(raw) as plain:
        yield io.TextIOWrapper(plain, encoding, errors, newline="")


def _read_through(path: Path, encoding: str) -> None:
    with open_text(path, encoding) as text:
        while text.read(_CHUNK):
            pass
