"""Engagement is a set of events: order and repetition change nothing, and counts can be recounted by hand."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.sentiment.engagement.counters import merge, observe
from services.sentiment.engagement.model import DAY_MS, WINDOW_DAYS, EngagementState, Observation
from services.sentiment.engagement.state import decode_state, encode_state
from services.sentiment.engagement.tally import Tally, engagement
from shared.contracts.enriched import AspectHit, Sentiment
from shared.contracts.event import Actor, ActorKind, Channel, Customer, Direction, EventBase, Interaction, TicketOpened

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPLAINT = Sentiment(
    label="negative", score=-0.8, p_negative=0.85, p_neutral=0.1, p_positive=0.05, language="en", is_complaint=True,
    aspects=[AspectHit("logistics", ["late"])],
)  # fmt: skip

minutes = st.integers(0, 120 * 24 * 60)
spoken = st.sampled_from([("inbound", "customer"), ("outbound", "agent"), ("outbound", "bot"), ("internal", "agent")])
observations = st.builds(
    lambda number, minute, said, channel, complaint: observation(
        number, minute, said=said, channel=channel, complaint=complaint
    ),
    st.integers(0, 40),
    minutes,
    spoken,
    st.sampled_from(["chat", "phone", None]),
    st.booleans(),
)


def observation(
    number: int,
    minute: int,
    *,
    said: tuple[Direction, ActorKind] = ("inbound", "customer"),
    channel: Channel | None = "chat",
    complaint: bool = False,
) -> Observation:
    direction, actor = said
    members: dict[str, Any] = {
        "id": f"{number}-{minute}-{said}-{channel}-{complaint}",
        "source": "s",
        "occurred_at": START + timedelta(minutes=minute),
        "customer": Customer("c"),
        "channel": channel,
        "direction": direction,
        "actor": Actor(actor),
    }
    event: EventBase = TicketOpened(**members, ticket_id="t") if number % 5 == 0 else Interaction(**members)
    return observe(event, COMPLAINT if complaint else None)


def tallied(seen: list[Observation]) -> Tally:
    tally = Tally()
    for one in seen:
        if not tally.knows(one):
            tally.add(one)
    return tally


def folded(seen: list[Observation]) -> EngagementState:
    return tallied(seen).state()


@given(st.lists(observations, max_size=25), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(seen: list[Observation], chance: random.Random) -> None:
    shuffled = seen * 3
    chance.shuffle(shuffled)

    assert folded(shuffled) == folded(seen)


@given(st.lists(observations, min_size=1, max_size=25))
def test_windows_equal_a_recount(seen: list[Observation]) -> None:
    derived = tallied(seen).engagement()

    unique = {one.id: one for one in seen}.values()
    newest = max(one.at_ms for one in unique) // DAY_MS
    kept = [one for one in unique if newest - one.at_ms // DAY_MS < WINDOW_DAYS]
    for days, complaints, inbound in (
        (7, derived.complaints.d7, derived.inbound.d7),
        (30, derived.complaints.d30, derived.inbound.d30),
        (90, derived.complaints.d90, derived.inbound.d90),
    ):
        inside = [one for one in kept if newest - one.at_ms // DAY_MS < days]
        assert complaints == sum(one.complaint_aspects is not None for one in inside)
        assert inbound == sum(one.contact is not None and one.contact % 3 == 0 for one in inside)
    chats = sum(one.contact is not None and one.contact // 3 == 2 for one in kept)
    assert (derived.by_channel["chat"].d90 if "chat" in derived.by_channel else 0) == chats
    active: dict[int, list[int]] = {}
    for one in kept:
        active.setdefault(one.at_ms // DAY_MS, []).append(one.at_ms)
    spoken_on = {one.at_ms // DAY_MS for one in kept if one.contact is not None}
    days_of_contact = [active[day] for day in sorted(spoken_on)]
    gaps = [min(later) - max(earlier) for earlier, later in pairwise(days_of_contact)]
    assert derived.longest_silence_days == round(max(gaps, default=0) / DAY_MS, 2)


@given(st.lists(observations, max_size=25), st.sets(st.integers(0, 24)))
def test_what_is_kept_up_to_date_equals_what_is_counted_anew(seen: list[Observation], restarts: set[int]) -> None:
    tally = Tally()
    for number, one in enumerate(seen):
        if number in restarts:
            tally = Tally.of(decode_state(tally.encode()))
        if not tally.knows(one):
            tally.add(one)
        assert tally.engagement() == engagement(tally.state())
        assert tally.encode() == encode_state(tally.state())


@given(st.lists(observations, max_size=25), st.randoms(use_true_random=False))
def test_equal_events_in_any_order_give_equal_bytes(seen: list[Observation], chance: random.Random) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)

    assert tallied(shuffled).encode() == tallied(seen).encode()


@given(st.lists(observations, min_size=1, max_size=25))
def test_adding_to_a_copy_leaves_the_original_as_it_was(seen: list[Observation]) -> None:
    *before, last = seen
    original = tallied(before)
    bytes_before, derived_before = original.encode(), original.engagement()

    original.copy().add(last)

    assert (original.encode(), original.engagement()) == (bytes_before, derived_before)


@given(
    st.lists(observations, max_size=12),
    st.lists(st.lists(observations, max_size=12), min_size=2, max_size=4),
    st.randoms(use_true_random=False),
)
def test_copies_that_go_different_ways_do_not_see_each_other(
    before: list[Observation], ways: list[list[Observation]], chance: random.Random
) -> None:
    original = tallied(before)
    copies = [(original.copy(), iter(way)) for way in ways]
    going = list(copies)
    while going:
        tally, way = chance.choice(going)
        one = next(way, None)
        if one is None:
            going.remove((tally, way))
        elif not tally.knows(one):
            tally.add(one)
            tally.encode()

    for (tally, _), added in zip(copies, ways, strict=True):
        alone = tallied([*before, *added])
        assert (tally.encode(), tally.engagement()) == (alone.encode(), alone.engagement())


@given(st.lists(observations, max_size=15), st.lists(observations, max_size=15))
def test_merging_distinct_histories_equals_folding_both(one: list[Observation], other: list[Observation]) -> None:
    known = {seen.id for seen in one}
    other = [seen for seen in other if seen.id not in known]

    assert merge(folded(one), folded(other)) == folded([*one, *other])


@given(st.lists(observations, max_size=25))
def test_state_survives_its_bytes(seen: list[Observation]) -> None:
    state = folded(seen)

    assert decode_state(encode_state(state)) == state


@given(st.lists(minutes, min_size=300, max_size=300, unique=True))
def test_state_of_a_busy_customer_is_bounded(instants: list[int]) -> None:
    state = folded([observation(i, minute % (90 * 24 * 60)) for i, minute in enumerate(instants)])

    assert len(encode_state(state)) < 20_000
