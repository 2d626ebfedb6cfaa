"""Records that join and part customers. The company's own words about identity are events (event.py); these are ours.

A customer id is *linked* when another customer has taken its history over. Every handle has an id of its own, minted
from it, so "this handle belongs to c1" is a link of the minted id into `c1`. Commands and histories travel in
`interactions`, keyed by the id they are for; what came of them is told in `interactions.enriched`.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

from shared.contracts.enriched import Engagement
from shared.contracts.event import Handle, Identifier, Instant, Name, Text


class Hop(Struct, frozen=True, array_like=True, gc=False):
    """A customer that passed something on, and the version of its link at that time."""

    id: Identifier
    version: int


Path = Annotated[list[Hop], Meta(max_length=256)]


class LinkClaimed(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.claimed"):
    """`linked_id` (the key) is the same person as `into_id`, says `by` because of `reason`.

    A decided claim is a person's or the company's word and always holds; any other may end as a conflict.
    """

    id: Identifier
    at: Instant
    linked_id: Identifier
    into_id: Identifier
    handle: Handle | None = None
    is_decided: bool = False
    by: Name
    reason: Text = ""


class LinkDissolved(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.dissolved"):
    """`linked_id` (the key) is not `from_id`: a link between them ends, and no event makes it again."""

    id: Identifier
    at: Instant
    linked_id: Identifier
    from_id: Identifier
    by: Name
    reason: Text = ""


class History(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a stage keeps of `of_id`, as that stage encodes it; `under` is the linked id that brought it along.

    `version` is that of `of_id`'s own link, so that a parting that was quicker on another way is not undone.
    `is_torn`: an older piece of the history is still on its way home to `of_id`, which will send it after this one.
    """

    of_id: Identifier
    under: str = ""
    version: int = -1
    is_torn: bool = False
    state: Raw


class HistoryMoved(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.moved"):
    """Histories on their way to `to_id` (the key), over the link of `via_id` made at `version`; or home, without one.

    `path` is who has passed it on. `version` is the offset at which the link was made in its own partition.
    `ended` is the version of the link whose end sends the histories home.
    """

    id: Identifier
    at: Instant
    to_id: Identifier
    via_id: str = ""
    version: int = -1
    histories: list[History]
    path: Path = []
    ended: int = -1


class HistoryLeft(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.left"):
    """The link of `linked_id` made at `version` has ended: whoever holds its history sends it home.

    `ids` is set by the stage that knows: all that goes along.
    """

    id: Identifier
    at: Instant
    to_id: Identifier
    linked_id: Identifier
    version: int
    ids: list[Identifier] = []
    path: Path = []


class HistoryErased(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.erased"):
    """The customer that `linked_id` (the key) was linked to, one of `ids`, was erased: it goes along. Heard `at`.

    `version` is that of the link over which its history came after the end, -1 where it had come before.
    """

    id: Identifier
    at: Instant
    linked_id: Identifier
    ids: list[Identifier]
    version: int = -1


class CustomerLinked(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.linked"):
    """From here on the history of `linked_id` (the key) is `into_id`'s. `version` orders the links of one id."""

    at: Instant
    linked_id: Identifier
    into_id: Identifier
    version: int
    handle: Handle | None = None
    by: Name
    reason: Text = ""


class CustomerUnlinked(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.unlinked"
):
    """`linked_id` (the key) is a customer of its own again."""

    at: Instant
    linked_id: Identifier
    from_id: Identifier
    version: int
    handle: Handle | None = None
    by: Name
    reason: Text = ""


class LinkConflicted(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="identity.conflicted"
):
    """`claimant_id` claims what belongs to `owner_id`, and the company knows both: a person must decide."""

    at: Instant
    linked_id: Identifier
    owner_id: Identifier
    claimant_id: Identifier
    handle: Handle | None = None
    by: Name
    reason: Text = ""


class EngagementRestated(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="engagement.restated"
):
    """A customer's engagement after a link was made or ended, without a new event."""

    at: Instant
    customer_id: Identifier
    engagement: Engagement


class HandleOwner(Struct, frozen=True, kw_only=True):
    """The value of `identities`, keyed by handle; a tombstone is a handle that nobody has claimed."""

    customer_id: Identifier


IdentityCommand = LinkClaimed | LinkDissolved | HistoryMoved | HistoryLeft | HistoryErased
IdentityNotice = CustomerLinked | CustomerUnlinked | LinkConflicted | EngagementRestated
