"""The JSON of segments over HTTP."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from services.api.segment.model import CustomerFilter


class SegmentBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of customers under a name; shared ones are everybody's to use."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    filter: CustomerFilter
    is_shared: bool = False


class SegmentView(SegmentBody, frozen=True, kw_only=True):
    """A segment as it is kept; `owner` is the name of the key that made it, which rotation keeps."""

    id: str
    owner: str
    created_at: datetime
    updated_at: datetime


class SegmentList(Struct, frozen=True, kw_only=True):
    """The caller's own and everybody's shared ones, by name."""

    items: list[SegmentView]
