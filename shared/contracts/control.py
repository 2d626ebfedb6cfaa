"""Control records: they travel in the data topics, to every partition, so that a partition's log is the only input."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from shared.contracts.event import Instant, Name


class ClockTicked(Struct, frozen=True, kw_only=True, tag_field="type", tag="clock.ticked"):
    """Event time has reached `at`, whether or not anything else happened."""

    at: Instant


class RulesPublished(Struct, frozen=True, kw_only=True, tag_field="type", tag="rules.published"):
    """Alert rules `version` are in force from event time `in_force_at`; `rules` is churn_alerts' own document."""

    version: Annotated[int, Meta(ge=1)]
    in_force_at: Instant
    rules: dict[str, Any]


class ModelPublished(Struct, frozen=True, kw_only=True, tag_field="type", tag="model.published"):
    """Generation `version` of the fitted model `name` is in force from event time `in_force_at`."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    in_force_at: Instant
    model: dict[str, Any]


Control = ClockTicked | RulesPublished | ModelPublished
CONTROL_TYPES = frozenset({"clock.ticked", "rules.published", "model.published"})
