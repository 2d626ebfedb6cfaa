"""How customers are joined and parted: what a stage keeps beside a customer's state, and where histories go. Pure.

Every stage that keeps state by customer follows these rules, so that after any order of links, unlinks, kills and
repetitions each history stands exactly once, with the customer at the root of its links. The whole of it is in
docs/architecture/identity.md.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct, UnsetType
from msgspec.structs import replace

from shared.clock import to_ms
from shared.contracts.event import CustomerErased
from shared.contracts.identity import History, HistoryLeft, HistoryMoved, Hop
from shared.ids import CustomerId, digest_id

LINKED_ID_HEADER: Final = "linked_id"
"""The header of an event that reached its customer over a link: whose history it adds to."""

PATH_HEADER: Final = "forwarded_by"
"""The header of an event that linked customers passed on: their hops in JSON, oldest first."""

AWAITED_HEADER: Final = "went_after"
"""The header of an event that followed a customer's histories: the ended links it has followed, as hops in JSON."""

_MINTED: Final = re.compile(r"cus_[0-9a-f]{26}")
_FINGERPRINT_BYTES: Final = 8
# Repetitions follow within a crash's replay; a customer is joined and parted a few times in a life.
_KEPT: Final = 64


class Told(Protocol):
    """An event, as far as it was read."""

    @property
    def occurred_at(self) -> datetime: ...
    @property
    def received_at(self) -> datetime | UnsetType: ...


class Member(Struct, frozen=True, array_like=True, gc=False):
    """A history that was joined: under which linked id it came (empty: its own link), its own link's version.

    While it `is_torn`, an older piece of it is on its way here by its own id: events come by there, too, behind it.
    """

    under: str = ""
    version: int = -1
    is_torn: bool = False


class Erased(Struct, frozen=True, array_like=True, gc=False):
    """A customer's erasure: the instant the company gave it, and the one at which it was heard.

    `taken` are fingerprints of histories that had come before it: what a repetition of one brings has ended already.
    """

    at_ms: int
    heard_ms: int
    taken: bytes = b""

    def covers(self, event: Told) -> bool:
        """Return whether an event is of what was erased, or says nothing but what was done."""
        if isinstance(event, CustomerErased):
            return self.covers_erasure(event)
        return min(to_ms(event.occurred_at), received_ms(event)) <= self.heard_ms

    def covers_erasure(self, event: Told) -> bool:
        """Return whether an erasure says nothing but what was done."""
        return to_ms(event.occurred_at) <= self.at_ms


class Links(Struct, frozen=True, array_like=True, gc=False):
    """What a customer's state keeps about being joined. `version` is the offset of the last change of `merged_into`.

    `claimed` are handles this customer has claimed, `refused` customers it is kept apart from, `departed` the versions
    of links that have ended here, `taken` fingerprints of commands and histories that are done. `awaited` are the
    customers that this one was parted from and whose piece of its history is not home yet, with that link's version.
    `erased` says that what came before it is gone for good.
    """

    merged_into: str = ""
    version: int = -1
    handle: str = ""
    claimed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    members: dict[str, Member] = {}
    departed: dict[str, int] = {}
    taken: bytes = b""
    awaited: dict[str, int] = {}
    erased: Erased | None = None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Not here: the record goes on as it stands in `moved`. `links` is what is kept from now on."""

    moved: HistoryMoved
    links: Links


@dataclass(frozen=True, slots=True)
class Accepted:
    """These histories stay. `links` is what is kept from now on; `is_freed`: this customer is a root after all.

    `returned` came although their links have ended here already: each goes home.
    """

    histories: Sequence[History]
    links: Links
    is_freed: bool = False
    returned: Sequence[HistoryMoved] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """These members go home, if any; `links` is what is kept from now on."""

    ids: Sequence[str]
    links: Links


def minted_id(handle: str) -> CustomerId:
    """Return the id that a handle alone stands for."""
    return CustomerId(digest_id("cus", handle))


def is_minted(customer_id: str) -> bool:
    """Return whether the id was made from a handle, so that the company does not know it."""
    return _MINTED.fullmatch(customer_id) is not None


def erased_key(customer_id: str) -> str:
    """Return the key of the state that remembers a customer's erasure; it does not tell whose it is."""
    return digest_id("era", customer_id)


def received_ms(event: Told) -> int:
    """Return when the event was heard of; an event that does not say was heard when it happened."""
    return to_ms(event.received_at if isinstance(event.received_at, datetime) else event.occurred_at)


def awaiting(links: Links, ended: Links) -> Links:
    """Return the links once the link in `ended` is no more: a piece of the history is still with whom it led to."""
    return replace(links, awaited={**links.awaited, ended.merged_into: ended.version})


def went_after(key: str, links: Links, hops: Sequence[Hop]) -> Links:
    """Return the links once what followed the histories is back: records of one way keep their order, so they are home.

    So the wait ends even where nothing came home.
    """
    if not links.awaited or not hops:
        return links
    known = {hop.version for hop in hops if hop.id == key}
    awaited = {of_id: version for of_id, version in links.awaited.items() if version not in known}
    return links if len(awaited) == len(links.awaited) else replace(links, awaited=awaited)


def is_taken(links: Links | None, record_id: str) -> bool:
    """Return whether the command or history of that id is done already."""
    return links is not None and _holds(links.taken, record_id)


def had_come(erased: Erased, moved: HistoryMoved) -> bool:
    """Return whether the history had come before the customer was erased, so that this is a repetition."""
    return _holds(erased.taken, moved.id)


def erasure(erased: Erased, links: Links | None, before: Erased | None) -> Erased:
    """Return the erasure of a customer with these links, who may have been erased before, as it is remembered."""
    taken = (b"" if before is None else before.taken) + (b"" if links is None else links.taken)
    return replace(erased, taken=taken[-_KEPT * _FINGERPRINT_BYTES :])


def _holds(taken: bytes, record_id: str) -> bool:
    name = _fingerprint(record_id)
    return any(taken[at : at + _FINGERPRINT_BYTES] == name for at in range(0, len(taken), _FINGERPRINT_BYTES))


def with_taken(links: Links, record_id: str) -> Links:
    taken = (links.taken + _fingerprint(record_id))[-_KEPT * _FINGERPRINT_BYTES :]
    return replace(links, taken=taken)


def is_root_of_cycle(key: str, links: Links, path: Sequence[Hop]) -> bool:
    """Return whether what was passed on came back over the link it left by, and this is the customer to keep it.

    Two customers merged into each other at the same time would pass histories on for ever: the least id stays. A link
    that was made anew meanwhile is no part of the circle that was seen: what left by the old one follows the new one.
    """
    last = next((place for place in range(len(path) - 1, -1, -1) if path[place].id == key), None)
    if last is None or path[last].version != links.version:
        return False
    return key == min(hop.id for hop in path[last:])


def members_under(links: Links, linked_id: str) -> list[str]:
    """Return the member and all that came along with it, sorted; without itself where it had no history to bring."""
    found = {linked_id}
    while more := {of_id for of_id, member in links.members.items() if member.under in found} - found:
        found |= more
    return sorted(found.intersection(links.members))


def take_moved(key: str, links: Links, moved: HistoryMoved, offset: int) -> Forwarded | Accepted | None:
    """Return what becomes of histories that arrive at `key` at `offset`; None when they are known already."""
    if is_taken(links, moved.id):
        return None
    links = _come_home(links, moved)
    # Before it is passed on: who is further up the chain has not heard of the end, which came here first.
    if moved.via_id and links.departed.get(moved.via_id, -1) >= moved.version:
        home = replace(moved, to_id=moved.via_id, via_id="", version=-1, path=[], ended=links.departed[moved.via_id])
        return Forwarded(home, links)
    is_freed = bool(links.merged_into) and is_root_of_cycle(key, links, moved.path)
    if links.merged_into and not is_freed:
        return Forwarded(
            replace(
                moved,
                to_id=links.merged_into,
                via_id=key,
                version=links.version,
                histories=[_passed_on(key, history, links) for history in moved.histories],
                path=[*moved.path, Hop(key, links.version)],
                ended=-1,
            ),
            links,
        )
    arrived = [replace(history, under="") if history.under == key else history for history in moved.histories]
    returned = _returned(key, links, moved, arrived)
    gone = {history.of_id for one in returned for history in one.histories}
    arrived = [history for history in arrived if history.of_id not in gone]
    members = dict(links.members)
    for history in arrived:
        if history.of_id != key:
            members[history.of_id] = Member(history.under, history.version, history.is_torn)
    kept = with_taken(replace(links, members=members), moved.id)
    if is_freed:
        kept = replace(kept, merged_into="", version=offset)
    return Accepted(arrived, kept, is_freed, returned)


def _returned(key: str, links: Links, moved: HistoryMoved, arrived: Sequence[History]) -> list[HistoryMoved]:
    """Return the way home of histories whose link's end came here before them, each with what came under it.

    One whose version nobody knew goes home as well: the linked id knows, and sends it back if it still belongs here.
    """
    parted = [
        history.of_id
        for history in arrived
        if history.of_id != key and history.version <= links.departed.get(history.of_id, -2)
    ]
    ways: list[HistoryMoved] = []
    gone: set[str] = set()
    under = {history.of_id: Member(history.under) for history in arrived}
    for of_id in sorted(parted):
        ids = set(members_under(Links(members=under), of_id)) - gone
        gone |= ids
        histories = [
            replace(history, under="", version=-1) if history.of_id == of_id else history
            for history in arrived
            if history.of_id in ids
        ]
        order_id = digest_id("mov", "home", moved.id, key, of_id)
        ended = links.departed.get(of_id, -1)
        ways.append(HistoryMoved(id=order_id, at=moved.at, to_id=of_id, histories=histories, ended=ended))
    return ways


def take_left(key: str, links: Links, left: HistoryLeft) -> HistoryLeft | Removed:
    """Return what goes home now that a link has ended, or the record to pass on because `key` is linked itself."""
    if links.merged_into and not is_root_of_cycle(key, links, left.path):
        return replace(left, to_id=links.merged_into, path=[*left.path, Hop(key, links.version)])
    if left.linked_id == key:
        # The least id of a circle hears of the end that it gave to it.
        return Removed([], links)
    departed = dict(links.departed)
    departed[left.linked_id] = max(left.version, departed.pop(left.linked_id, -1))
    while len(departed) > _KEPT:
        departed.pop(next(iter(departed)))
    ids: list[str] = []
    if not is_newer(links, left):
        ids = sorted({*members_under(links, left.linked_id), *left.ids}.intersection(links.members))
    members = {of_id: kept for of_id, kept in links.members.items() if of_id not in ids}
    return Removed(ids, replace(links, members=members, departed=departed))


def is_newer(links: Links, left: HistoryLeft) -> bool:
    """Return whether the member came back over a later link before its parting was heard of."""
    return links.members.get(left.linked_id, Member()).version > left.version


def moved_out(
    key: str, links: Links, histories: Sequence[History], *, into_id: str, version: int, cause: HistoryMoved
) -> tuple[Links, HistoryMoved]:
    """Return the links of a customer that `into_id` takes over, and its histories on their way there."""
    kept = replace(links, merged_into=into_id, version=version, members={})
    moved = replace(
        cause,
        to_id=into_id,
        via_id=key,
        version=version,
        histories=[_passed_on(key, history, kept) for history in histories],
        path=[Hop(key, version)],
    )
    return kept, moved


def _passed_on(key: str, history: History, links: Links) -> History:
    if history.of_id == key:
        return replace(history, under="", version=links.version, is_torn=bool(links.awaited))
    return replace(history, under=history.under or key)


def _come_home(links: Links, moved: HistoryMoved) -> Links:
    if moved.ended not in links.awaited.values():
        return links
    return replace(
        links, awaited={of_id: version for of_id, version in links.awaited.items() if version != moved.ended}
    )


def _fingerprint(record_id: str) -> bytes:
    return hashlib.blake2b(record_id.encode("utf-8", "surrogatepass"), digest_size=_FINGERPRINT_BYTES).digest()
