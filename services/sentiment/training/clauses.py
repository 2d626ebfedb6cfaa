"""Clauses of the training texts: short texts without labels, from which the teacher alone is learned.

A long review says several things under one label; a clause says one, as a support message does.
"""

import random
import re
from collections.abc import Sequence
from typing import Final

from services.sentiment.training.corpus import CORPORA, ENGLISH_CORPORA, UNLABELLED, LabelledText

_BETWEEN: Final = re.compile(r"[。！？!?；;\n…]+|(?<=[a-zA-Z])[.](?=\s)|[，,]\s*| - |(?<=\w)\s+but\s+")
_MOST: Final = {
    "vader_tweets": 3_000,
    "semeval": 16_000,
    "sst": 9_000,
    "cr": 3_000,
    "shopping10": 16_000,
    "hotel": 12_000,
    "ewect": 8_000,
    "cped": 3_000,
    "weibo": 1_000,
}
_SEED: Final = 5
_FEWEST_HAN, _MOST_HAN = 4, 30
"""Length of a clause in Chinese characters; three Latin letters count as one."""


def clauses_of(rows: Sequence[LabelledText]) -> list[LabelledText]:
    """Return a sample of clauses, the same for the same rows; each has its text's source and no label."""
    chance = random.Random(_SEED)  # noqa: S311  # a fixed sample, not a secret
    met: set[str] = set()
    sample: list[LabelledText] = []
    for source in CORPORA:
        per_han = 3 if source in ENGLISH_CORPORA else 1
        found: list[str] = []
        for row in rows:
            if row.source == source:
                found += _new_clauses(row.text, per_han, met)
        chance.shuffle(found)
        sample += [LabelledText(text, UNLABELLED, source) for text in found[: _MOST[source]]]
    # Half of them bounds the time the teacher needs; they are in random order within a source.
    return sample[::2]


def _new_clauses(text: str, per_han: int, met: set[str]) -> list[str]:
    parts = [part.strip() for part in _BETWEEN.split(text) if part and part.strip()]
    if len(parts) < 2:
        return []
    found = []
    for part in parts:
        if _FEWEST_HAN <= len(part) / per_han <= _MOST_HAN and part not in met:
            met.add(part)
            found.append(part)
    return found
