"""Links as a state machine: events, links, partings, merges, erasures, kills in any order, against a reference."""

from collections import defaultdict
from datetime import datetime
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.ingest.identity.resolve import resolve
from shared.contracts.event import Customer
from shared.contracts.identity import LinkClaimed, LinkDissolved
from shared.kafka.publisher import partition_for
from shared.links import is_minted, minted_id
from tests.factories.identity_world import NOON, World

HANDLES = ("tel:+8613800000001", "mailto:li@example.cn", "wechat:gh_shop/oLi", "x:lili")
COMPANY_IDS = ("ann", "bob", "cat")
IDS = (*COMPANY_IDS, *map(minted_id, HANDLES))

pytestmark = pytest.mark.slow


class Reference:
    """Who belongs to whom and whose the events are, as one process without a network would know it."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self.refused: dict[str, set[str]] = defaultdict(set)
        self.claimed: dict[str, set[str]] = defaultdict(set)
        self.events: dict[str, set[str]] = defaultdict(set)
        self.conflicts: set[tuple[str, str, str]] = set()
        self.erased: set[str] = set()
        self.erased_at: dict[str, datetime] = {}

    def root(self, key: str) -> str:
        while key in self.parent:
            key = self.parent[key]
        return key

    def below(self, key: str) -> set[str]:
        return {one for one in IDS if one != key and self.root(one) == key}

    def order(self, event_id: str, origin: str, handles: tuple[str, ...], at: datetime) -> None:
        key = self.root(origin)
        if event_id in self.events[origin] or self.is_erased(origin, at):
            return
        self.events[origin].add(event_id)
        if len(handles) == 1 and minted_id(handles[0]) == key:
            return
        for handle in handles:
            linked_id = minted_id(handle)
            is_new = handle not in self.claimed[key] and linked_id != key and linked_id not in self.below(key)
            self.claimed[key].add(handle)
            if is_new:
                self.claim(linked_id, key)

    def is_erased(self, origin: str, at: datetime) -> bool:
        chain = [origin]
        while chain[-1] in self.parent:
            chain.append(self.parent[chain[-1]])
        return any(one in self.erased_at and at <= self.erased_at[one] for one in chain)

    def claim(self, linked_id: str, into_id: str) -> None:
        parent = self.parent.get(linked_id)
        if into_id in (linked_id, parent) or into_id in self.refused[linked_id]:
            return
        if parent is None and into_id in self.below(linked_id):
            return
        if parent is None and is_minted(linked_id):
            self.parent[linked_id] = into_id
        elif parent is not None and is_minted(parent):
            self.claim(parent, into_id)
        elif is_minted(into_id):
            self.claim(into_id, parent or linked_id)
        else:
            self.conflicts.add((linked_id, parent or linked_id, into_id))

    def decide(self, linked_id: str, into_id: str) -> None:
        parent = self.parent.get(linked_id)
        if into_id in (linked_id, parent) or (parent is None and into_id in self.below(linked_id)):
            return
        self.refused[linked_id].discard(into_id)
        self.parent[linked_id] = into_id
        circle = [linked_id]
        while (above := self.parent.get(circle[-1])) is not None:
            if above == linked_id:
                del self.parent[min(circle)]
                return
            circle.append(above)

    def dissolve(self, linked_id: str, from_id: str) -> None:
        self.refused[linked_id].add(from_id)
        if self.parent.get(linked_id) == from_id:
            del self.parent[linked_id]

    def erase(self, customer_id: str, at: datetime) -> None:
        root = self.root(customer_id)
        for key in (root, *self.below(root)):
            self.erased_at[key] = at
            self.erased |= self.events[key]
            for kept in (self.parent, self.refused, self.claimed, self.events):
                kept.pop(key, None)


class Identities(RuleBasedStateMachine):
    """`is_sequential`: everything is delivered after each step, and who belongs to whom must equal the reference.

    Otherwise records of different partitions overtake each other and only the log decides who was first; then each
    event must count once, with whomever its history is linked to, in both stages, however often it is delivered and
    wherever its history is meanwhile. With `has_circles` customers are merged into each other, too.
    """

    @initialize(n_partitions=st.integers(1, 3), is_sequential=st.booleans(), has_circles=st.booleans())
    def begin(self, n_partitions: int, is_sequential: bool, has_circles: bool) -> None:
        self.world = World(n_partitions)
        self.reference = Reference()
        self.is_sequential = is_sequential
        self.has_circles = is_sequential or has_circles
        self.n_names = 0
        self.sent: dict[str, tuple[str | None, tuple[str, ...], datetime]] = {}
        self.erasures: list[tuple[str, str, datetime]] = []

    @rule(
        customer_id=st.sampled_from([None, None, *COMPANY_IDS]),
        handles=st.lists(st.sampled_from(HANDLES), unique=True, max_size=2).map(tuple),
        n_deliveries=st.integers(1, 2),
    )
    def event(self, customer_id: str | None, handles: tuple[str, ...], n_deliveries: int) -> None:
        if customer_id is not None or handles:
            name = self._name()
            self.sent[name] = customer_id, handles, self.world.tick()
            self._send(name, n_deliveries)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def delivered_again(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.sent)))
        # Which of two handles names the sender may have changed in between.
        if len(self.sent[name][1]) < 2:
            self._send(name, 1)

    @precondition(lambda self: not self.is_sequential and any(self.world.links(one).merged_into for one in IDS))
    @rule(data=st.data(), is_linked_on=st.booleans())
    def delivered_again_on_the_way(self, data: st.DataObject, is_linked_on: bool) -> None:
        """End a link, perhaps for another, and deliver what its history has counted while that is on its way."""
        linked_id = data.draw(st.sampled_from([one for one in IDS if self.world.links(one).merged_into]))
        self.unlink(linked_id, self.world.links(linked_id).merged_into)
        if is_linked_on and linked_id not in COMPANY_IDS:
            self.link(linked_id, data.draw(st.sampled_from(COMPANY_IDS)))
        counted = sorted(name for name in self.reference.events[linked_id] if len(self.sent[name][1]) < 2)
        for _ in range(data.draw(st.integers(1, 3))):
            self._deliver_some(data)
            if counted:
                self._send(data.draw(st.sampled_from(counted)), 1)

    @rule(linked_id=st.sampled_from(IDS), into_id=st.sampled_from(COMPANY_IDS))
    def link(self, linked_id: str, into_id: str) -> None:
        if self._may_close_a_circle(linked_id, into_id):
            return
        handle = next((one for one in HANDLES if minted_id(one) == linked_id), None)
        self.world.command(
            LinkClaimed(
                id=self._name(),
                at=self.world.tick(),
                linked_id=linked_id,
                into_id=into_id,
                handle=handle,
                is_decided=True,
                by="ann",
            )
        )
        self.reference.decide(linked_id, into_id)
        self._after()

    @rule(linked_id=st.sampled_from(IDS), from_id=st.sampled_from(COMPANY_IDS))
    def unlink(self, linked_id: str, from_id: str) -> None:
        at = self.world.tick()
        self.world.command(LinkDissolved(id=self._name(), at=at, linked_id=linked_id, from_id=from_id, by="ann"))
        self.reference.dissolve(linked_id, from_id)
        self._after()

    @rule(pair=st.permutations(COMPANY_IDS))
    def merge(self, pair: list[str]) -> None:
        if self._may_close_a_circle(pair[0], pair[1]):
            return
        self.world.merge(self._name(), pair[0], pair[1])
        self.reference.decide(pair[0], pair[1])
        self._after()

    @rule(customer_id=st.sampled_from(COMPANY_IDS))
    def erase(self, customer_id: str) -> None:
        self.world.settle()
        root = self.world.root(customer_id)
        ids = [root, *self.world.links(root).members]
        self._send_erasure(customer_id)
        self.world.settle()
        if self.is_sequential:
            # Otherwise the reference knows what was sent, not who was linked to him by then.
            self.reference.erase(customer_id, self.world.now)
        assert all(self.world.engagement(one) is None and self.world.customer(one) is None for one in ids)
        self._count_erased()
        self._check()

    @precondition(lambda self: self.erasures)
    @rule(data=st.data())
    def erase_again(self, data: st.DataObject) -> None:
        self.world.erase(*data.draw(st.sampled_from(self.erasures)))
        self._after()

    @precondition(lambda self: not self.is_sequential)
    @rule(customer_id=st.sampled_from(COMPANY_IDS), data=st.data())
    def erase_while_all_is_on_its_way(self, customer_id: str, data: st.DataObject) -> None:
        """Erase a customer while events, claims and merges are sent: nothing of him, or of who joined him, is left."""
        self.world.settle()
        steps = [
            partial(
                self.event, data.draw(st.sampled_from([None, *COMPANY_IDS])), (data.draw(st.sampled_from(HANDLES)),), 1
            )
            for _ in range(data.draw(st.integers(0, 4)))
        ]
        free = [one for one in COMPANY_IDS if self.world.root(one) == one and one != customer_id]
        steps += [partial(self.world.merge, self._name(), one, customer_id) for one in free if data.draw(st.booleans())]
        for step in data.draw(st.permutations(steps)):
            step()
            self._deliver_some(data)
        self._send_erasure(customer_id)
        self._deliver_some(data)
        if data.draw(st.booleans()):
            self.world.erase(*self.erasures[-1])
        self.world.settle()
        assert self.world.engagement(customer_id) is None and self.world.customer(customer_id) is None
        assert not any(self.world.leads_to(one, customer_id) for one in IDS)
        self._count_erased()
        self._check()

    @precondition(lambda self: not self.is_sequential)
    @rule(data=st.data(), n_records=st.integers(1, 3), is_repeated=st.booleans())
    def deliver(self, data: st.DataObject, n_records: int, is_repeated: bool) -> None:
        self._deliver(data, n_records, is_repeated=is_repeated)

    @precondition(lambda self: not self.is_sequential)
    @rule()
    def ingest_learns(self) -> None:
        self.world.learn()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()
            self._check()

    def _may_close_a_circle(self, linked_id: str, into_id: str) -> bool:
        return not self.has_circles and linked_id in COMPANY_IDS and linked_id >= into_id

    def _name(self) -> str:
        self.n_names += 1
        return f"n{self.n_names}"

    def _send(self, name: str, n_deliveries: int) -> None:
        customer_id, handles, at = self.sent[name]
        owner, linked_id = resolve(Customer(customer_id, list(handles)), self.world.known)
        for _ in range(n_deliveries):
            self.world.order(name, customer_id, *handles, at=at)
        if self.is_sequential:
            self.reference.order(name, linked_id or owner, handles, at)
        else:
            self.reference.events[linked_id or owner].add(name)
        self._after()

    def _send_erasure(self, customer_id: str) -> None:
        self.erasures.append((self._name(), customer_id, self.world.tick()))
        self.world.erase(*self.erasures[-1])

    def _deliver(self, data: st.DataObject, n_records: int, *, is_repeated: bool) -> None:
        stages = [stage for stage in (*self.world.sentiment, *self.world.churn) if stage.n_waiting]
        if stages:
            self.world.step(data.draw(st.sampled_from(stages)), n_records, is_repeated=is_repeated)

    def _deliver_some(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 4))):
            self._deliver(data, data.draw(st.integers(1, 3)), is_repeated=data.draw(st.booleans()))

    def _count_erased(self) -> None:
        """Note which histories are gone: each of them wholly, or not at all."""
        if self.is_sequential:
            return
        for origin, names in self.reference.events.items():
            lived = names - self.reference.erased
            n_left = self.world.n_of_history(origin)
            assert n_left in (0, len(lived)), f"{n_left} of {len(lived)} events of {origin} are left"
            if not n_left:
                self.reference.erased |= lived

    def _after(self) -> None:
        if self.is_sequential:
            self.world.settle()
            self._check()

    def _check(self) -> None:
        """Everything has been delivered: every event counts once, in both stages, with the root of its history."""
        world = self.world
        roots = [one for one in IDS if world.root(one) == one]
        assert sum(map(world.n_contacts, IDS)) == self._n_events()
        for one in IDS:
            assert world.n_purchases(one) == world.n_contacts(one)
            assert one in roots or world.n_contacts(one) == 0
            assert one in roots or one in world.links(world.root(one)).members
        for handle in HANDLES:
            assert world.known.get(handle, "") in ("", world.links(minted_id(handle)).merged_into)
        if self.is_sequential:
            self._check_against_reference(roots)

    def _n_events(self) -> int:
        return len({name for names in self.reference.events.values() for name in names} - self.reference.erased)

    def _check_against_reference(self, roots: list[str]) -> None:
        world, reference = self.world, self.reference
        assert {one: world.links(one).merged_into for one in IDS if one not in roots} == reference.parent
        assert world.conflicts == reference.conflicts
        for root in roots:
            histories = [reference.events[one] for one in (root, *reference.below(root))]
            assert world.n_contacts(root) == sum(map(len, histories))


def test_histories_stand_once_with_whom_they_belong_to() -> None:
    run_state_machine_as_test(Identities, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


def decided(world: World, handle: str, into_id: str) -> LinkClaimed:
    name = f"to {into_id}"
    linked_id = minted_id(handle)
    return LinkClaimed(
        id=name, at=world.tick(), linked_id=linked_id, into_id=into_id, handle=handle, is_decided=True, by="ann"
    )


def parted(world: World, handle: str) -> None:
    """Let a customer of two orders by a handle be joined to ann and parted again, the history still being with her."""
    world.order("o1", None, handle, at=NOON)
    world.order("o2", None, handle, at=NOON)
    world.command(decided(world, handle, "ann"))
    world.settle()
    world.command(LinkDissolved(id="d1", at=world.tick(), linked_id=minted_id(handle), from_id="ann", by="ann"))
    world.step(world.sentiment[world.place(minted_id(handle))])
    while world.unread_owners:
        world.learn()


def apart(handle: str) -> bool:
    return len({partition_for(one, 3) for one in (minted_id(handle), "ann", "bob")}) == 3


HANDLE = next(handle for handle in map("x:{}".format, range(1000)) if apart(handle))


def test_a_delivery_repeated_while_its_history_is_on_its_way_home_counts_once() -> None:
    world = World(3)
    parted(world, HANDLE)

    world.order("o1", None, HANDLE, at=NOON)
    own = world.sentiment[world.place(minted_id(HANDLE))]
    world.step(own, own.n_waiting)
    world.settle()

    assert (world.n_contacts(minted_id(HANDLE)), world.n_purchases(minted_id(HANDLE))) == (2, 2)
    assert world.links(minted_id(HANDLE)).awaited == {}


def test_a_delivery_repeated_where_a_history_is_still_to_come_counts_once() -> None:
    world = World(3)
    parted(world, HANDLE)
    linked_id = minted_id(HANDLE)

    world.command(decided(world, HANDLE, "bob"))
    for key in (linked_id, "bob"):
        stage = world.sentiment[world.place(key)]
        world.step(stage, stage.n_waiting)
    while world.unread_owners:
        world.learn()
    assert world.links("bob").members[linked_id].is_torn
    # Ingest knows whose it is by now, and sends it there.
    world.order("o1", None, HANDLE, at=NOON)
    stage = world.sentiment[world.place("bob")]
    world.step(stage, stage.n_waiting)
    world.settle()

    assert (world.n_contacts("bob"), world.n_purchases("bob")) == (2, 2)
    assert not world.links("bob").members[linked_id].is_torn


def test_a_claim_repeated_behind_the_erasure_it_was_sent_before_links_to_nobody() -> None:
    world = World(3)
    world.order("o1", "bob", HANDLE)
    world.settle()
    # A claim to bob's handle, bob himself, then the end: the process that decided all three died after publishing.
    world.order("o2", "ann", HANDLE)
    world.merge("m1", "bob", "ann")
    world.step(world.sentiment[world.place("bob")])
    world.erase("e1", "ann", world.tick())
    own = world.sentiment[world.place("ann")]
    world.step(own, own.n_waiting, is_repeated=True)

    world.settle()

    assert not world.leads_to(minted_id(HANDLE), "ann")
    assert HANDLE not in world.known
    world.order("o3", "ann", HANDLE)
    world.settle()
    assert (world.root(minted_id(HANDLE)), world.n_contacts("ann"), world.n_purchases("ann")) == ("ann", 1, 1)


def test_a_history_goes_home_where_its_parting_is_known_although_all_there_has_been_merged_on() -> None:
    world = World(3)
    linked_id = minted_id(HANDLE)
    world.order("o1", None, HANDLE)
    world.settle()

    world.command(decided(world, HANDLE, "ann"))
    sentiment_settles(world)
    world.command(LinkDissolved(id="d1", at=world.tick(), linked_id=linked_id, from_id="ann", by="ann"))
    sentiment_settles(world)
    world.merge("m1", "ann", "bob")
    sentiment_settles(world)
    # The next stage hears of ann's end of it all before the history comes to her.
    anns = world.churn[world.place("ann")]
    world.step(anns, anns.n_waiting)
    world.settle()

    assert (world.n_contacts(linked_id), world.n_purchases(linked_id)) == (1, 1)
    assert world.n_purchases("bob") == 0


def sentiment_settles(world: World) -> None:
    while any(stage.n_waiting for stage in world.sentiment):
        for stage in world.sentiment:
            world.step(stage, stage.n_waiting)
