"""The JSON of who else has an alert open."""

from datetime import datetime

from msgspec import Struct


class Present(Struct, frozen=True, kw_only=True):
    """Somebody who has the alert open: the name of their key, and since when."""

    name: str
    since: datetime


class PresenceView(Struct, frozen=True, kw_only=True):
    """The others, longest first. Whoever does not ask again for `expires_in_s` is no longer counted."""

    items: list[Present]
    ask_again_in_s: float
    expires_in_s: float
