"""The fitted model as one file: weights of two heads by bucket, biases by language, the character table, and codec.

Heads: polarity (positive against negative) and neutrality. A head's logit is scale * sum(weights) / sqrt(count) + bias,
times a warmth by count that `score` knows; turned n-grams' polarity counts as `PARTS_BY_TURN` says.
"""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.characters import N_CODE_POINTS
from services.sentiment.interaction.features import N_BUCKETS
from shared.errors import Stop

ARTEFACT_VERSION: Final = 2
"""Version 1 was fitted without turning what negations reach, so that its weights would be misread."""
SHIPPED_ARTEFACT: Final = Path(__file__).parent / "artefact" / "model.bin"
POLARITY, NEUTRALITY = 0, 1
POLARITY_PARTS: Final = 2
PARTS_BY_TURN: Final = (POLARITY_PARTS, -1, -2)
"""Sums of polarity are whole numbers of halves: what a weight counts that is not turned, of a turned word, of turned
Han characters. Source: search of 2026-11-29, docs/sentiment.md."""


class ModelError(Stop):
    """The artefact is not one this version can read; the process cannot score and must end."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    name: str
    n_buckets: int
    scales: tuple[float, float]
    biases: list[tuple[float, float]]
    characters: bytes
    weights: bytes


@dataclass(frozen=True, slots=True)
class LinearModel:
    """`weights` has shape (2, N_BUCKETS) int8; `biases` has one row a language in the order zh, en, other.

    `name` is the fingerprint that every scored text carries.
    """

    name: str
    weights: NDArray[np.int8]
    scales: tuple[float, float]
    biases: NDArray[np.float64]
    characters: NDArray[np.uint32]


def dump_model(model: LinearModel) -> bytes:
    """Return the artefact; equal models give equal bytes."""
    stored = _Stored(
        version=ARTEFACT_VERSION,
        name=model.name,
        n_buckets=N_BUCKETS,
        scales=model.scales,
        biases=[(float(row[0]), float(row[1])) for row in model.biases],
        characters=zlib.compress(model.characters.astype("<u4").tobytes(), 6),
        weights=zlib.compress(np.ascontiguousarray(model.weights).tobytes(), 6),
    )
    return msgspec.msgpack.encode(stored)


def parse_model(raw: bytes) -> LinearModel:
    """Return the model in an artefact. Raises ModelError."""
    try:
        stored = msgspec.msgpack.decode(raw, type=_Stored)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"not a sentiment model: {error}") from error
    if stored.version != ARTEFACT_VERSION or stored.n_buckets != N_BUCKETS:
        raise ModelError(
            f"sentiment model of version {stored.version} with {stored.n_buckets} buckets;"
            f" this release reads version {ARTEFACT_VERSION} with {N_BUCKETS}: train it again with"
            " `pulseline sentiment train`"
        )
    try:
        characters = np.frombuffer(zlib.decompress(stored.characters), "<u4").astype(np.uint32)
        weights = np.frombuffer(zlib.decompress(stored.weights), np.int8).reshape(2, N_BUCKETS)
    except (zlib.error, ValueError) as error:
        raise ModelError(f"damaged sentiment model: {error}") from error
    if characters.shape != (N_CODE_POINTS,):
        raise ModelError(f"damaged sentiment model: character table of {len(characters)}")
    return LinearModel(stored.name, weights, stored.scales, np.array(stored.biases, np.float64), characters)


def load_model(path: Path = SHIPPED_ARTEFACT) -> LinearModel:
    """Return the model in a file. Raises ModelError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the sentiment model: {error}") from error
    return parse_model(raw)


def fingerprint(weights: NDArray[np.int8], biases: NDArray[np.float64]) -> str:
    """Return a name for a model made from its content, so that equal models have equal names."""
    digest = hashlib.blake2b(np.ascontiguousarray(weights).tobytes(), digest_size=6)
    digest.update(np.ascontiguousarray(biases).tobytes())
    return f"linear-{digest.hexdigest()}"
