"""What a judgement says beside its probabilities: label, score, aspects, complaint, urgency, whatever model judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.sentiment.interaction import aspects
from services.sentiment.interaction.features import HashedBatch
from services.sentiment.interaction.language import LANGUAGE_NAMES
from shared.contracts.enriched import AspectHit, Sentiment, SentimentLabel, Urgency

PARTS: Final = 10_000
"""Probabilities are whole ten-thousandths, so that they sum to 1 and print short."""
_SURE_COMPLAINT: Final = 6_000
_NEGATIVE, _NEUTRAL, _POSITIVE = range(3)
_LABELS: Final[tuple[SentimentLabel, ...]] = ("negative", "neutral", "positive")
_URGENCIES: Final[tuple[Urgency, ...]] = ("normal", "normal", "low")

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


def judgement(model: str, parts: Parts, language: int, folded: str, cue_starts: Sequence[int]) -> Sentiment:
    """Return the judgement of one text; `folded` is the text as the hasher saw it, `cue_starts` as in `TextSums`."""
    negative, neutral, positive = parts
    is_negative = negative > neutral and negative >= positive
    kind = _NEGATIVE if is_negative else _NEUTRAL if neutral >= positive else _POSITIVE
    judged = Sentiment(
        label=_LABELS[kind],
        score=(positive - negative) / PARTS,
        p_negative=negative / PARTS,
        p_neutral=neutral / PARTS,
        p_positive=positive / PARTS,
        language=LANGUAGE_NAMES[language],
        is_complaint=is_negative and negative >= _SURE_COMPLAINT,
        urgency=_URGENCIES[kind],
        model=model,
    )
    cues = aspects.find_cues(folded, aspects.starts_in(folded, cue_starts)) if is_negative else None
    return _with_cues(judged, cues) if cues else judged


def judgements(
    model: str, parts: NDArray[np.int64], languages: NDArray[np.int8], batch: HashedBatch
) -> list[Sentiment]:
    """Return the judgements of a batch; `parts` has shape (texts, 3)."""
    negative, neutral, positive = parts.T
    is_negative = (negative > neutral) & (negative >= positive)
    kinds = np.where(is_negative, _NEGATIVE, np.where(neutral >= positive, _NEUTRAL, _POSITIVE))
    p_negative, p_neutral, p_positive = (parts.T / PARTS).tolist()
    scores = ((positive - negative) / PARTS).tolist()
    are_complaints = (is_negative & (negative >= _SURE_COMPLAINT)).tolist()
    kinds_list = kinds.tolist()
    urgencies = [_URGENCIES[kind] for kind in kinds_list]
    # One list for all who have none: nobody changes it.
    hits: list[list[AspectHit]] = [[]] * len(kinds_list)
    for text, cues in _cues(batch, is_negative):
        are_complaints[text], urgencies[text] = True, _urgency(cues)
        hits[text] = aspects.aspect_hits(cues)
    return [
        Sentiment(
            label=_LABELS[kind],
            score=score,
            p_negative=of_negative,
            p_neutral=of_neutral,
            p_positive=of_positive,
            language=LANGUAGE_NAMES[language],
            aspects=of_text,
            is_complaint=is_complaint,
            urgency=urgency,
            model=model,
        )
        for kind, score, of_negative, of_neutral, of_positive, language, of_text, is_complaint, urgency in zip(
            kinds_list,
            scores,
            p_negative,
            p_neutral,
            p_positive,
            languages.tolist(),
            hits,
            are_complaints,
            urgencies,
            strict=True,
        )
    ]


def _cues(batch: HashedBatch, is_wanted: NDArray[np.bool_]) -> Iterator[tuple[int, dict[aspects.Cue, list[str]]]]:
    """Yield those of the wanted texts that have cues, and these."""
    folded = batch.folded()
    for text, starts in aspects.possible_starts(batch, is_wanted):
        if cues := aspects.find_cues(folded, starts):
            yield text, cues


def _with_cues(judged: Sentiment, cues: Mapping[aspects.Cue, list[str]]) -> Sentiment:
    """Return the judgement of a negative text that has cues."""
    return replace(
        judged,
        is_complaint=True,
        urgency=_urgency(cues),
        aspects=aspects.aspect_hits(cues),
    )


def _urgency(cues: Mapping[aspects.Cue, list[str]]) -> Urgency:
    """Return how urgent a negative text with these cues is."""
    return "high" if aspects.URGENT in cues else "normal"
