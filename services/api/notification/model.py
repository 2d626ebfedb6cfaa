"""An endpoint that is told about alerts, and one thing it is to be told."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.alert import Severity

EndpointKind = Literal["webhook", "slack", "wecom", "dingtalk", "feishu", "email"]
Language = Literal["en", "zh"]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM")]


class QuietHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `start` to `end`, local time, maybe over midnight, nothing is sent except for the severities named."""

    time_zone: Annotated[str, Meta(min_length=1, max_length=64, description="IANA name, such as Asia/Shanghai.")]
    start: ClockTime
    end: ClockTime
    except_severities: tuple[Severity, ...] = ("critical",)


class Endpoint(Struct, frozen=True, kw_only=True):
    """`sealed_secret` is None for one without a secret; `secret` is a plain one of the version before's."""

    id: str
    kind: EndpointKind
    url: str
    secret: str | None
    sealed_secret: bytes | None
    language: Language
    rate_per_minute: int
    failing_since: datetime | None
    quiet_hours: QuietHours | None = None


def secret_owner(endpoint_id: str) -> str:
    """Return for whom an endpoint's secret is sealed; no connection's id has a slash."""
    return f"endpoint/{endpoint_id}"


class Job(Struct, frozen=True, kw_only=True):
    """`seq` is the alert event's global id; with the endpoint it makes the message id, the same at every attempt.

    Jobs with one `digest_id` are one message, and share its id.
    """

    id: int
    seq: int
    n_attempts: int
    endpoint: Endpoint
    digest_id: int | None = None

    @property
    def message_id(self) -> str:
        place = self.seq if self.digest_id is None else f"digest_{self.digest_id}"
        return f"msg_{self.endpoint.id.removeprefix('ep_')}_{place}"


class Outcome(Struct, frozen=True):
    """How an attempt ended. `status` is the HTTP status if there was one; `is_gone` means never try again."""

    is_delivered: bool
    status: int | None = None
    error: str | None = None
    is_gone: bool = False
