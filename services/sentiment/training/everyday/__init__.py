"""Everyday sentences without labels: words of ordinary life, of which only the teacher says what they feel like.

The corpora are reviews, posts and dialogues; customers write of other things too. Source and licence: NOTICE.md.
"""

import gzip
from pathlib import Path
from typing import Final

from services.sentiment.training.corpus import UNLABELLED, LabelledText

EVERYDAY_EN, EVERYDAY_ZH = SOURCES = ("everyday.en", "everyday.zh")
_FILES: Final = {EVERYDAY_EN: "en.tsv.gz", EVERYDAY_ZH: "zh.tsv.gz"}


def everyday_texts() -> list[LabelledText]:
    """Return all sentences in the order of the files."""
    return [
        LabelledText(line.partition("\t")[2], UNLABELLED, source)
        for source, name in _FILES.items()
        for line in gzip.decompress((Path(__file__).parent / name).read_bytes()).decode().splitlines()
    ]
