"""Texts for training in which something is denied: praise by faults that are not there, complaints by what is missing.

Public corpora have few of them, so that "doesn't leak" was read as a leak. Written for this project; none is a probe or
a held-out text of a public corpus; tests check both.
"""

from pathlib import Path
from typing import Final

from services.sentiment.training.corpus import LABELS, LabelledText

_FOLDER: Final = Path(__file__).parent / "written" / "denials"
"""Files named `<language>.<label>.txt`, a text a line."""
SOURCES: Final = ("denials.en", "denials.zh")


def denial_texts() -> list[LabelledText]:
    """Return the texts, the same in the same order every time."""
    return [
        LabelledText(text, label, source)
        for source in SOURCES
        for label, name in enumerate(LABELS)
        for text in (_FOLDER / f"{source.rpartition('.')[2]}.{name}.txt").read_text(encoding="utf-8").splitlines()
    ]
