"""Labelled texts for training and evaluation: public corpora, a company's own rows, and corrections by agents."""

import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from shared.errors import Reject

Label = Literal["negative", "neutral", "positive"]
LABELS: Final[tuple[Label, ...]] = ("negative", "neutral", "positive")
NEGATIVE, NEUTRAL, POSITIVE = range(3)
UNLABELLED: Final = -1
"""The label of a text that only the teacher has judged."""
_SPELLINGS: Final[dict[str, int]] = {
    "neg": NEGATIVE,
    "neu": NEUTRAL,
    "pos": POSITIVE,
    "negative": NEGATIVE,
    "neutral": NEUTRAL,
    "positive": POSITIVE,
}

CORPORA: Final = ("vader_tweets", "semeval", "sst", "cr", "shopping10", "hotel", "ewect", "cped", "weibo")
ENGLISH_CORPORA: Final = frozenset(("vader_tweets", "semeval", "sst", "cr"))


@dataclass(frozen=True, slots=True)
class LabelledText:
    """`source` names where the text came from; accuracy is reported by source."""

    text: str
    label: int
    source: str


class _Row(msgspec.Struct):
    text: str
    label: str
    source: str = "own"


def read_corpus(folder: Path, name: str, part: str) -> list[LabelledText]:
    """Return the rows of `<name>.<part>.tsv.gz` (text, label, source), each with `name` as its source."""
    rows: list[LabelledText] = []
    with gzip.open(folder / f"{name}.{part}.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            text, label, _ = line.rstrip("\n").rsplit("\t", 2)
            rows.append(LabelledText(text, _SPELLINGS[label], name))
    return rows


def read_corpora(folder: Path, part: str) -> list[LabelledText]:
    """Return all nine public corpora's rows of one part, in the fixed order of `CORPORA`."""
    return [row for name in CORPORA for row in read_corpus(folder, name, part)]


def read_written(folder: Path) -> list[LabelledText]:
    """Return the texts of files named `<language>[.<domain>].<label>.txt`, a text a line, in the order of the names.

    Their source is the folder's name and the language: everyday.zh.
    """
    rows: list[LabelledText] = []
    for file in sorted(folder.glob("*.txt")):
        language, *_, label = file.stem.split(".")
        texts = file.read_text(encoding="utf-8").splitlines()
        rows += [LabelledText(text, _SPELLINGS[label], f"{folder.name}.{language}") for text in texts]
    return rows


def read_own(path: Path) -> list[LabelledText]:
    """Return a company's rows: .jsonl with text, label and source, or .csv / .tsv with a header naming them.

    The API's export of agents' corrections (`GET /v1/labels/export`) is such a .jsonl. Rows without text are left out.
    Labels are negative, neutral, positive or neg, neu, pos. Raises Reject naming the first bad line.
    """
    if path.suffix == ".jsonl":
        return [row for row in _read_json_lines(path.read_bytes().splitlines()) if row.text.strip()]
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
        return [row for row in _read_table(reader) if row.text.strip()]


def _read_json_lines(lines: Iterable[bytes]) -> Iterator[LabelledText]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise Reject(f"line {number}: {error}") from error
        yield _labelled(row.text, row.label, row.source, number)


def _read_table(rows: Iterable[dict[str, str | None]]) -> Iterator[LabelledText]:
    for number, row in enumerate(rows, 2):
        text, label = row.get("text"), row.get("label")
        if text is None or label is None:
            raise Reject(f"line {number}: a row needs the columns text and label")
        yield _labelled(text, label, row.get("source") or "own", number)


def _labelled(text: str, label: str, source: str, number: int) -> LabelledText:
    value = _SPELLINGS.get(label.strip().lower())
    if value is None:
        raise Reject(f"line {number}: label {label!r} is not one of {', '.join(_SPELLINGS)}")
    return LabelledText(text, value, source)


def fingerprint(rows: Iterable[LabelledText]) -> str:
    """Return a digest of texts, labels and order, so that files made for these rows can tell."""
    digest = hashlib.blake2b(digest_size=8)
    for row in rows:
        digest.update(f"{row.label}\t{row.source}\t{row.text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
