"""What a judgement says beside its probabilities: label, score, aspects, complaint, urgency, whatever model judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction import aspects
from services.sentiment.interaction.features import HashedBatch
from services.sentiment.interaction.language import LANGUAGE_NAMES
from shared.contracts.enriched import Sentiment

PARTS: Final = 10_000
"""Probabilities are whole ten-thousandths, so that they sum to 1 and print short."""
_SURE_COMPLAINT: Final = 6_000

Parts = tuple[int, int, int]
"""Negative, neutral and positive; their sum is `PARTS`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A piece of a text and what it moved: positive `polarity` speaks for positive, `neutrality` for neutral.

    Units: logits.
    """

    piece: str
    polarity: float
    neutrality: float


def judgement(model: str, parts: Parts, language: int, folded: str) -> Sentiment:
    """Return the judgement of one text; `folded` is the text as the hasher saw it."""
    negative, neutral, positive = parts
    is_negative = negative > neutral and negative >= positive
    cues = aspects.find_cues(folded, aspects.starts_in(folded)) if is_negative else None
    return _sentiment(model, negative, neutral, positive, language, cues)


def judgements(
    model: str, parts: NDArray[np.int64], languages: NDArray[np.int8], batch: HashedBatch
) -> list[Sentiment]:
    """Return the judgements of a batch; `parts` has shape (texts, 3)."""
    cues = _cues(batch, (parts[:, 0] > parts[:, 1]) & (parts[:, 0] >= parts[:, 2]))
    return [
        _sentiment(model, negative, neutral, positive, language, found)
        for (negative, neutral, positive), language, found in zip(parts.tolist(), languages.tolist(), cues, strict=True)
    ]


def _cues(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> Sequence[dict[aspects.Cue, list[str]] | None]:
    """Return the cues of the wanted texts, None for the others."""
    cues: list[dict[aspects.Cue, list[str]] | None] = [None] * len(batch)
    folded = batch.folded()
    wanted = np.flatnonzero(is_wanted).tolist()
    for text, starts in zip(wanted, aspects.possible_starts(batch, is_wanted), strict=True):
        cues[text] = aspects.find_cues(folded, starts)
    return cues


def _sentiment(
    model: str,
    negative: int,
    neutral: int,
    positive: int,
    language: int,
    cues: Mapping[aspects.Cue, list[str]] | None,
) -> Sentiment:
    """Return the judgement; `cues` are those of a negative text, None for any other."""
    if cues is None:
        is_neutral = neutral >= positive
        return Sentiment(
            label="neutral" if is_neutral else "positive",
            score=(positive - negative) / PARTS,
            p_negative=negative / PARTS,
            p_neutral=neutral / PARTS,
            p_positive=positive / PARTS,
            language=LANGUAGE_NAMES[language],
            urgency="normal" if is_neutral else "low",
            model=model,
        )
    return Sentiment(
        label="negative",
        score=(positive - negative) / PARTS,
        p_negative=negative / PARTS,
        p_neutral=neutral / PARTS,
        p_positive=positive / PARTS,
        language=LANGUAGE_NAMES[language],
        is_complaint=bool(cues) or negative >= _SURE_COMPLAINT,
        urgency="high" if aspects.URGENT in cues else "normal",
        aspects=aspects.aspect_hits(cues) if cues else [],
        model=model,
    )
