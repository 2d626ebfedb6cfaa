"""What judges texts: the seam behind which the model that ships, or another, stands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from services.sentiment.interaction.judgement import Reason
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.onnx_backend import OnnxBackend
from services.sentiment.interaction.score import Scorer
from shared.contracts.enriched import Sentiment


class Backend(Protocol):
    """Judges texts, many at once; the same text gets the same judgement in any company."""

    name: str

    def analyse(self, texts: Sequence[str]) -> list[Sentiment]: ...

    def explain(self, text: str, top: int = 12) -> list[Reason]: ...


def load_backend(path: Path | None = None) -> Backend:
    """Return the backend for a model file: .onnx, or a linear model; without a file, the one that ships.

    Raises ModelError when the file is not a model or lacks what it needs.
    """
    if path is not None and path.suffix == ".onnx":
        return OnnxBackend(path)
    return Scorer.load(path or SHIPPED_ARTEFACT)
