"""Everyday texts for training: posts, reviews, chats and dialogue of all registers, written for this project.

A public corpus is one source: its labels hang together with its topics, its lengths and its share of neutral texts.
These texts spread the same three labels over many domains, praise and blame without any word of feeling among them.
None is a probe or a held-out text of a public corpus; tests check both.
"""

from pathlib import Path
from typing import Final

from services.sentiment.training.corpus import LabelledText, read_written

_FOLDER: Final = Path(__file__).parent / "written" / "everyday"
ENGLISH: Final = "everyday.en"
SOURCES: Final = (ENGLISH, "everyday.zh")


def everyday_texts() -> list[LabelledText]:
    """Return the texts, the same in the same order every time."""
    return read_written(_FOLDER)
