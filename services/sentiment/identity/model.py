"""What follows from a record about identity: the customer's new state, and what goes to whom."""

from dataclasses import dataclass, field
from typing import NamedTuple

from services.sentiment.engagement.model import EngagementState
from shared.contracts.identity import HistoryErased, HistoryLeft, IdentityCommand, IdentityNotice


class Post(NamedTuple):
    """A command for another customer, back into the input, under the key `to_id`."""

    to_id: str
    command: IdentityCommand


class Notice(NamedTuple):
    """What the stages behind are told, under this customer's key."""

    message: IdentityNotice | HistoryLeft | HistoryErased


class Owner(NamedTuple):
    """Who a handle belongs to from now on; None: nobody has claimed it."""

    handle: str
    customer_id: str | None


Effect = Post | Notice | Owner


@dataclass(slots=True)
class Step:
    """The customer's state afterwards (None erases it), and the effects in order."""

    state: EngagementState | None
    effects: list[Effect] = field(default_factory=list)
