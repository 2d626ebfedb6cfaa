"""Every topic, declared once: name, key, cleanup, retention, one writer role and its readers. Names take a prefix."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's declaration. `is_partitioned_by_customer` topics all have the same partition count."""

    name: str
    key: str
    schema: str
    cleanup: Literal["delete", "compact"]
    retention: timedelta | None
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    is_partitioned_by_customer: bool = True

    def full_name(self, prefix: str) -> str:
        return f"{prefix}{self.name}"


INTERACTIONS = Topic(
    "interactions",
    "customer id",
    "event/1",
    "delete",
    timedelta(days=7),
    ("ingest", "ticker", "sentiment", "api"),
    ("sentiment",),
)
ENRICHED = Topic(
    "interactions.enriched",
    "customer id",
    "enriched/1",
    "delete",
    timedelta(days=7),
    ("sentiment", "rules publisher", "churn_alerts"),
    ("churn_alerts", "api"),
)
ENGAGEMENT = Topic("engagement", "customer id", "engagement/1", "compact", None, ("sentiment",), ("sentiment",))
CHURN_STATE = Topic(
    "churn.state", "customer id", "churn-state/1", "compact", None, ("churn_alerts",), ("churn_alerts",)
)
CHURN_RISK = Topic("churn.risk", "customer id", "risk/1", "compact", None, ("churn_alerts",), ("api",))
CHURN_ALERTS = Topic(
    "churn.alerts", "customer id", "alert/1", "delete", timedelta(days=30), ("churn_alerts",), ("api",)
)
CHURN_MODELS = Topic(
    "churn.models",
    "model name",
    "control/1",
    "delete",
    timedelta(days=36_500),
    ("churn_alerts",),
    ("churn_alerts",),
    is_partitioned_by_customer=False,
)
IDENTITIES = Topic(
    "identities", "handle", "identity/1", "compact", None, ("sentiment",), ("ingest",), is_partitioned_by_customer=False
)
DEAD_LETTERS = Topic(
    "dead-letters",
    "original key",
    "dead-letter/1",
    "delete",
    timedelta(days=30),
    ("sentiment", "churn_alerts", "api"),
    ("api",),
    is_partitioned_by_customer=False,
)

TOPICS: tuple[Topic, ...] = (
    INTERACTIONS,
    ENRICHED,
    ENGAGEMENT,
    CHURN_STATE,
    CHURN_RISK,
    CHURN_ALERTS,
    CHURN_MODELS,
    IDENTITIES,
    DEAD_LETTERS,
)
