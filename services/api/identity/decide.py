"""What a person's word about identity means for the stream. Pure; ids and instants are given."""

from collections.abc import Iterable
from datetime import datetime

from services.api.identity.model import Conflict, ConflictStatus, Decision
from shared.contracts.identity import LinkClaimed, LinkConflicted, LinkDissolved
from shared.errors import Reject
from shared.ids import digest_id
from shared.links import minted_id

STATUS_OF: dict[Decision, ConflictStatus] = {"merge": "merged", "keep_apart": "kept_apart", "move": "moved"}
Command = LinkClaimed | LinkDissolved


def conflict_of(told: LinkConflicted) -> Conflict:
    """Return the conflict as it is stored; the same claim told again is the same conflict."""
    return Conflict(
        digest_id("cfl", told.linked_id, told.owner_id, told.claimant_id),
        told.linked_id,
        told.handle,
        told.owner_id,
        told.claimant_id,
        told.at,
        told.by,
        told.reason,
    )


def owning_history(handle: str, histories: Iterable[str]) -> str:
    """Return which of the histories that a handle was seen in it goes with.

    That of its own id, where the handle's links are made (ADR 22), else the least id: in whatever order they were read.
    """
    own_id = minted_id(handle)
    return min(histories, key=lambda history: (history != own_id, history))


def commands_of(
    conflict: Conflict, decision: Decision, into_id: str | None, note: str, *, by: str, at: datetime, name: str
) -> list[Command]:
    """Return the commands of a decision, in order. `name` makes their ids; `into_id` is who survives a merge.

    Raises `Reject` when the survivor named is neither of the two.
    """
    if decision == "keep_apart":
        return [_apart(conflict.linked_id, conflict.claimant_id, note, by, at, name)]
    if decision == "move":
        moved = LinkClaimed(
            id=f"{name}/move",
            at=at,
            linked_id=conflict.linked_id,
            into_id=conflict.claimant_id,
            handle=conflict.handle,
            is_decided=True,
            by=by,
            reason=note,
        )
        return [moved, _apart(conflict.linked_id, conflict.owner_id, note, by, at, name)]
    survivor = into_id or conflict.owner_id
    if survivor not in (conflict.owner_id, conflict.claimant_id):
        raise Reject("is neither the owner nor the claimant", "/into_id")
    absorbed = conflict.claimant_id if survivor == conflict.owner_id else conflict.owner_id
    merged = LinkClaimed(
        id=f"{name}/merge", at=at, linked_id=absorbed, into_id=survivor, is_decided=True, by=by, reason=note
    )
    return [merged]


def _apart(linked_id: str, from_id: str, reason: str, by: str, at: datetime, name: str) -> LinkDissolved:
    return LinkDissolved(id=f"{name}/apart", at=at, linked_id=linked_id, from_id=from_id, by=by, reason=reason)
