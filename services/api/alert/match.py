"""Which alerts a rule is about. Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from services.api.alert.model import Alert
from shared.contracts.alert import Cause, Severity, Tier
from shared.contracts.enriched import TextLanguage
from shared.contracts.event import Channel


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a rule asks of an alert; each member left out asks nothing, several must all hold.

    `channels` is the channel the customer uses most, `languages` the language he last wrote in.
    """

    severities: list[Severity] | None = None
    tiers: list[Tier] | None = None
    causes: list[Cause] | None = None
    channels: list[Channel] | None = None
    languages: list[TextLanguage] | None = None
    min_expected_loss: Annotated[float, Meta(ge=0)] | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of an alert and its customer."""

    severity: str
    cause: str
    tier: str | None = None
    expected_loss: float | None = None
    channel: str | None = None
    language: str | None = None


class Customer(Struct, frozen=True):
    """What rules ask of a customer."""

    channel: str | None = None
    language: str | None = None


def facts_of(alert: Alert, customer: Customer) -> Facts:
    risk = alert.body.risk
    return Facts(
        severity=alert.body.severity,
        cause=alert.body.cause,
        tier=risk.tier if risk else None,
        expected_loss=risk.expected_loss if risk else None,
        channel=customer.channel,
        language=customer.language,
    )


def matches(match: Match, facts: Facts) -> bool:
    """Return whether everything the rule asks holds; what is unknown of a customer satisfies no question about it."""
    asked = (
        (match.severities, facts.severity),
        (match.tiers, facts.tier),
        (match.causes, facts.cause),
        (match.channels, facts.channel),
        (match.languages, facts.language),
    )
    if any(wanted is not None and value not in wanted for wanted, value in asked):
        return False
    return match.min_expected_loss is None or (facts.expected_loss or 0.0) >= match.min_expected_loss
