"""What a judgement says beside its probabilities: label, score, aspects, complaint, urgency, whatever model judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.sentiment.interaction import aspects
from services.sentiment.interaction.features import HashedBatch, Positions
from services.sentiment.interaction.language import LANGUAGE_NAMES
from shared.contracts.enriched import AspectHit, Sentiment, SentimentLabel, Urgency

PARTS: Final = 10_000
"""Probabilities are whole ten-thousandths, so that they sum to 1 and print short."""
_SURE_COMPLAINT: Final = 6_000
_NEGATIVE, _NEUTRAL, _POSITIVE = range(3)
_LABELS: Final[tuple[SentimentLabel, ...]] = ("negative", "neutral", "positive")
_URGENCIES: Final[tuple[Urgency, ...]] = ("normal", "normal", "low")
_HIGH: Final[Urgency] = "high"
# A batch takes them from arrays.
_label_of, _urgency_of, _language_of = (np.array(names, np.object_) for names in (_LABELS, _URGENCIES, LANGUAGE_NAMES))

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


def judgement(model: str, parts: Parts, language: int, folded: str, cue_words: Sequence[tuple[int, str]]) -> Sentiment:
    """Return the judgement of one text; `folded` is the text as the hasher saw it, `cue_words` as in `TextSums`."""
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
    if not is_negative:
        return judged
    words = aspects.words_in(folded, cue_words)
    if not words:
        return judged
    told = aspects.told_by(words)
    return replace(judged, is_complaint=True, urgency=told.urgency, aspects=told.aspects)


def judgements(
    model: str, parts: NDArray[np.int64], languages: NDArray[np.int8], batch: HashedBatch, order: Positions
) -> list[Sentiment]:
    """Return the judgements of a batch of which text i is number `order[i]` in the answer; `parts` has a row each."""
    negative, neutral, positive = parts
    is_negative = (negative > neutral) & (negative >= positive)
    kinds = np.where(is_negative, _NEGATIVE, np.where(neutral >= positive, _NEUTRAL, _POSITIVE))
    told = aspects.told_of_batch(batch, is_negative)
    are_complaints = is_negative & (negative >= _SURE_COMPLAINT)
    are_complaints[told.texts] = True
    urgencies = _urgency_of.take(kinds)
    urgencies[told.urgent] = _HIGH
    # One list for all who have none: nobody changes it.
    hits: list[list[AspectHit]] = [[]] * len(batch)
    for text, some in told.aspects.items():
        hits[order.item(text)] = some
    place = np.argsort(order)
    columns = (
        _label_of.take(kinds.take(place)).tolist(),
        ((positive - negative).take(place) / PARTS).tolist(),
        *(parts.take(place, axis=1) / PARTS).tolist(),
        _language_of.take(languages.take(place)).tolist(),
        are_complaints.take(place).tolist(),
        urgencies.take(place).tolist(),
        hits,
        repeat(model),
    )
    return list(map(Sentiment, *columns))
