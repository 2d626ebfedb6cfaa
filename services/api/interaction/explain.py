"""Why the sentiment model judges a text as it does: the model itself, asked in this process; ADR 0021."""

import threading
from pathlib import Path

from services.api.interaction.schemas import Explanation, Reason
from services.sentiment.interaction.backend import Backend, load_backend


class Explainer:
    """Explains with one model, read when first asked; one question at a time, since single texts share a memory."""

    def __init__(self, model: Path | None) -> None:
        self._model = model
        self._backend: Backend | None = None
        self._asked = threading.Lock()

    def explain(self, text: str, top: int) -> Explanation:
        """Return the judgement with its strongest reasons. Raises PulselineError when the model cannot be read."""
        with self._asked:
            if self._backend is None:
                self._backend = load_backend(self._model)
            (judged,) = self._backend.analyse([text])
            reasons = self._backend.explain(text, top)
        return Explanation(
            sentiment=judged,
            reasons=[Reason(reason.piece, reason.polarity, reason.neutrality) for reason in reasons],
        )
