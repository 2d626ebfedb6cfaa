"""Who belongs to whom: claims, links, conflicts, partings, decided one customer id at a time. Pure.

The customer that a handle's minted id stands for is the arbiter of the handle: all claims to it are records of one key,
so their order is the log's and no two processes can disagree. `docs/architecture/identity.md` has the whole.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

from msgspec import Raw
from msgspec.structs import replace

from services.sentiment.engagement.counters import merge
from services.sentiment.engagement.model import EngagementState
from services.sentiment.engagement.state import decode_state, encode_state
from services.sentiment.engagement.tally import engagement
from services.sentiment.identity.model import Effect, Notice, Owner, Post, Step
from shared.clock import from_ms, to_ms
from shared.contracts.event import CustomerErased, CustomerMerged, EventBase
from shared.contracts.identity import (
    CustomerLinked,
    CustomerUnlinked,
    EngagementRestated,
    History,
    HistoryErased,
    HistoryLeft,
    HistoryMoved,
    IdentityCommand,
    LinkClaimed,
    LinkConflicted,
    LinkDissolved,
)
from shared.ids import digest_id
from shared.links import (
    Erased,
    Forwarded,
    Links,
    Member,
    awaiting,
    is_minted,
    is_taken,
    minted_id,
    moved_out,
    received_ms,
    take_left,
    take_moved,
    with_taken,
)

# A customer with more handles claims the oldest of them again when they are used, which changes nothing.
_CLAIMS_KEPT = 64
_NO_LINKS = Links()
_LONGEST_NAME = 256


def whole(state: EngagementState) -> EngagementState:
    """Return the engagement of the customer and of all who were joined to it, as one."""
    if not state.parts:
        return state
    return reduce(merge, state.parts.values(), _own(state))


def hear(
    key: str, state: EngagementState | None, command: IdentityCommand, offset: int, erased: Erased | None = None
) -> Step:
    """Return what a command for `key`, read at `offset`, leads to; a command that is done already changes nothing.

    `erased` is the customer's erasure, if there was one: what was decided before it finds nobody.
    """
    if erased is not None and to_ms(command.at) <= erased.heard_ms:
        match command:
            case HistoryMoved():
                return Step(state, _erasing_along(key, command, erased))
            case HistoryLeft() | LinkDissolved():
                return Step(state)
            case HistoryErased() if not _is_linked_at(state, command.version):
                return Step(state)
            case LinkClaimed() if not is_minted(key):
                # Who was merged into another is gone; a handle stays one that anybody may claim.
                return Step(state)
    known = state or new_customer(erased)
    step = _hear(key, known, command, offset)
    if state is None and step.state is known:
        # Nobody is made of a word that changed nothing.
        step.state = None
    return step


def _hear(key: str, state: EngagementState, command: IdentityCommand, offset: int) -> Step:
    match command:
        case LinkClaimed():
            return _claim(key, state, command, offset)
        case LinkDissolved():
            return _dissolve(key, state, command, offset)
        case HistoryMoved():
            return _take_moved(key, state, command, offset)
        case HistoryLeft():
            return _take_left(key, state, command)
        case HistoryErased():
            return _take_erased(state, command)


def claims(key: str, known: Links | None, event: EventBase) -> tuple[Links | None, Sequence[Effect]]:
    """Return the customer's links, and the claims that follow from the handles an event of this customer carries."""
    links = known or _NO_LINKS
    new = [handle for handle in event.customer.handles if handle not in links.claimed]
    if not new or (len(event.customer.handles) == 1 and minted_id(new[0]) == key):
        return known, ()
    effects: list[Effect] = []
    own_handle = links.handle
    for handle in new:
        linked_id = minted_id(handle)
        if linked_id == key:
            own_handle = handle
        elif linked_id not in links.members:
            effects.append(Post(linked_id, _claim_of(event, linked_id, key, handle)))
    claimed = (*links.claimed, *dict.fromkeys(new))[-_CLAIMS_KEPT:]
    return replace(links, claimed=claimed, handle=own_handle), effects


def merged_by_company(event: CustomerMerged) -> Post:
    """Return the claim that the company's word about two of its customers amounts to."""
    claim = LinkClaimed(
        id=digest_id("clm", event.source, event.id),
        at=event.occurred_at,
        linked_id=event.from_id,
        into_id=event.into_id,
        is_decided=True,
        by=event.source,
        reason=event.text or "customer.merged",
    )
    return Post(event.from_id, claim)


def new_customer(erased: Erased | None) -> EngagementState:
    """Return the state of a customer who is heard of for the first time, or again after an erasure."""
    return EngagementState() if erased is None else EngagementState(links=Links(erased=erased))


def erase(key: str, state: EngagementState, event: CustomerErased) -> Step:
    """Return the customer's end, and that of every id that was joined to it."""
    links = state.links or _NO_LINKS
    at = from_ms(erasure_of(event).heard_ms)
    ids = [key, *sorted(links.members)]
    order = digest_id("era", event.source, event.id)
    orders = [HistoryErased(id=order, at=at, linked_id=of_id, ids=ids) for of_id in ids[1:]]
    return Step(None, [Post(one.linked_id, one) for one in orders])


def erasure_of(told: CustomerErased | HistoryErased) -> Erased:
    """Return what is remembered of an erasure."""
    if isinstance(told, HistoryErased):
        return Erased(to_ms(told.at), to_ms(told.at))
    at_ms = to_ms(told.occurred_at)
    return Erased(at_ms, max(at_ms, received_ms(told)))


def _erasing_along(key: str, moved: HistoryMoved, erased: Erased) -> list[Effect]:
    """Return the end of histories that were on their way to the customer when it was erased."""
    joined = [history for history in moved.histories if history.of_id != key]
    ids = [*dict.fromkeys([key, *(hop.id for hop in moved.path), *(history.of_id for history in joined)])]
    name, at = digest_id("era", moved.id, key), from_ms(erased.heard_ms)
    orders = [HistoryErased(id=name, at=at, linked_id=one.of_id, ids=ids, version=one.version) for one in joined]
    return [Post(order.linked_id, order) for order in orders]


def _is_linked_at(state: EngagementState | None, version: int) -> bool:
    """Return whether the link meant still stands: a claim repeated from before the erasure made it after that."""
    links = None if state is None else state.links
    return version >= 0 and links is not None and links.merged_into != "" and links.version == version


def _claim_of(event: EventBase, linked_id: str, key: str, handle: str) -> LinkClaimed:
    kind = str(event.__struct_config__.tag)
    return LinkClaimed(
        id=digest_id("clm", key, handle, event.source, event.id),
        at=event.occurred_at,
        linked_id=linked_id,
        into_id=key,
        handle=handle,
        by=event.source,
        reason=f"{kind} {event.id}",
    )


def _claim(key: str, state: EngagementState, claim: LinkClaimed, offset: int) -> Step:
    links = state.links or _NO_LINKS
    parent, into = links.merged_into, claim.into_id
    if is_taken(links, claim.id) or into in (key, parent) or into in links.members:
        return Step(state)
    if claim.is_decided:
        step = _unlink(key, state, claim.at, claim.by, claim.reason, offset) if parent else Step(state)
        return _link(key, step, claim, offset)
    if into in links.refused:
        return Step(state)
    if not parent and is_minted(key):
        return _link(key, Step(state), claim, offset)
    if parent and is_minted(parent):
        return Step(state, [Post(parent, replace(claim, linked_id=parent))])
    owner = parent or key
    if is_minted(into):
        # Nobody knows the claimant: it is the claimant who turns out to be the owner.
        return Step(state, [Post(into, replace(claim, linked_id=into, into_id=owner))])
    conflict = LinkConflicted(
        at=claim.at,
        linked_id=key,
        owner_id=owner,
        claimant_id=into,
        handle=claim.handle,
        by=claim.by,
        reason=claim.reason,
    )
    return Step(replace(state, links=with_taken(links, claim.id)), [Notice(conflict)])


def _link(key: str, step: Step, claim: LinkClaimed, offset: int) -> Step:
    state = step.state or EngagementState()
    links, effects = state.links or _NO_LINKS, step.effects
    handle = claim.handle if claim.handle and minted_id(claim.handle) == key else links.handle
    kept = replace(
        with_taken(links, claim.id),
        handle=handle,
        refused=tuple(refused for refused in links.refused if refused != claim.into_id),
    )
    order = HistoryMoved(id=digest_id("mov", claim.id, key), at=claim.at, to_id=claim.into_id, histories=[])
    histories = [History(of_id=key, state=_raw(_own(state)))]
    histories.extend(_history(of_id, member, state.parts[of_id]) for of_id, member in links.members.items())
    kept, moved = moved_out(key, kept, histories, into_id=claim.into_id, version=offset, cause=order)
    linked = CustomerLinked(
        at=claim.at,
        linked_id=key,
        into_id=claim.into_id,
        version=offset,
        handle=handle or None,
        by=claim.by[:_LONGEST_NAME],
        reason=claim.reason,
    )
    effects += [Post(claim.into_id, moved), Notice(linked)]
    if handle:
        effects.append(Owner(handle, claim.into_id))
    return Step(EngagementState(links=kept), effects)


def _dissolve(key: str, state: EngagementState, command: LinkDissolved, offset: int) -> Step:
    links = state.links or _NO_LINKS
    if is_taken(links, command.id):
        return Step(state)
    refused = (*(one for one in links.refused if one != command.from_id), command.from_id)[-_CLAIMS_KEPT:]
    state = replace(state, links=with_taken(replace(links, refused=refused), command.id))
    if links.merged_into != command.from_id:
        return Step(state)
    return _unlink(key, state, command.at, command.by, command.reason, offset)


def _unlink(key: str, state: EngagementState, at: datetime, by: str, reason: str, offset: int) -> Step:
    links = state.links or _NO_LINKS
    freed = _freed(key, links, at, by, reason, offset)
    state = replace(state, links=replace(awaiting(links, links), merged_into="", version=offset))
    return Step(state, [_left(key, links, at, offset), *freed])


def _left(key: str, links: Links, at: datetime, offset: int) -> Post:
    parent = links.merged_into
    name = digest_id("lft", key, str(offset))
    return Post(parent, HistoryLeft(id=name, at=at, to_id=parent, linked_id=key, version=links.version))


def _freed(key: str, links: Links, at: datetime, by: str, reason: str, offset: int) -> list[Effect]:
    unlinked = CustomerUnlinked(
        at=at,
        linked_id=key,
        from_id=links.merged_into,
        version=offset,
        handle=links.handle or None,
        by=by,
        reason=reason,
    )
    return [Notice(unlinked), *([Owner(links.handle, None)] if links.handle else [])]


def _take_moved(key: str, state: EngagementState, moved: HistoryMoved, offset: int) -> Step:
    links = state.links or _NO_LINKS
    verdict = take_moved(key, links, moved, offset)
    if verdict is None:
        return Step(state)
    if isinstance(verdict, Forwarded):
        kept = state if verdict.links is links else replace(state, links=verdict.links)
        return Step(kept, [Post(verdict.moved.to_id, verdict.moved)])
    own, parts = _own(state), dict(state.parts)
    for history in verdict.histories:
        arrived = decode_state(bytes(history.state))
        if history.of_id == key:
            own = merge(own, arrived)
        else:
            known = parts.get(history.of_id)
            parts[history.of_id] = arrived if known is None else replace(merge(known, arrived), links=arrived.links)
    effects: list[Effect] = []
    kept_links = verdict.links
    if verdict.is_freed:
        kept_links = awaiting(kept_links, links)
        # What went on over the ended link may have found an end of its own there.
        effects = [
            _left(key, links, moved.at, offset),
            *_freed(key, links, moved.at, "pulseline", "merged in a circle: the least id stays", offset),
        ]
    state = replace(own, links=kept_links, parts=parts)
    for home in verdict.returned:
        ids = [history.of_id for history in home.histories]
        version = links.departed[home.to_id]
        told = HistoryLeft(id=home.id, at=moved.at, to_id=key, linked_id=home.to_id, version=version, ids=ids)
        effects += [Post(home.to_id, home), Notice(told)]
    return Step(state, [*effects, _restated(key, state, moved.at)])


def _take_left(key: str, state: EngagementState, left: HistoryLeft) -> Step:
    verdict = take_left(key, state.links or _NO_LINKS, left)
    if isinstance(verdict, HistoryLeft):
        return Step(state, [Post(verdict.to_id, verdict)])
    told = replace(left, to_id=key, ids=list(verdict.ids), path=[])
    if not verdict.ids:
        # The next stage may have the history already, or get it later: it must know, too.
        return Step(replace(state, links=verdict.links), [Notice(told)])
    members = (state.links or _NO_LINKS).members
    home = HistoryMoved(
        id=digest_id("mov", left.id, key),
        at=left.at,
        to_id=left.linked_id,
        histories=[
            _history(of_id, Member() if of_id == left.linked_id else members[of_id], state.parts[of_id])
            for of_id in verdict.ids
        ],
        ended=left.version,
    )
    parts = {of_id: part for of_id, part in state.parts.items() if of_id not in verdict.ids}
    state = replace(state, links=verdict.links, parts=parts)
    return Step(state, [Post(left.linked_id, home), _restated(key, state, left.at), Notice(told)])


def _take_erased(state: EngagementState, command: HistoryErased) -> Step:
    links = state.links or _NO_LINKS
    if links.merged_into not in command.ids:
        return Step(state)
    effects: list[Effect] = [Notice(command)]
    if links.handle:
        effects.append(Owner(links.handle, None))
    return Step(None, effects)


def _restated(key: str, state: EngagementState, at: datetime) -> Notice:
    return Notice(EngagementRestated(at=at, customer_id=key, engagement=engagement(whole(state))))


def _history(of_id: str, member: Member, part: EngagementState) -> History:
    return History(of_id=of_id, under=member.under, version=member.version, is_torn=member.is_torn, state=_raw(part))


def _own(state: EngagementState) -> EngagementState:
    """Return the customer's own history, which knows what was erased of it, but of no links."""
    erased = None if state.links is None else state.links.erased
    links = None if erased is None else Links(erased=erased)
    return EngagementState(state.newest_day, state.first_ms, state.last_ms, state.days, state.turns, links)


def _raw(state: EngagementState) -> Raw:
    return Raw(encode_state(state))
