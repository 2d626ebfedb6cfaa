"""What the teachers knew, made once with heavy tools and kept as two small files beside this module.

Soft labels: the teacher's two logits for every training text and clause. Word prior: weights of words, from vectors
and a lexicon.
`python -m services.sentiment.training.teacher` makes them; training reads them, so it needs numpy alone. The same
program makes a pair for every source left out, by teachers that never saw a label of it.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_LOGIT_STEPS: Final = 16
"""A soft label is a logit in sixteenths, so it fits a byte."""


@dataclass(frozen=True, slots=True)
class TeacherFiles:
    """Where one teacher's soft labels and word prior lie."""

    soft_labels: Path
    word_prior: Path


_FOLDER: Final = Path(__file__).parent / "teacher"
SHIPPED: Final = TeacherFiles(_FOLDER / "soft_labels.bin", _FOLDER / "word_prior.bin")


def files_without(source: str, folder: Path) -> TeacherFiles:
    """Return the files in a folder that a teacher made which never saw a label of the source."""
    return TeacherFiles(folder / f"soft_labels.{source}.bin", folder / f"word_prior.{source}.bin")


class _StoredLabels(msgspec.Struct, frozen=True):
    fingerprint: str
    logits: bytes


class _StoredPrior(msgspec.Struct, frozen=True):
    buckets: bytes
    weights: bytes
    scale: float
    biases: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class WordPrior:
    """`weights[i]` are the two heads' weights of `buckets[i]`; `biases` has the rows not zh, zh."""

    buckets: NDArray[np.int64]
    weights: NDArray[np.float32]
    biases: NDArray[np.float64]

    def table(self, n_buckets: int) -> NDArray[np.float32]:
        """Return the prior as a full table of shape (n_buckets, 2)."""
        table = np.zeros((n_buckets, 2), np.float32)
        table[self.buckets] = self.weights
        return table


NO_WORDS: Final = WordPrior(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), np.zeros((2, 2)))
"""What a model begins with that no teacher had a part in."""


def dump_soft_labels(fingerprint: str, logits: NDArray[np.float32]) -> bytes:
    """Return the file for teacher logits of shape (texts, 2), made for rows with this fingerprint."""
    steps = np.clip(np.rint(logits * _LOGIT_STEPS), -127, 127).astype(np.int8)
    packed = zlib.compress(np.ascontiguousarray(steps.T).tobytes(), 9)
    return msgspec.msgpack.encode(_StoredLabels(fingerprint, packed))


def parse_soft_labels(raw: bytes, fingerprint: str) -> NDArray[np.float32] | None:
    """Return the teacher's probabilities, shape (texts, 2), or None when they were made for other rows."""
    stored = msgspec.msgpack.decode(raw, type=_StoredLabels)
    if stored.fingerprint != fingerprint:
        return None
    steps = np.frombuffer(zlib.decompress(stored.logits), np.int8).reshape(2, -1).T
    return (1 / (1 + np.exp(-steps.astype(np.float32) / _LOGIT_STEPS))).astype(np.float32)


def dump_word_prior(prior: WordPrior) -> bytes:
    """Return the file for a word prior; weights keep a precision of one part in 127 of the largest."""
    scale = float(np.abs(prior.weights).max()) / 127
    order = np.argsort(prior.buckets)
    gaps = np.diff(prior.buckets[order], prepend=0).astype("<u4")
    stored = _StoredPrior(
        buckets=zlib.compress(gaps.tobytes(), 9),
        weights=zlib.compress(np.rint(prior.weights[order] / scale).astype(np.int8).T.tobytes(), 9),
        scale=scale,
        biases=[(float(row[0]), float(row[1])) for row in prior.biases],
    )
    return msgspec.msgpack.encode(stored)


def parse_word_prior(raw: bytes) -> WordPrior:
    """Return the word prior in a file."""
    stored = msgspec.msgpack.decode(raw, type=_StoredPrior)
    gaps = np.frombuffer(zlib.decompress(stored.buckets), "<u4")
    weights = np.frombuffer(zlib.decompress(stored.weights), np.int8).reshape(2, -1).T
    return WordPrior(
        buckets=np.cumsum(gaps, dtype=np.int64),
        weights=weights.astype(np.float32) * np.float32(stored.scale),
        biases=np.array(stored.biases),
    )
