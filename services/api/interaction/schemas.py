"""The JSON of agents' corrections of sentiment, and of its reasons, over HTTP."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.enriched import Aspect, Sentiment, SentimentLabel


class LabelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What the text really says, in the eyes of somebody who read it."""

    label: SentimentLabel
    aspects: Annotated[list[Aspect], Meta(max_length=8)] = []
    is_complaint: bool | None = None


class LabelView(Struct, frozen=True, kw_only=True):
    source: str
    event_id: str
    customer_id: str
    label: SentimentLabel
    aspects: list[Aspect]
    is_complaint: bool | None
    labelled_by: str
    labelled_at: datetime


class LabelledText(LabelView, frozen=True, kw_only=True):
    """One line of the export, as `pulseline sentiment train` reads it."""

    text: str
    language: str | None
    model_label: SentimentLabel | None


class ExplainBody(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=100_000)]
    top: Annotated[int, Meta(ge=1, le=100, description="Reasons wanted, strongest first.")] = 12


class Reason(Struct, frozen=True):
    """A piece of the text and what it moved, in logits: towards positive, towards neutral; below 0 away from it."""

    piece: str
    polarity: float
    neutrality: float


class Explanation(Struct, frozen=True, kw_only=True):
    """The judgement by the model in use now, and the pieces of the text that moved it most, strongest first."""

    sentiment: Sentiment
    reasons: list[Reason]
