"""The JSON of customers over HTTP."""

from datetime import datetime
from typing import Any, Literal

from msgspec import Raw, Struct

from services.api.alert.schemas import AlertView
from services.api.identity.schemas import LinkView
from services.api.segment.model import RiskState
from shared.contracts.alert import Risk, Tier
from shared.contracts.enriched import Engagement, Sentiment, SentimentLabel

MatchKind = Literal["id", "handle", "profile", "text"]


class CustomerSummary(Struct, frozen=True, kw_only=True):
    """A customer in a line. `is_held_out`: nobody is to act on him, so that acting can be measured against not acting;
    null for who may not know.
    """

    customer_id: str
    name: str | None
    tier: Tier | None
    risk_state: RiskState
    p_churn: float | None
    expected_loss: float | None
    currency: str | None
    n_purchases: int
    first_seen_at: datetime
    last_seen_at: datetime
    last_purchase_at: datetime | None
    is_demo: bool
    is_held_out: bool | None


class CustomerHit(CustomerSummary, frozen=True, kw_only=True):
    """A customer in a list; `match` says how a search found it, `snippet` is the newest text that matched."""

    match: MatchKind | None
    snippet: str | None


class CustomerPage(Struct, frozen=True, kw_only=True):
    """`n_held_out`: how many more the list would have, had it those who are held out; null where it has, and on later
    pages.
    """

    items: list[CustomerSummary]
    next_cursor: str | None
    n_held_out: int | None


class CustomerHits(Struct, frozen=True, kw_only=True):
    items: list[CustomerHit]
    next_cursor: str | None


class OrderTotals(Struct, frozen=True, kw_only=True):
    """Exact sums, as decimal text, for one currency."""

    currency: str
    n_placed: int
    amount_placed: str
    n_returned: int
    amount_returned: str


class SentimentWeek(Struct, frozen=True, kw_only=True):
    """Inbound texts of one week, Monday first, UTC; `mean_score` runs from −1 to 1."""

    week_start: datetime
    n: int
    n_negative: int
    mean_score: float


class TimelineItem(Struct, frozen=True, kw_only=True):
    """One event. `event` is what was sent, without text and subject, which stand beside it."""

    id: str
    source: str
    type: str
    occurred_at: datetime
    received_at: datetime | None
    channel: str | None
    direction: str | None
    conversation_id: str | None
    actor_kind: str | None
    actor_id: str | None
    subject: str | None
    text: str | None
    language: str | None
    sentiment_label: SentimentLabel | None
    sentiment_score: float | None
    is_complaint: bool
    sentiment: Raw | None
    event: Raw


class TimelineItemView(TimelineItem, frozen=True, kw_only=True):
    """`TimelineItem` for the reference page, where stored JSON has its type."""

    sentiment: Sentiment | None  # type: ignore[assignment]  # the same JSON, with its type told
    event: dict[str, Any]  # type: ignore[assignment]  # the same JSON, with its type told


class TimelinePage(Struct, frozen=True, kw_only=True):
    """Newest first."""

    items: list[TimelineItem]
    next_cursor: str | None


class TimelinePageView(Struct, frozen=True, kw_only=True):
    """Newest first."""

    items: list[TimelineItemView]
    next_cursor: str | None


class CustomerView(CustomerSummary, frozen=True, kw_only=True):
    """Everything about one customer on one page; `timeline` is its newest page."""

    birthday: str | None
    consent: bool | None
    handles: list[str]
    engagement: Raw | None
    risk: Raw | None
    orders: list[OrderTotals]
    sentiment_by_week: list[SentimentWeek]
    open_alerts: list[AlertView]
    timeline: TimelinePage
    merged_from: list[str]
    links: list[LinkView]


class CustomerDetail(CustomerSummary, frozen=True, kw_only=True):
    """Everything about one customer on one page; `timeline` is its newest page."""

    birthday: str | None
    consent: bool | None
    handles: list[str]
    engagement: Engagement | None
    risk: Risk | None
    orders: list[OrderTotals]
    sentiment_by_week: list[SentimentWeek]
    open_alerts: list[AlertView]
    timeline: TimelinePageView
    merged_from: list[str]
    links: list[LinkView]
