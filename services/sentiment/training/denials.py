"""Texts for training in which something is denied: praise by faults that are not there, complaints by what is missing.

Public corpora have few of them, so that "doesn't leak" was read as a leak. Written for this project; none is a probe or
a held-out text of a public corpus; tests check both.
"""

from pathlib import Path
from typing import Final

from services.sentiment.training.corpus import LabelledText, read_written

_FOLDER: Final = Path(__file__).parent / "written" / "denials"
ENGLISH: Final = "denials.en"
SOURCES: Final = (ENGLISH, "denials.zh")


def denial_texts() -> list[LabelledText]:
    """Return the texts, the same in the same order every time."""
    return read_written(_FOLDER)
