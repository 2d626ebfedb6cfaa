"""An endpoint that is told about alerts, and one thing it is to be told."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

EndpointKind = Literal["webhook", "slack", "wecom", "dingtalk", "feishu", "email"]
Language = Literal["en", "zh"]


class Endpoint(Struct, frozen=True, kw_only=True):
    id: str
    kind: EndpointKind
    url: str
    secret: str | None
    language: Language
    rate_per_minute: int
    failing_since: datetime | None


class Job(Struct, frozen=True, kw_only=True):
    """`seq` is the alert event's global id; with the endpoint it makes the message id, the same at every attempt."""

    id: int
    seq: int
    n_attempts: int
    endpoint: Endpoint

    @property
    def message_id(self) -> str:
        return f"msg_{self.endpoint.id.removeprefix('ep_')}_{self.seq}"


class Outcome(Struct, frozen=True):
    """How an attempt ended. `status` is the HTTP status if there was one; `is_gone` means never try again."""

    is_delivered: bool
    status: int | None = None
    error: str | None = None
    is_gone: bool = False
