"""The enriched event: what sentiment and engagement add. Version 1 of `interactions.enriched` and of `engagement`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.event import Channel, Event, Identifier, Instant

SentimentLabel = Literal["negative", "neutral", "positive"]
TextLanguage = Literal["zh", "en", "other"]
Aspect = Literal["quality", "function", "price", "logistics", "after_sales", "attitude", "waiting", "billing"]
Urgency = Literal["low", "normal", "high"]
ASPECT_NAMES: tuple[Aspect, ...] = (
    "quality",
    "function",
    "price",
    "logistics",
    "after_sales",
    "attitude",
    "waiting",
    "billing",
)

Probability = Annotated[float, Meta(ge=0, le=1)]


class AspectHit(Struct, frozen=True, gc=False):
    """An aspect a negative text is about, and the words that decided."""

    aspect: Aspect
    words: list[str]


class Sentiment(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a text sounds. `score` is p_positive − p_negative, −1..1; probabilities are calibrated and sum to 1."""

    label: SentimentLabel
    score: Annotated[float, Meta(ge=-1, le=1)]
    p_negative: Probability
    p_neutral: Probability
    p_positive: Probability
    language: TextLanguage
    is_complaint: bool = False
    urgency: Urgency = "normal"
    aspects: list[AspectHit] = []
    model: str = ""


class WindowCounts(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Counts over the last 7, 30 and 90 days, the day of the newest event included."""

    d7: int = 0
    d30: int = 0
    d90: int = 0


class Engagement(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A customer's engagement as of `as_of`, this event included; derived from daily buckets over 90 days."""

    as_of: Instant
    first_contact_at: Instant | None = None
    last_contact_at: Instant | None = None
    inbound: WindowCounts = WindowCounts()
    outbound: WindowCounts = WindowCounts()
    complaints: WindowCounts = WindowCounts()
    by_channel: dict[Channel, WindowCounts] = {}
    complaints_by_aspect: dict[Aspect, WindowCounts] = {}
    sentiment_mean_30d: float | None = None
    sentiment_trend: float | None = None
    longest_silence_days: float = 0.0
    median_response_s: float | None = None


class Origin(Struct, frozen=True, gc=False):
    """Where in `interactions` the event stands."""

    partition: int
    offset: int


class EnrichedEvent(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type", tag="event.enriched"
):
    """The event with what was made of it.

    `linked_id` is whose history it adds to where that is not the customer's own: the id it would have without links.
    """

    event: Event
    engagement: Engagement
    origin: Origin
    sentiment: Sentiment | None = None
    linked_id: Identifier | None = None
