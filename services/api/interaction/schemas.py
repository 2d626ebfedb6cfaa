"""The JSON of agents' corrections of sentiment over HTTP."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.enriched import Aspect, SentimentLabel


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
